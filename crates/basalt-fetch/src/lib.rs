//! Downloads, mirrors, the content-addressed cache, vendor stores.
//!
//! Nothing here is trusted because of where it lies: a blob is checked against its digest each
//! time it is read, a fact counts only when its owner could have written it himself.

pub mod address;
pub mod cache;
pub mod connection;
pub mod connections;
pub mod distribution;
mod error;
mod fetcher;
mod forward;
pub mod guard;
mod http;
mod login;
pub mod logins;
pub mod mirrors;
mod observer;
pub mod proxy;
mod release;
mod resolver;
mod snapshots;
pub mod sources;
pub mod trust;
mod vendor;

pub use cache::{Cache, CacheError, Durability};
pub use connections::{ConnectError, Connections, Problem};
pub use error::FetchError;
pub use fetcher::{FetchOptions, Fetcher, Request};
pub use http::Limits;
pub use login::Login;
pub use logins::Logins;
pub use mirrors::{Mirror, MirrorError, MirrorOptions, Mirrors};
pub use observer::{Event, Observer, Silent};
pub use release::{Provenance, ReleaseFile, ReleaseText, suite_folder};
pub use snapshots::Snapshots;
pub use trust::{Identity, Trust};
pub use vendor::VendorStore;
