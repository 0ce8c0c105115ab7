//! `basalt serve`, from outside: what its clients are promised.

mod access;
mod api;
mod certificates;
mod durable;
mod issuers;
mod limits;
mod quotas;
mod robots;
mod server;
mod uploads;
