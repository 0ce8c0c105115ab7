//! The image's package database: `status.d` for scanners, or dpkg's own, whole.

use std::collections::{BTreeMap, BTreeSet};

use basalt_deb::status::{self, Conffile};
use basalt_slice::Sliced;
use basalt_spec::PackageDatabase;
use basalt_tree::{Kind, Owner, Tree, TreePath};

use crate::error::BuildError;
use crate::read::package::{ReadPackage, packed_path};

/// Control members that dpkg keeps in its `info` folder.
const KEPT: [&str; 11] = [
    "clilibs",
    "conffiles",
    "config",
    "md5sums",
    "postinst",
    "postrm",
    "preinst",
    "prerm",
    "shlibs",
    "symbols",
    "templates",
];

/// The field that names the slices of a package of which nothing else is in the image.
const SLICES: &str = "X-Basalt-Slices";

/// Control members that are programs.
const PROGRAMS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];

/// Writes the database for all packages of an image.
pub(crate) fn write(
    tree: &mut Tree,
    packages: &BTreeMap<String, ReadPackage>,
    sliced: &BTreeMap<String, Sliced>,
    database: PackageDatabase,
    architecture: &str,
) -> Result<(), BuildError> {
    let mut database = match database {
        PackageDatabase::StatusD => return status_d(tree, packages, sliced),
        PackageDatabase::Full => Database { tree },
    };
    database.full(packages, architecture)
}

fn owner() -> Owner {
    Owner::Basalt("package records".to_owned())
}

fn status_d(
    tree: &mut Tree,
    packages: &BTreeMap<String, ReadPackage>,
    sliced: &BTreeMap<String, Sliced>,
) -> Result<(), BuildError> {
    for (name, read) in packages {
        let mut stanza = read.listing.stanza.trim_end().to_owned();
        stanza.push('\n');
        if let Some(sliced) = sliced.get(name) {
            stanza.push_str(&format!("{SLICES}: {}\n", sliced.slices.join(" ")));
        }
        let path = TreePath::new(&format!("var/lib/dpkg/status.d/{name}"))?;
        tree.write_file(&path, stanza.into_bytes(), 0o644, owner())?;
        if let Some(sums) = md5sums(tree, read) {
            let path = TreePath::new(&format!("var/lib/dpkg/status.d/{name}.md5sums"))?;
            tree.write_file(&path, sums.into_bytes(), 0o644, owner())?;
        }
    }
    Ok(())
}

/// The package's own `md5sums`, without files that are not in the image.
fn md5sums(tree: &Tree, read: &ReadPackage) -> Option<String> {
    let sums = status::md5sums(read.listing.members.get("md5sums")?);
    let left_out: BTreeSet<&TreePath> = read.left_out.iter().map(|one| &one.path).collect();
    let mut text = String::new();
    for (digest, path) in sums {
        let stands = TreePath::new(&path).is_ok_and(|path| {
            let path = path.usr_merged();
            tree.contains(&path) && !left_out.contains(&path)
        });
        if stands {
            text.push_str(&format!("{digest}  {path}\n"));
        }
    }
    Some(text)
}

/// What dpkg writes as `md5sums` of a package that brings none: its files in their order.
fn own_md5sums(read: &ReadPackage) -> String {
    let paths = read.listing.entries.iter().map(|(path, _)| path);
    paths
        .filter_map(|path| Some(format!("{}  {}\n", read.md5.get(path)?, path.as_str())))
        .collect()
}

struct Database<'t> {
    tree: &'t mut Tree,
}

impl Database<'_> {
    fn full(
        &mut self,
        packages: &BTreeMap<String, ReadPackage>,
        architecture: &str,
    ) -> Result<(), BuildError> {
        let mut all = String::new();
        for read in packages.values() {
            all.push_str(&self.package(read)?);
            all.push('\n');
        }
        self.file("var/lib/dpkg/status", all, 0o644)?;
        self.file("var/lib/dpkg/info/format", "1\n".to_owned(), 0o644)?;
        // What dpkg and apt expect to find, empty until they write it.
        for name in [
            "diversions",
            "lock",
            "lock-frontend",
            "triggers/Unincorp",
            "triggers/Lock",
        ] {
            let path = TreePath::new(&format!("var/lib/dpkg/{name}"))?;
            if !self.tree.contains(&path) {
                let mode = if name.contains("ock") { 0o640 } else { 0o644 };
                self.tree.insert_file(&path, Vec::new(), mode, owner())?;
            }
        }
        // The machine's own architecture first, then those that dpkg was told of (`--add-architecture`).
        let foreign: BTreeSet<&str> = packages
            .values()
            .map(|read| read.listing.architecture.as_str())
            .filter(|own| ![architecture, "all"].contains(own))
            .collect();
        let mut known = format!("{architecture}\n");
        for foreign in foreign {
            known.push_str(foreign);
            known.push('\n');
        }
        self.file("var/lib/dpkg/arch", known, 0o644)?;
        for folder in ["alternatives", "parts", "updates"] {
            self.tree
                .ensure_directory(&TreePath::new(&format!("var/lib/dpkg/{folder}"))?, owner())?;
        }
        self.triggers(packages)
    }

    fn file(&mut self, path: &str, text: String, mode: u32) -> Result<(), BuildError> {
        self.tree
            .write_file(&TreePath::new(path)?, text.into_bytes(), mode, owner())?;
        Ok(())
    }

    /// Files the package's records; returns its stanza of the status file.
    fn package(&mut self, read: &ReadPackage) -> Result<String, BuildError> {
        let listing = &read.listing;
        let record = status::record_name(&listing.stanza).unwrap_or_else(|| listing.name.clone());
        let mut list = String::from("/.\n");
        for (path, entry) in &listing.entries {
            let stands = self.tree.contains(&packed_path(path, entry))
                || self
                    .tree
                    .resolve_parent(path)
                    .is_ok_and(|path| self.tree.contains(&path));
            if stands {
                list.push_str(&path.absolute());
                list.push('\n');
            }
        }
        self.file(&format!("var/lib/dpkg/info/{record}.list"), list, 0o644)?;
        for name in KEPT {
            if let Some(bytes) = listing.members.get(name) {
                let mode = if PROGRAMS.contains(&name) {
                    0o755
                } else {
                    0o644
                };
                let path = TreePath::new(&format!("var/lib/dpkg/info/{record}.{name}"))?;
                self.tree.write_file(&path, bytes.clone(), mode, owner())?;
            }
        }
        if !listing.members.contains_key("md5sums") {
            let path = format!("var/lib/dpkg/info/{record}.md5sums");
            self.file(&path, own_md5sums(read), 0o644)?;
        }
        if let Some(bytes) = listing.members.get("triggers") {
            let path = TreePath::new(&format!("var/lib/dpkg/info/{record}.triggers"))?;
            self.tree.write_file(&path, bytes.clone(), 0o644, owner())?;
        }
        let members = listing
            .members
            .get("conffiles")
            .map_or(&[][..], Vec::as_slice);
        let conffiles: Vec<Conffile> = status::conffiles(members)
            .into_iter()
            .map(|listed| {
                let digest = TreePath::new(&listed.path)
                    .ok()
                    .and_then(|path| read.md5.get(&path));
                // dpkg's own word for a file whose digest it does not know yet.
                let mut md5 = digest.cloned().unwrap_or_else(|| "newconffile".to_owned());
                if listed.remove_on_upgrade {
                    md5.push_str(" remove-on-upgrade");
                }
                Conffile {
                    md5,
                    path: listed.path,
                }
            })
            .collect();
        Ok(status::installed(&listing.stanza, &conffiles))
    }

    /// Which package waits for which trigger: `triggers/File` for paths, `triggers/NAME` for names.
    fn triggers(&mut self, packages: &BTreeMap<String, ReadPackage>) -> Result<(), BuildError> {
        let mut files = String::new();
        let mut named: BTreeMap<String, String> = BTreeMap::new();
        for (name, read) in packages {
            let Some(bytes) = read.listing.members.get("triggers") else {
                continue;
            };
            // With its architecture, where another architecture's may stand beside it.
            let record = status::record_name(&read.listing.stanza).unwrap_or_else(|| name.clone());
            for line in String::from_utf8_lossy(bytes).lines() {
                let mut words = line.split_ascii_whitespace();
                let (Some(directive), Some(trigger)) = (words.next(), words.next()) else {
                    continue;
                };
                if !directive.starts_with("interest") {
                    continue;
                }
                let mode = if directive.ends_with("noawait") {
                    "/noawait"
                } else {
                    ""
                };
                match trigger.starts_with('/') {
                    true => files.push_str(&format!("{trigger} {record}{mode}\n")),
                    false => named
                        .entry(trigger.to_owned())
                        .or_default()
                        .push_str(&format!("{record}{mode}\n")),
                }
            }
        }
        self.file("var/lib/dpkg/triggers/File", files, 0o644)?;
        for (trigger, text) in named {
            self.file(&format!("var/lib/dpkg/triggers/{trigger}"), text, 0o644)?;
        }
        Ok(())
    }
}

/// The number of regular files of a tree.
pub(crate) fn count_files(tree: &Tree) -> u64 {
    tree.iter()
        .filter(|(_, placed)| {
            matches!(placed.entry.kind, Kind::File { .. } | Kind::Hardlink { .. })
        })
        .count() as u64
}
