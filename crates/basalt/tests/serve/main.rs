//! `basalt serve`, from outside: what its clients are promised.

mod access;
mod api;
mod bills;
mod durable;
mod pages;
mod server;
mod uploads;
