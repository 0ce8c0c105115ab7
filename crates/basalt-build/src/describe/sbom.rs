//! The bill of materials of an image, out of the record that its build keeps: the tree with its owners and digests, the
//! lock, and what was read of each package.

use std::collections::{BTreeMap, BTreeSet};

use basalt_digest::Digest;
use basalt_lock::LockedPackage;
use basalt_oci::annotation;
use basalt_sbom::{File, FileOwner, Image, LeftOut, Link, Original, Package, Sbom, Sha1, Source};
use basalt_tree::{Kind, Owner, Placed, Source as Content, Tree, TreePath};

use crate::assemble::left_out;
use crate::control::relations::{Installed, Relations};
use crate::describe::image;
use crate::describe::names::{self, tool};
use crate::plan::job::Job;
use crate::read::licence;
use crate::read::package::{ReadPackage, packed_path};

/// An image, or an index of images (which has no architecture), as documents name it.
pub(crate) fn image(job: &Job<'_>, architecture: &str, digest: Digest) -> Image {
    let release = &job.project.spec.release;
    let variant = &job.locked.variant;
    let mut annotations = image::annotations(job.image, release, variant, job.epoch);
    let mut take = |key: &str| annotations.remove(key);
    Image {
        name: take(annotation::TITLE).unwrap_or_else(|| job.image.name.clone()),
        version: take(annotation::VERSION).unwrap_or_else(|| release.clone()),
        architecture: architecture.to_owned(),
        digest,
        created: job.epoch,
        vendor: take(annotation::VENDOR),
    }
}

/// The bill of the image of which this is the tree, and this its manifest's digest.
pub(crate) fn of_image(
    job: &Job<'_>,
    packages: &BTreeMap<String, ReadPackage>,
    tree: &Tree,
    manifest: Digest,
) -> Sbom {
    let places: BTreeMap<&str, usize> = packages
        .keys()
        .enumerate()
        .map(|(place, name)| (name.as_str(), place))
        .collect();
    let (files, links) = Files {
        packages,
        places: &places,
        tree,
    }
    .all();
    Sbom {
        tool: tool(),
        image: image(job, &job.locked.architecture, manifest),
        system: names::system(&job.image.distribution, job.lock.codename()),
        packages: all_packages(job, packages, tree),
        files,
        links,
    }
}

fn all_packages(
    job: &Job<'_>,
    packages: &BTreeMap<String, ReadPackage>,
    tree: &Tree,
) -> Vec<Package> {
    let locked: BTreeMap<String, &LockedPackage> = job
        .lock
        .packages_of(job.locked)
        .map(|package| (package.name_in(&job.locked.architecture), package))
        .collect();
    let installed = packages.iter().map(|(name, read)| Installed {
        name,
        version: &read.listing.version,
        architecture: &read.listing.architecture,
        stanza: &read.listing.stanza,
    });
    let relations = Relations::new(installed, &job.locked.architecture);
    let depends = |place: usize| {
        let fields = ["Pre-Depends", "Depends"].into_iter();
        let met = fields.flat_map(|field| relations.met(place, field));
        let places: BTreeSet<usize> = met.map(|(_, place)| place).collect();
        places.into_iter().collect()
    };
    packages
        .iter()
        .enumerate()
        .filter_map(|(place, (name, read))| Some((place, name, locked.get(name)?, read)))
        .map(|(place, name, locked, read)| {
            let maintainer = relations.field(place, "Maintainer");
            let (slices, left_out) = in_part(job, name, read, tree);
            Package {
                name: locked.name.clone(),
                version: locked.version.clone(),
                architecture: locked.architecture.clone(),
                source: Source {
                    name: locked.source.clone(),
                    version: locked.source_version.clone(),
                },
                maintainer: maintainer.unwrap_or_default().to_owned(),
                licence: licence::licence(read, packages).cloned(),
                sha256: locked.sha256,
                archive: locked.archive.clone(),
                suite: locked.suite.clone(),
                path: locked.path.clone(),
                depends: depends(place),
                slices,
                left_out,
            }
        })
        .collect()
}

/// The slices of a package that is not whole in the image, and what they leave out.
fn in_part(
    job: &Job<'_>,
    name: &str,
    read: &ReadPackage,
    tree: &Tree,
) -> (Vec<String>, Vec<LeftOut>) {
    let Some(sliced) = job.sliced.get(name) else {
        return (Vec::new(), Vec::new());
    };
    let mut paths = match job.locked.kept.is_empty() {
        true => read.left_out.clone(),
        false => left_out::left_out(tree, read),
    };
    if paths.is_empty() && !job.locked.kept.is_empty() {
        // All of it is reached.
        return (Vec::new(), Vec::new());
    }
    paths.sort_by(|one, other| one.path.cmp(&other.path));
    let left_out = paths.into_iter().map(|one| LeftOut {
        path: one.path.absolute(),
        digest: one.digest,
    });
    (sliced.slices.clone(), left_out.collect())
}

/// The files of a tree, as they are told of.
struct Files<'a> {
    packages: &'a BTreeMap<String, ReadPackage>,
    places: &'a BTreeMap<&'a str, usize>,
    tree: &'a Tree,
}

impl Files<'_> {
    fn all(&self) -> (Vec<File>, Vec<Link>) {
        let mut files = Vec::new();
        let mut links = Vec::new();
        for (path, placed) in self.tree.iter() {
            match &placed.entry.kind {
                Kind::File { digest, .. } => {
                    files.extend(self.file(path, placed, (placed, *digest), None));
                }
                Kind::Hardlink { target } => {
                    let Ok((real, file)) = self.tree.file(target) else {
                        continue;
                    };
                    if let Kind::File { digest, .. } = file.entry.kind {
                        files.extend(self.file(
                            path,
                            placed,
                            (file, digest),
                            Some(real.absolute()),
                        ));
                    }
                }
                Kind::Symlink { target } => links.push(Link {
                    path: path.absolute(),
                    target: target.clone(),
                    owner: self.owner(&placed.owner),
                }),
                Kind::Directory | Kind::Fifo => {}
            }
        }
        self.add_originals(&mut files);
        (files, links)
    }

    fn file(
        &self,
        path: &TreePath,
        placed: &Placed,
        (content, digest): (&Placed, Digest),
        hard_link_to: Option<String>,
    ) -> Option<File> {
        let sha1 = match &content.source {
            Content::Package { package, path } => *self.packages.get(package)?.sha1.get(path)?,
            Content::Inline(bytes) => Sha1::of(bytes),
            Content::None => return None,
        };
        Some(File {
            path: path.absolute(),
            digest,
            sha1,
            hard_link_to,
            owner: self.owner(&placed.owner),
            original: None,
        })
    }

    fn owner(&self, owner: &Owner) -> FileOwner {
        let place = |name: &String| self.places.get(name.as_str()).copied();
        match owner {
            Owner::Package(name) => match place(name) {
                Some(place) => FileOwner::Package(place),
                None => FileOwner::Builder(owner.to_string()),
            },
            Owner::Effect { package, effect } => FileOwner::Effect {
                package: place(package),
                effect: effect.clone(),
            },
            Owner::Spec(place) => FileOwner::Spec(place.clone()),
            Owner::Basalt(what) => FileOwner::Builder(what.clone()),
        }
    }

    /// Notes of files that no package brought as they are, what a package has at their paths.
    fn add_originals(&self, files: &mut [File]) {
        let mut changed: BTreeMap<String, &mut File> = files
            .iter_mut()
            .filter(|file| !matches!(file.owner, FileOwner::Package(_)))
            .map(|file| (file.path.clone(), file))
            .collect();
        if changed.is_empty() {
            return;
        }
        for (place, read) in self.packages.values().enumerate() {
            for (path, entry) in &read.listing.entries {
                let Kind::File { digest, .. } = entry.kind else {
                    continue;
                };
                let path = packed_path(path, entry).absolute();
                if let Some(file) = changed.get_mut(&path).filter(|file| file.digest != digest) {
                    file.original = Some(Original {
                        package: place,
                        digest,
                    });
                }
            }
        }
    }
}
