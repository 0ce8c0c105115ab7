//! Reading a package once: its listing and, in the same pass, its fragment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use basalt_deb::deb::{self, DataEntry, DataKind};
use basalt_digest::Digest;
use basalt_fetch::Cache;
use basalt_layer::{CompressionPool, Fragment, FragmentWriter};
use basalt_lock::LockedPackage;
use basalt_sbom::Sha1;
use basalt_tree::{Entry, Kind, PackageListing, TreePath};
use serde::{Deserialize, Serialize};

use crate::control::claim::Promised;
use crate::error::BuildError;
use crate::plan::policy::ReadPolicy;
use crate::read::copyright;
use crate::read::inspect::{Passing, Wish, md5_of};
use crate::read::licence::StatedLicence;
use crate::read::locale::Chosen;
use crate::read::slice_filter::{LeftOutPath, Slicing};
use crate::run::cause::{self, LeftOut};

/// Changes whenever what reading yields from the same package changes: part of every record's key.
const GENERATION: u32 = 10;

/// Set-user-ID and set-group-ID.
const SET_ID: u32 = 0o6000;

/// A package that has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadPackage {
    /// Its entries and control members. Set-ID bits are as the policy has them.
    pub listing: PackageListing,
    /// Where its content is: paths are those of [`packed_path`].
    pub fragment: Fragment,
    /// MD5 digests in hex of its files below `/etc`: dpkg tells by them whether a configuration
    /// file was changed. Of all its files, if it brings no list of them. They vouch for nothing.
    pub md5: BTreeMap<TreePath, String>,
    /// What its slices leave out.
    pub left_out: Vec<LeftOutPath>,
    /// The common licence texts that its copyright files name, as [`copyright::named`] has them.
    pub licences: BTreeSet<String>,
    /// The licence that it states.
    pub stated_licence: StatedLicence,
    /// SHA-1 digests of its files, which a bill of materials wants beside the others. They vouch for nothing.
    pub sha1: BTreeMap<TreePath, Sha1>,
}

/// Where an entry of a package stands in its fragment: its path after usr-merge.
pub(crate) fn packed_path(path: &TreePath, entry: &Entry) -> TreePath {
    let merged = path.usr_merged();
    // A link that is itself one of the merged names (`/bin`) stays where it is.
    if matches!(entry.kind, Kind::Symlink { .. }) && path.parent().is_some_and(|p| p.is_root()) {
        return path.clone();
    }
    merged
}

/// An entry as its fragment holds it: a hard link's target is merged too.
pub(crate) fn packed_entry(entry: &Entry) -> Entry {
    match &entry.kind {
        Kind::Hardlink { target } => Entry {
            kind: Kind::Hardlink {
                target: target.usr_merged(),
            },
            ..entry.clone()
        },
        _ => entry.clone(),
    }
}

/// Reads the package from its file, which the cache has; remembers it.
pub(crate) fn package(
    cache: &Cache,
    pool: &CompressionPool,
    package: &LockedPackage,
    policy: &ReadPolicy,
) -> Result<ReadPackage, BuildError> {
    let read = read(cache, pool, package, policy)?;
    let bytes = postcard::to_stdvec(&read).map_err(BuildError::record)?;
    cache.put_fact("package", &key(package, policy)?, &bytes)?;
    Ok(read)
}

/// The package as the cache remembers it, if its fragment is still there too.
pub(crate) fn remembered(cache: &Cache, key: &Digest) -> Result<Option<ReadPackage>, BuildError> {
    let bytes = cache.fact("package", key)?;
    let read = bytes.and_then(|bytes| postcard::from_bytes::<ReadPackage>(&bytes).ok());
    Ok(read.filter(|read| cache.seems_to_have(&read.fragment.digest, Some(read.fragment.size))))
}

/// What a package that is read in one way is remembered by.
pub(crate) fn key(package: &LockedPackage, policy: &ReadPolicy) -> Result<Digest, BuildError> {
    let key = postcard::to_stdvec(&(GENERATION, package.sha256, policy));
    Ok(Digest::of(&key.map_err(BuildError::record)?))
}

pub(crate) fn read(
    cache: &Cache,
    pool: &CompressionPool,
    package: &LockedPackage,
    policy: &ReadPolicy,
) -> Result<ReadPackage, BuildError> {
    let blob = open(cache, package)?;
    let mut writer = FragmentWriter::new(policy.codec, cache.writer()?).with_pool(pool);
    let mut entries = Vec::new();
    let mut md5 = BTreeMap::new();
    let mut licences = BTreeSet::new();
    let mut stated_licence = StatedLicence::default();
    let mut sha1 = BTreeMap::new();
    let mut slicing = policy.slices.as_ref().map(Slicing::new);
    let chosen = match &policy.locale {
        Some(locale) => Some(chosen_locale(cache, package, locale)?),
        None => None,
    };
    let mut visit = |data: &DataEntry, content: &mut dyn Read| -> io::Result<()> {
        let held = stated_licence.look_at(&package.name, data, content)?;
        let content: &mut dyn Read = &mut held.as_slice().chain(content);
        if let Some(slicing) = &mut slicing
            && let Ok(path) = TreePath::new(&data.path)
        {
            slicing.sees(&path, data.kind == DataKind::Directory);
        }
        let Some((path, mut entry)) = entry(data, policy).map_err(io::Error::other)? else {
            return Ok(());
        };
        if chosen
            .as_ref()
            .is_some_and(|chosen| !chosen.keeps(&path, entry.is_directory()))
        {
            return Ok(());
        }
        if let Some(slicing) = &mut slicing
            && !slicing.takes(&path, &entry, content)?
        {
            return Ok(());
        }
        let keeps = |target: &TreePath| {
            let of_slices = slicing
                .as_ref()
                .is_none_or(|slicing| slicing.keeps_file(target));
            policy.paths.keeps(target) && of_slices
        };
        if let Kind::Hardlink { target } = &entry.kind
            && !keeps(target)
        {
            return Err(io::Error::other(LeftOut {
                path,
                target: target.clone(),
            }));
        }
        if let Kind::File { size, .. } = entry.kind {
            let wish = Wish {
                md5: path.as_str().starts_with("etc/"),
                text: copyright::is_copyright(&path),
            };
            let mut content = Passing::new(content, wish, &cache.temporary_folder())?;
            let written = writer
                .entry(&packed_path(&path, &entry), &entry, &mut content)
                .map_err(io::Error::other)?;
            if let Some(digest) = written {
                entry.kind = Kind::File { size, digest };
            }
            let learnt = content.learnt()?;
            entry.elf = learnt.elf.map(Arc::new);
            if let Some(digest) = learnt.md5 {
                md5.insert(path.clone(), digest);
            }
            sha1.insert(path.clone(), learnt.sha1);
            licences.extend(learnt.text.iter().flat_map(|text| copyright::named(text)));
        } else if !entry.is_directory() {
            writer
                .entry(
                    &packed_path(&path, &entry),
                    &packed_entry(&entry),
                    &mut io::empty(),
                )
                .map_err(io::Error::other)?;
        }
        entries.push((path, entry));
        Ok(())
    };
    let control = deb::read(blob, &deb::Limits::default(), &mut visit)
        .map_err(|error| cause::of_package(&package.name, &package.version, &error))?;
    let promised = Promised {
        name: &package.name,
        version: &package.version,
        architecture: &package.architecture,
    };
    promised.check(&control)?;
    if !control.members.contains_key("md5sums") {
        md5 = md5_of_files(cache, package, policy)?;
    }
    let left_out = match slicing {
        Some(slicing) => slicing.finish(package, &mut entries)?,
        None => Vec::new(),
    };
    let (fragment, blob) = writer.finish()?;
    blob.commit_expecting(&fragment.digest)?;
    Ok(ReadPackage {
        listing: PackageListing {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            date: control.date,
            stanza: control.stanza,
            members: control.members,
            entries,
        },
        fragment,
        md5,
        left_out,
        licences,
        stated_licence,
        sha1,
    })
}

/// What of the package is kept for one locale: it is read once more for that, as its links come last.
fn chosen_locale(
    cache: &Cache,
    package: &LockedPackage,
    locale: &str,
) -> Result<Chosen, BuildError> {
    Chosen::find(open(cache, package)?, locale)
        .map_err(|error| cause::of_package(&package.name, &package.version, &error))?
        .map_err(|why| {
            BuildError::Spec(format!(
                "`locale: {locale}`: {} {} has no such locale; {why}",
                package.name, package.version
            ))
        })
}

/// The MD5 digests of all files of a package: few bring no list of them, so these are read once more.
fn md5_of_files(
    cache: &Cache,
    package: &LockedPackage,
    policy: &ReadPolicy,
) -> Result<BTreeMap<TreePath, String>, BuildError> {
    let mut found = BTreeMap::new();
    let mut visit = |data: &DataEntry, content: &mut dyn Read| -> io::Result<()> {
        let Some((path, entry)) = entry(data, policy).map_err(io::Error::other)? else {
            return Ok(());
        };
        match &entry.kind {
            Kind::File { .. } => {
                found.insert(path, md5_of(content)?);
            }
            Kind::Hardlink { target } => {
                if let Some(digest) = found.get(target).cloned() {
                    found.insert(path, digest);
                }
            }
            _ => {}
        }
        Ok(())
    };
    deb::read(open(cache, package)?, &deb::Limits::default(), &mut visit)
        .map_err(|error| cause::of_package(&package.name, &package.version, &error))?;
    Ok(found)
}

/// The package's file, whose bytes are compared with their digest.
fn open(cache: &Cache, package: &LockedPackage) -> Result<impl Read + use<>, BuildError> {
    cache
        .open_verified(&package.sha256, package.size)?
        .ok_or_else(|| BuildError::MissingPackage {
            package: package.name.clone(),
            version: package.version.clone(),
            digest: package.sha256,
        })
}

/// An entry of the package's archive as the tree wants it; `None` when the policy leaves it out.
fn entry(data: &DataEntry, policy: &ReadPolicy) -> Result<Option<(TreePath, Entry)>, String> {
    let path = TreePath::new(&data.path).map_err(|error| error.to_string())?;
    if path.is_root() && data.kind != DataKind::Directory {
        return Err("its data name the root of the image, and not as a directory".to_owned());
    }
    if path.is_root() || !policy.paths.keeps(&path) {
        return Ok(None);
    }
    let kind = match &data.kind {
        DataKind::Directory => Kind::Directory,
        DataKind::File { size } => Kind::File {
            size: *size,
            digest: Digest::from_bytes([0; 32]),
        },
        DataKind::Symlink { target } => Kind::Symlink {
            target: target.clone(),
        },
        DataKind::Hardlink { target } => Kind::Hardlink {
            target: TreePath::new(target).map_err(|error| error.to_string())?,
        },
        DataKind::Fifo => Kind::Fifo,
        other => return Err(format!("{path} is a {other:?}, which no image may hold")),
    };
    let mut mode = data.mode & 0o7777;
    let is_directory = kind == Kind::Directory;
    if !is_directory && mode & SET_ID != 0 && !policy.keep_setuid.contains(&path.usr_merged()) {
        mode &= !SET_ID;
    }
    let entry = Entry {
        uid: data.uid,
        gid: data.gid,
        xattrs: data.xattrs.clone(),
        ..Entry::new(kind, mode, data.mtime)
    };
    Ok(Some((path, entry)))
}

#[cfg(test)]
mod tests {
    use basalt_layer::Codec;
    use basalt_tree::PathPolicy;

    use super::*;

    #[test]
    fn a_root_that_is_no_directory_is_refused() {
        let policy = ReadPolicy {
            paths: PathPolicy::default(),
            slices: None,
            locale: None,
            keep_setuid: Vec::new(),
            codec: Codec::Gzip,
            compatibility: 4,
        };
        let root = |path: &str, kind: DataKind| DataEntry {
            path: path.to_owned(),
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            user: String::new(),
            group: String::new(),
            mtime: 0,
            xattrs: Default::default(),
        };
        let target = || "/etc".to_owned();
        for path in [".", "./", "/", "././"] {
            for kind in [
                DataKind::File { size: 1 },
                DataKind::Symlink { target: target() },
                DataKind::Hardlink { target: target() },
                DataKind::Fifo,
                DataKind::CharacterDevice,
            ] {
                let error = entry(&root(path, kind), &policy).expect_err(path);
                assert!(error.contains("root of the image"), "{error}");
            }
            assert_eq!(entry(&root(path, DataKind::Directory), &policy), Ok(None));
        }
    }
}
