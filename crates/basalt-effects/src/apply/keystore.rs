//! Java's store of trusted certificates, as `keytool` writes it for ca-certificates-java.
//!
//! The format is Sun's `JKS`: a header, the entries, and a digest keyed by a password that is no
//! secret: it is the same in every distribution, and there is nothing but certificates in the store.

use std::collections::BTreeMap;

use basalt_tree::{Kind, Owner};
use sha1::{Digest as _, Sha1};

use super::certificates::certificates_of;
use super::error::ApplyError;
use super::work::{Work, owned, place};

const STORE: &str = "/etc/ssl/certs/java/cacerts";
const RUNTIME: &str = "/usr/bin/java";
const LINKS: &str = "/etc/ssl/certs";
/// Links to elsewhere are none of ca-certificates'.
const ROOTS: [&str; 2] = [
    "/usr/share/ca-certificates/",
    "/usr/local/share/ca-certificates/",
];

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
const PASSWORD: &str = "changeit";
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// The bytes of a store with these certificates (DER) by alias; `epoch`, in seconds since 1970, is
/// when they were added.
///
/// # Errors
/// A sentence, when an alias or a certificate is too long for the format, or there are too many.
pub fn keystore(certificates: &BTreeMap<String, Vec<u8>>, epoch: i64) -> Result<Vec<u8>, String> {
    let count = u32::try_from(certificates.len()).map_err(|_| "there are too many certificates")?;
    let mut store = Vec::new();
    for number in [MAGIC, VERSION, count] {
        store.extend(number.to_be_bytes());
    }
    for (alias, der) in certificates {
        let length = u32::try_from(der.len())
            .map_err(|_| format!("the certificate `{alias}` is too long"))?;
        store.extend(TRUSTED_CERTIFICATE.to_be_bytes());
        text(&mut store, alias)?;
        store.extend(epoch.saturating_mul(1000).to_be_bytes());
        text(&mut store, "X.509")?;
        store.extend(length.to_be_bytes());
        store.extend(der);
    }
    let mut digest = Sha1::new();
    for unit in PASSWORD.encode_utf16() {
        digest.update(unit.to_be_bytes());
    }
    digest.update(WHITENER);
    digest.update(&store);
    store.extend(digest.finalize());
    Ok(store)
}

/// A text as Java's `DataOutput` writes it: its length in bytes, then each UTF-16 unit in the form
/// that UTF-8 gives a character of that number, but for zero, which has two bytes.
fn text(store: &mut Vec<u8>, text: &str) -> Result<(), String> {
    let mut bytes = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let low = |shift: u16| 0x80 | (unit >> shift & 0x3f) as u8;
        match unit {
            0x01..=0x7f => bytes.push(unit as u8),
            0 | 0x80..=0x7ff => bytes.extend([0xc0 | (unit >> 6) as u8, low(0)]),
            0x800.. => bytes.extend([0xe0 | (unit >> 12) as u8, low(6), low(0)]),
        }
    }
    let length = u16::try_from(bytes.len()).map_err(|_| {
        format!(
            "the name `{}…` is too long",
            text.chars().take(40).collect::<String>()
        )
    })?;
    store.extend(length.to_be_bytes());
    store.extend(bytes);
    Ok(())
}

/// Writes the store, if the image has a Java runtime and trusts anybody.
pub(super) fn apply(work: &mut Work<'_>, package: &str) -> Result<(), ApplyError> {
    let owner = owned(package, "trusted certificates for Java");
    if !work.exists(RUNTIME) || work.exists(STORE) || !work.exists(LINKS) {
        return Ok(());
    }
    let mut certificates = BTreeMap::new();
    for path in trusted(work, &owner)? {
        let bytes = work.read(&path, &owner)?.unwrap_or_default();
        let malformed = |cause| ApplyError::Malformed {
            path: path.clone(),
            line: 0,
            cause,
        };
        let name = path.rsplit('/').next().unwrap_or(&path).to_lowercase();
        let found = certificates_of(&bytes).map_err(malformed)?;
        for (number, (_, der)) in found.into_iter().enumerate() {
            let alias = match number {
                0 => format!("debian:{name}"),
                // The bundle has all certificates of a file, so Java's store has them too.
                _ => format!("debian:{name}-{}", number + 1),
            };
            certificates.insert(alias, der);
        }
    }
    if certificates.is_empty() {
        return Ok(());
    }
    let store =
        keystore(&certificates, work.context.epoch).map_err(|cause| ApplyError::Malformed {
            path: STORE.to_owned(),
            line: 0,
            cause,
        })?;
    work.write(STORE, store, 0o644, &owner)
}

/// The links by name that `update-ca-certificates` made.
fn trusted(work: &Work<'_>, owner: &Owner) -> Result<Vec<String>, ApplyError> {
    let directory = place(&work.real(LINKS, owner)?, owner)?;
    let links = work.tree.children(&directory).filter_map(|(path, placed)| {
        let Kind::Symlink { target } = &placed.entry.kind else {
            return None;
        };
        let is_ours = ROOTS.iter().any(|root| target.starts_with(root));
        (is_ours && path.name().ends_with(".pem")).then(|| path.absolute())
    });
    Ok(links.collect())
}
