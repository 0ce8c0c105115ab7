//! Signatures made with a certificate that Sigstore gave to an identity, verified offline against a trusted root.

mod provider;
mod root;

pub use root::{Identity, TrustedRoot};
