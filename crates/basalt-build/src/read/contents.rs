//! Content of package files, read back from their fragments.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use basalt_fetch::Cache;
use basalt_layer::FragmentReader;
use basalt_tree::{Contents, TreePath};

use crate::read::package::{ReadPackage, packed_path};

/// Reads files of the packages of one image. Fragments stay open, with their last chunk; they are
/// not verified as a whole, as [`basalt_tree::Tree::read`] compares each file's own digest.
pub(crate) struct PackageContents<'a> {
    cache: &'a Cache,
    packages: &'a BTreeMap<String, ReadPackage>,
    open: Mutex<BTreeMap<&'a str, FragmentReader<'a, File>>>,
}

impl<'a> PackageContents<'a> {
    pub(crate) fn new(cache: &'a Cache, packages: &'a BTreeMap<String, ReadPackage>) -> Self {
        Self {
            cache,
            packages,
            open: Mutex::default(),
        }
    }
}

impl Contents for PackageContents<'_> {
    fn read(&self, package: &str, path: &TreePath) -> io::Result<Vec<u8>> {
        let (name, read) = self
            .packages
            .get_key_value(package)
            .ok_or_else(|| io::Error::other(format!("{package} is not in the image")))?;
        let (_, entry) = read
            .listing
            .entries
            .iter()
            .find(|(listed, _)| listed == path)
            .ok_or_else(|| io::Error::other(format!("{package} has no {path}")))?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.contains_key(name.as_str()) {
            let blob = self
                .cache
                .open_unverified(&read.fragment.digest, read.fragment.size)
                .map_err(io::Error::other)?
                .ok_or_else(|| {
                    io::Error::other(format!("the cache lost {package}: build again"))
                })?;
            let reader = FragmentReader::new(&read.fragment, blob).map_err(io::Error::other)?;
            open.insert(name, reader);
        }
        let reader = open
            .get_mut(name.as_str())
            .ok_or_else(|| io::Error::other("the fragment did not open"))?;
        reader
            .read(&packed_path(path, entry))
            .map_err(io::Error::other)
    }
}
