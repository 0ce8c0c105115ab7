//! `basalt serve`, from outside: what its clients are promised.

mod access;
mod api;
mod bills;
mod certificates;
mod durable;
mod hooks;
mod issuers;
mod limits;
mod operations;
mod pages;
mod proxy;
mod quotas;
mod robots;
mod server;
mod uploads;
