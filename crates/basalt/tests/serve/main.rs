//! `basalt serve`, from outside: what its clients are promised.

mod access;
mod api;
mod durable;
mod hooks;
mod operations;
mod server;
mod uploads;
