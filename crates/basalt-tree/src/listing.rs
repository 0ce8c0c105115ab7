//! What reading one package yields: the record from which trees are assembled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::path::TreePath;

/// One package as it was read: its facts, its control members and its entries with digests and ELF
/// facts. It holds no content, so it is small enough to be cached and read back at each build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageListing {
    /// Name of the binary package.
    pub name: String,
    /// Its version, as text.
    pub version: String,
    /// Its architecture: `amd64`, `all`.
    pub architecture: String,
    /// When it was built, seconds since 1970: the date of the `debian-binary` member.
    pub date: i64,
    /// The `control` stanza, verbatim.
    pub stanza: String,
    /// The other control members by name (`postinst`, `triggers`, `conffiles`, `md5sums`).
    pub members: BTreeMap<String, Vec<u8>>,
    /// Its entries in the order of the package, excluded paths left out.
    pub entries: Vec<(TreePath, Entry)>,
}
