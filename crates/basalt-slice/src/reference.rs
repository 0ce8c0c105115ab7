//! The name of a slice of a package.

use std::fmt;
use std::str::FromStr;

/// A slice of a package, written `package_slice`, or `store/package_slice`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The binary package; one of a store of snaps has the store's name and `/` before its own.
    pub package: String,
    /// The slice.
    pub slice: String,
}

impl Reference {
    /// The slice of this name of a package.
    pub fn new(package: &str, slice: &str) -> Self {
        Self {
            package: package.to_owned(),
            slice: slice.to_owned(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.package, self.slice)
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('_') {
            Some((package, slice)) if is_qualified(package) && is_slice(slice) => {
                Ok(Self::new(package, slice))
            }
            _ => Err(format!(
                "`{}` names no slice: write `package_slice`",
                text.escape_debug()
            )),
        }
    }
}

/// Whether a text is a package's name, maybe with that of its store before it.
fn is_qualified(text: &str) -> bool {
    let (store, package) = text.split_once('/').unwrap_or(("store", text));
    is_package(package)
        && (1..=100).contains(&store.len())
        && store.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && store.bytes().all(is_of_name)
}

/// Whether a package's name may hold this byte (Debian policy, section 5.6.7).
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
}

/// Whether a text has the form of a package's name.
pub(crate) fn is_package(text: &str) -> bool {
    text.len() >= 2
        && text.len() <= 200
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(is_of_name)
}

/// Whether a text has the form of a slice's name: letters, digits and single `-` between them.
pub(crate) fn is_slice(text: &str) -> bool {
    text.len() >= 3
        && text.len() <= 100
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && !text.contains("--")
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_package_and_a_slice() {
        let reference: Reference = "libstdc++6_libs".parse().expect("a reference");
        assert_eq!(reference, Reference::new("libstdc++6", "libs"));
        assert_eq!(reference.to_string(), "libstdc++6_libs");
        for wrong in [
            "",
            "libc6",
            "libc6_",
            "_libs",
            "libc6_a_b",
            "libc6_-ab",
            "Lib_libs",
        ] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
        }
    }
}
