//! The registry server: the OCI distribution API over metadata and blobs.
//!
//! A request's first line is read into a [`route::Route`]; what that needs is asked of the [`access::Policy`]; then
//! [`server`] answers it from [`metadata::Metadata`], which alone says what is there, and [`blobs::Blobs`], which keeps the
//! bytes of large blobs.

pub mod access;
pub mod audit;
pub mod bills;
pub mod blobs;
pub mod config;
pub mod digest;
pub mod events;
mod failpoint;
pub mod fault;
mod file;
pub mod manifest;
pub mod metadata;
pub mod name;
pub mod operations;
pub mod range;
pub mod rate;
pub mod retention;
pub mod route;
pub mod server;
pub mod service;
mod storage;
pub mod traces;
pub mod upstream;
pub mod verdict;
