//! Paths inside an image.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A path inside an image: relative to its root, without a leading or trailing slash, without
/// empty, `.` or `..` parts. The root itself is the empty path. Sorted by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(Box<str>);

/// A path that may not stand in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path `{}` may not stand in an image: {cause}", path.escape_debug())]
pub struct PathError {
    /// The path as it was met.
    pub path: String,
    /// What is wrong with it.
    pub cause: &'static str,
}

/// The longest path taken, in bytes: Linux' `PATH_MAX`.
pub const MAXIMUM_PATH_LENGTH: usize = 4096;

/// What the names of whiteouts begin with, which runtimes take for deletions (OCI image specification, *Whiteouts*):
/// an image with such a file would run as another than its tree.
const WHITEOUT: &str = ".wh.";

/// The top-level directories that are links into `/usr` on a merged system
/// (Debian's base-files 13 ships them so).
pub(crate) const MERGED: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

impl TreePath {
    /// Normalises a path met in a package or a spec: `./usr//bin/` and `/usr/bin` become `usr/bin`.
    ///
    /// # Errors
    /// When a part is `..` or the name of a whiteout, a NUL or control character is in it, or it is too long.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let fail = |cause| PathError {
            path: text.chars().take(200).collect(),
            cause,
        };
        if text.len() > MAXIMUM_PATH_LENGTH {
            return Err(fail("it is longer than 4096 bytes"));
        }
        if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return Err(fail("it holds a control character"));
        }
        let mut normal = String::with_capacity(text.len());
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => return Err(fail("it climbs out with `..`")),
                _ if part.starts_with(WHITEOUT) => {
                    return Err(fail(
                        "a name that begins with `.wh.` would delete files of lower layers",
                    ));
                }
                _ if part.len() > 255 => {
                    return Err(fail("one of its names is longer than 255 bytes"));
                }
                _ => {
                    if !normal.is_empty() {
                        normal.push('/');
                    }
                    normal.push_str(part);
                }
            }
        }
        Ok(Self(normal.into()))
    }

    /// The root of the image.
    pub fn root() -> Self {
        Self("".into())
    }

    /// A text known to be normal, or a bound between paths when searching a sorted map.
    pub(crate) fn from_normal(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether this is the root of the image.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as text, without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as a program in the image would name it, with a leading slash.
    pub fn absolute(&self) -> String {
        format!("/{}", self.0)
    }

    /// The last name of the path; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.rfind('/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// Appends a relative path.
    ///
    /// # Errors
    /// As [`TreePath::new`].
    pub fn join(&self, relative: &str) -> Result<Self, PathError> {
        Self::new(&format!("{}/{relative}", self.0))
    }

    /// Where the path stands once `/bin`, `/sbin` and `/lib*` are links into `/usr`: `bin/sh` becomes
    /// `usr/bin/sh`. The top-level names themselves (`bin`) are moved too, so a symbolic link that
    /// *is* such a name must not be asked about.
    pub fn usr_merged(&self) -> Self {
        let first = self.0.split('/').next().unwrap_or("");
        if MERGED.contains(&first) {
            Self(format!("usr/{}", self.0).into())
        } else {
            self.clone()
        }
    }

    /// All directories that hold it, the outermost first, without the root and itself.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        self.0
            .match_indices('/')
            .map(|(end, _)| Self(self.0[..end].into()))
    }

    /// Where a symbolic link standing at this path points, by names alone: `..` takes away the name
    /// before it and stops at the root. An absolute target begins at the image's root.
    ///
    /// # Errors
    /// As [`TreePath::new`], but for `..`.
    pub fn link_target(&self, target: &str) -> Result<Self, PathError> {
        let mut names: Vec<&str> = Vec::new();
        if !target.starts_with('/') {
            let end = self.0.rfind('/').unwrap_or(0);
            names.extend(self.0[..end].split('/'));
        }
        for name in target.split('/') {
            if name == ".." {
                names.pop();
            } else {
                names.push(name);
            }
        }
        Self::new(&names.join("/"))
    }

    /// Whether it is `directory` or lies below it.
    pub fn is_within(&self, directory: &Self) -> bool {
        directory.is_root()
            || self.0.as_bytes().starts_with(directory.0.as_bytes())
                && matches!(self.0.as_bytes().get(directory.0.len()), None | Some(b'/'))
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

impl TryFrom<String> for TreePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        Self::new(&text)
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> Self {
        path.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalised_whatever_it_looked_like() {
        for text in ["usr/bin", "/usr/bin", "./usr//bin/", "//usr/./bin"] {
            assert_eq!(TreePath::new(text).expect("a path").as_str(), "usr/bin");
        }
        assert!(TreePath::new("./").expect("the root").is_root());
    }

    #[test]
    fn never_climbs_out() {
        for text in ["..", "usr/../../etc", "a/..", "nul\0", "new\nline"] {
            assert!(TreePath::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn within_is_by_whole_names() {
        let path = |text| TreePath::new(text).expect("a path");
        assert!(path("usr/bin/env").is_within(&path("usr/bin")));
        assert!(path("usr/bin").is_within(&path("usr/bin")));
        assert!(!path("usr/binary").is_within(&path("usr/bin")));
        assert!(path("usr").is_within(&TreePath::root()));
    }
}
