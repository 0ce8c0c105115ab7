//! `basalt serve`, from outside: what its clients are promised.

mod access;
mod api;
mod bills;
mod certificates;
mod company;
mod devices;
mod durable;
mod full;
mod hooks;
mod indexes;
mod issuers;
mod large;
mod limits;
mod listener;
mod login;
mod operations;
mod pages;
mod policy;
mod proxy;
mod quotas;
mod robots;
mod server;
mod traces;
mod uploads;
