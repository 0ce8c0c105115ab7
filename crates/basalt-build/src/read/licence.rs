//! Where a package states its licence: in its copyright file (Debian policy 12.5), or in that of a package which its
//! folder of documentation is a link to (policy 12.3).

use std::collections::BTreeMap;
use std::io::{self, Read};

use basalt_deb::deb::{DataEntry, DataKind};
use basalt_sbom::{Copyright, Licence, MAXIMUM_COPYRIGHT};
use serde::{Deserialize, Serialize};

use crate::read::package::ReadPackage;
use crate::run::documented::DOCUMENTED;

/// How many packages may refer to each other.
const MAXIMUM_STEPS: usize = 8;

/// What is known of a package's licence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StatedLicence {
    /// Nothing that a machine can read.
    #[default]
    Nowhere,
    /// This.
    Own(Licence),
    /// That of another package.
    Of(String),
}

impl StatedLicence {
    /// Looks at an entry of a package, whether it is in the image or not. Gives what it read of the content, for who
    /// reads it next: nothing but of the copyright file.
    pub(crate) fn look_at(
        &mut self,
        package: &str,
        data: &DataEntry,
        content: &mut dyn Read,
    ) -> io::Result<Vec<u8>> {
        let below = below_documentation(package, &data.path);
        let Some(below) = below.filter(|_| DOCUMENTED) else {
            return Ok(Vec::new());
        };
        match (&data.kind, below) {
            (DataKind::File { .. }, "/copyright") => {
                let mut bytes = Vec::new();
                let most = MAXIMUM_COPYRIGHT as u64 + 1;
                content.take(most).read_to_end(&mut bytes)?;
                if let Some(copyright) = Copyright::parse(&bytes) {
                    *self = Self::Own(copyright.licence);
                }
                return Ok(bytes);
            }
            (DataKind::Symlink { target }, "") => self.refers_to(target.trim_end_matches('/')),
            (DataKind::Symlink { target }, "/copyright") => {
                if let Some(folder) = target.strip_suffix("/copyright") {
                    self.refers_to(folder);
                }
            }
            _ => {}
        }
        Ok(Vec::new())
    }

    fn refers_to(&mut self, folder: &str) {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        if !matches!(name, "" | "." | "..") {
            *self = Self::Of(name.to_owned());
        }
    }
}

/// What follows the package's folder of documentation in a path: empty for the folder itself.
fn below_documentation<'p>(package: &str, path: &'p str) -> Option<&'p str> {
    let path = path.trim_start_matches("./").trim_start_matches('/');
    path.strip_prefix("usr/share/doc/")?.strip_prefix(package)
}

/// The licence of a package, wherever it is stated.
pub(crate) fn licence<'p>(
    package: &'p ReadPackage,
    packages: &'p BTreeMap<String, ReadPackage>,
) -> Option<&'p Licence> {
    let mut read = package;
    for _ in 0..MAXIMUM_STEPS {
        match &read.stated_licence {
            StatedLicence::Nowhere => return None,
            StatedLicence::Own(licence) => return Some(licence),
            StatedLicence::Of(name) => read = packages.get(name)?,
        }
    }
    None
}
