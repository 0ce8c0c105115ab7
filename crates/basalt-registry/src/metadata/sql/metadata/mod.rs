//! The traits of metadata, over a database of tables: each method hands what it asks or changes to the engine.

mod accounts;
mod bills;
mod content;
mod copied;
mod operated;
mod told;
mod uploads;
