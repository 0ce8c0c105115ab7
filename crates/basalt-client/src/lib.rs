//! Registries as their clients see them (OCI distribution specification 1.1): blobs, manifests, tags and
//! referrers are read and written, and nothing that comes is believed before its digest was compared.
//!
//! [`Client`] holds what all registries share: time limits, certificates, credentials, mirrors.
//! [`Repository`] is one repository of a registry, an [`ImageStore`](basalt_oci::ImageStore). Requests that fail
//! in passing are tried again, downloads and uploads go on where they broke off.

mod blob;
pub mod challenge;
mod client;
mod copy;
mod credentials;
pub mod docker_config;
mod documents;
mod error;
mod helper;
mod layout_target;
pub mod link;
mod login;
mod pages;
mod plan;
mod reference;
mod referrers;
pub mod registries_conf;
mod registry;
mod repository;
mod retry;
mod secret;
mod store;
mod token;
mod transport;
mod upload;
mod warning;

pub use client::{Client, Settings};
pub use copy::{Copied, CopyOptions, Target, copy};
pub use credentials::{Credential, Credentials};
pub use error::ClientError;
pub use layout_target::LayoutTarget;
pub use login::{LoggedIn, WaitingLogin};
pub use reference::{HostError, Reference, ReferenceError, host};
pub use registry::Registry;
pub use repository::{ACCEPTED, Repository, is_head_refused};
pub use secret::Secret;
pub use transport::Answer;
pub use ureq::http::Method;
pub use warning::Warning;
