//! The Release files of suites: fetched conditionally, remembered once found good.

use basalt_digest::Digest;

use crate::fetcher::Fetcher;
use crate::http::Conditions;
use crate::{CacheError, FetchError};

/// No Release file is bigger, in bytes.
const MAXIMUM: u64 = 16 << 20;
/// The kind of fact that a remembered Release file is.
const KIND: &str = "releases";

/// A Release file with its signatures, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseText {
    /// `InRelease`: text and signatures in one.
    Inline(Vec<u8>),
    /// `Release` and `Release.gpg`.
    Detached {
        /// The text.
        release: Vec<u8>,
        /// The signatures.
        signature: Vec<u8>,
    },
}

/// The folder of a suite's files in its archive, with a slash at its end unless it is the archive's own:
/// `dists/trixie/`, or for a flat repository (sources.list(5)), whose suite ends in a slash, that
/// path itself.
pub fn suite_folder(suite: &str) -> String {
    if !suite.ends_with('/') {
        return format!("dists/{suite}/");
    }
    let parts = suite.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.map(|part| format!("{part}/")).collect()
}

/// Where a Release file came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// The mirror, just now.
    Mirror,
    /// The mirror says that the remembered one is still the newest.
    Unchanged,
    /// Remembered; nobody was asked.
    Remembered,
    /// The vendor store.
    Vendor,
}

/// A Release file of a suite, not yet verified: hand it to `basalt-trust`, then to
/// [`Fetcher::remember_release`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFile {
    /// The archive.
    pub archive: String,
    /// The suite: its folder below `dists`, or that of a flat repository with its slash.
    pub suite: String,
    /// Text and signatures.
    pub text: ReleaseText,
    /// Where it came from.
    pub provenance: Provenance,
    source: Source,
}

/// What the mirror needs to hear to say "unchanged".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Source {
    url: String,
    etag: String,
    modified: String,
}

impl Fetcher {
    /// The Release file of a suite. With `refresh` the mirror is asked whether there is a newer
    /// one; without, the remembered one will do. Offline and vendored, nobody is asked.
    ///
    /// # Errors
    /// When it can be had from nowhere; a mirror that fails is an error even when an older file
    /// is remembered.
    pub fn release_file(
        &self,
        archive: &str,
        suite: &str,
        refresh: bool,
    ) -> Result<ReleaseFile, FetchError> {
        let folder = suite_folder(suite);
        let file = |text, provenance, source| ReleaseFile {
            archive: archive.to_owned(),
            suite: suite.to_owned(),
            text,
            provenance,
            source,
        };
        if let Some(text) = self.vendored_release(archive, suite) {
            return Ok(file(text, Provenance::Vendor, Source::default()));
        }
        let remembered = self.remembered_release(archive, suite)?;
        if self.options().offline || !refresh {
            if let Some((text, source)) = remembered {
                return Ok(file(text, Provenance::Remembered, source));
            }
            if self.options().offline {
                return Err(FetchError::Offline {
                    archive: archive.to_owned(),
                    path: format!("{folder}InRelease"),
                });
            }
        }
        let path = |name: &str| format!("{folder}{name}");
        let mut conditions = Conditions::default();
        if let Some((_, source)) = &remembered {
            let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
            conditions.etag = some(&source.etag);
            conditions.modified_since = some(&source.modified);
        }
        let asked = remembered.as_ref().map(|(_, source)| source.url.as_str());
        let inline = self.small_file(archive, &path("InRelease"), MAXIMUM, &conditions, asked);
        let got = match inline {
            Ok(got) => got,
            Err(FetchError::NotFound { .. }) => {
                let none = Conditions::default();
                let release = self.small_file(archive, &path("Release"), MAXIMUM, &none, None)?;
                let signature =
                    self.small_file(archive, &path("Release.gpg"), 1 << 20, &none, None)?;
                let text = ReleaseText::Detached {
                    release: release.bytes,
                    signature: signature.bytes,
                };
                return Ok(file(text, Provenance::Mirror, Source::default()));
            }
            Err(error) => return Err(error),
        };
        if got.unchanged
            && let Some((text, source)) = remembered
        {
            return Ok(file(text, Provenance::Unchanged, source));
        }
        let source = Source {
            url: got.url,
            etag: got.etag.unwrap_or_default(),
            modified: got.modified.unwrap_or_default(),
        };
        Ok(file(
            ReleaseText::Inline(got.bytes),
            Provenance::Mirror,
            source,
        ))
    }

    /// Remembers a Release file for the next time. Call this only once its signature is found
    /// good: one that was tampered with must not come back with the mirror's "unchanged".
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember_release(&self, file: &ReleaseFile) -> Result<(), CacheError> {
        if file.provenance != Provenance::Mirror {
            return Ok(());
        }
        let (first, second): (&[u8], &[u8]) = match &file.text {
            ReleaseText::Inline(text) => (text, &[]),
            ReleaseText::Detached { release, signature } => (release, signature),
        };
        let source = &file.source;
        let mut bytes = Vec::with_capacity(first.len() + second.len() + 512);
        let head = [
            source.url.as_bytes(),
            source.etag.as_bytes(),
            source.modified.as_bytes(),
        ];
        for part in head.into_iter().chain([first, second]) {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        self.cache()
            .put_fact(KIND, &key(&file.archive, &file.suite), &bytes)
    }

    fn vendored_release(&self, archive: &str, suite: &str) -> Option<ReleaseText> {
        let vendor = self.options().vendor.as_ref()?;
        let file = |name| vendor.release_file(archive, suite, name);
        match file("InRelease") {
            Some(text) => Some(ReleaseText::Inline(text)),
            None => Some(ReleaseText::Detached {
                release: file("Release")?,
                signature: file("Release.gpg")?,
            }),
        }
    }

    fn remembered_release(
        &self,
        archive: &str,
        suite: &str,
    ) -> Result<Option<(ReleaseText, Source)>, CacheError> {
        let fact = self.cache().fact(KIND, &key(archive, suite))?;
        Ok(fact.and_then(|bytes| parse(&bytes)))
    }
}

fn key(archive: &str, suite: &str) -> Digest {
    Digest::of(format!("{archive}\0{suite}").as_bytes())
}

fn parse(bytes: &[u8]) -> Option<(ReleaseText, Source)> {
    let mut rest = bytes;
    let mut part = || {
        let (length, behind) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (part, behind) = behind.split_at_checked(length)?;
        rest = behind;
        Some(part)
    };
    let mut text = || Some(std::str::from_utf8(part()?).ok()?.to_owned());
    let source = Source {
        url: text()?,
        etag: text()?,
        modified: text()?,
    };
    let (first, second) = (part()?.to_vec(), part()?.to_vec());
    let text = if second.is_empty() {
        ReleaseText::Inline(first)
    } else {
        ReleaseText::Detached {
            release: first,
            signature: second,
        }
    };
    Some((text, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_that_ends_in_a_slash_is_a_folder_of_its_own() {
        for (suite, folder) in [
            ("trixie", "dists/trixie/"),
            ("bookworm/updates", "dists/bookworm/updates/"),
            ("./", ""),
            ("/", ""),
            ("stable/", "stable/"),
            ("./a//b/", "a/b/"),
        ] {
            assert_eq!(suite_folder(suite), folder, "{suite}");
        }
    }
}
