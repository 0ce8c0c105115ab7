//! One image's tree: packages by rule, effects in place of scripts, the spec's files, records,
//! hardening.

use std::collections::BTreeMap;

use basalt_effects::apply::{self, Context, Ids};
use basalt_effects::{Effect, Explanation, PackageScripts};
use basalt_fetch::distribution;
use basalt_lock::Lock;
use basalt_slice::Sliced;
use basalt_spec::{ImageSpec, LoadedSpec, PackageDatabase};
use basalt_tree::{Contents, HardenPolicy, Hardened, Owner, Tree, TreePath, harden};

use crate::assemble::accounts::accounts;
use crate::assemble::files::{place, skeleton};
use crate::assemble::identity::{self, Identity};
use crate::assemble::packages::insert;
use crate::assemble::{diversions, licences, linker_cache, records, slices};
use crate::control::scripts::{explain, refuse_unexplained};
use crate::error::BuildError;
use crate::project::lock_file::local_file;
use crate::project::title::title;
use crate::read::package::ReadPackage;

/// Which image is assembled.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub spec: &'a LoadedSpec,
    pub image: &'a ImageSpec,
    pub lock: &'a Lock,
    pub architecture: &'a str,
    pub variant: &'a str,
    pub epoch: i64,
    pub sliced: &'a BTreeMap<String, Sliced>,
}

/// An image's tree, and what the config needs to know of it.
pub(crate) struct Assembled {
    pub tree: Tree,
    pub hardened: Vec<Hardened>,
}

/// Puts an image's tree together.
pub(crate) fn assemble(
    wanted: Wanted<'_>,
    packages: &BTreeMap<String, ReadPackage>,
    contents: &dyn Contents,
) -> Result<Assembled, BuildError> {
    let Wanted {
        spec,
        image,
        lock,
        architecture,
        variant,
        epoch,
        sliced,
    } = wanted;
    let explanations: Vec<Explanation> = packages
        .values()
        .map(|read| {
            let listing = &read.listing;
            let scripts = PackageScripts {
                package: &listing.name,
                version: &listing.version,
                architecture: &listing.architecture,
                members: &listing.members,
                paths: &[],
            };
            explain(&scripts, image)
        })
        .collect();
    let mut tree = Tree::new(epoch);
    if lock.compatibility >= 4 {
        diversions::declare(&mut tree, packages, &explanations)?;
    }
    insert(&mut tree, packages)?;
    slices::place(&mut tree, contents, packages, sliced)?;
    let basalt = |what: &str| Owner::Basalt(what.to_owned());
    for (number, name) in image.certificates.iter().enumerate() {
        let file = name.rsplit('/').next().unwrap_or(name);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let path = TreePath::new(&format!("usr/local/share/ca-certificates/{stem}.crt"))?;
        let bytes = local_file(spec, name)?;
        tree.insert_file(
            &path,
            bytes,
            0o644,
            Owner::Spec(format!("certificates[{number}]")),
        )?;
    }
    tree.ensure_merged_links(&basalt("merged /usr"))?;

    refuse_unexplained(explanations.iter())?;
    let mut effects: Vec<(String, Vec<Effect>)> = explanations
        .into_iter()
        .map(|one| (one.package, one.effects))
        .collect();
    for (package, sliced) in sliced {
        effects.push((package.clone(), sliced.effects.clone()));
    }
    for (package, declared) in &image.effects {
        if !packages.contains_key(package) {
            effects.push((package.clone(), declared.clone()));
        }
    }
    let mut context = Context {
        architecture: architecture.to_owned(),
        epoch,
        ids: Ids {
            users: lock.users.clone(),
            groups: lock.groups.clone(),
        },
        versions: packages
            .iter()
            .map(|(name, read)| (name.clone(), read.listing.version.clone()))
            .collect(),
        answers: image.debconf.clone(),
        partial: sliced
            .iter()
            .filter(|(_, one)| !one.filter.passes_everything())
            .map(|(package, _)| package.clone())
            .collect(),
        fills_links: lock.compatibility >= 4,
    };
    let failed = |cause| BuildError::Effects {
        image: title(spec, architecture, variant),
        cause: Box::new(cause),
    };
    apply::apply(&mut tree, contents, &effects, &mut context).map_err(failed)?;
    slices::take_away(&mut tree, packages, sliced)?;

    accounts(&mut tree, contents, image, &mut context, &failed)?;
    for (number, file) in image.files.iter().enumerate() {
        if file.applies(architecture, &spec.release) {
            place(
                &mut tree,
                contents,
                spec,
                file,
                Owner::Spec(format!("files[{number}] ({})", file.path)),
            )?;
        }
    }
    for (number, applets) in image.applets.iter().enumerate() {
        for name in &applets.names {
            let path = TreePath::new(&format!("{}/{name}", applets.directory))?;
            if !tree.contains(&tree.resolve_parent(&path)?) {
                let owner = Owner::Spec(format!("applets[{number}]"));
                tree.insert_symlink(&path, &applets.program, owner)?;
            }
        }
    }
    skeleton(&mut tree)?;
    if !image.working_directory.is_empty() {
        tree.ensure_directory(
            &TreePath::new(&image.working_directory)?,
            Owner::Spec("working-directory".to_owned()),
        )?;
    }
    if sliced.values().any(|one| one.filter.passes_everything()) {
        // The linker's cache names what is there.
        let again = linker_cache::linker_cache(&tree);
        apply::apply(&mut tree, contents, &again, &mut context).map_err(failed)?;
    }
    // Who keeps documentation, or installs packages later, has all of them.
    if lock.compatibility >= 3
        && !image.keep.documentation
        && image.package_database != PackageDatabase::Full
    {
        licences::take_away(&mut tree, packages.values())?;
    }
    records::write(
        &mut tree,
        packages,
        sliced,
        image.package_database,
        architecture,
    )?;
    let number =
        distribution::find(&image.distribution, lock.codename()).map_or("", |row| row.version);
    let identity = Identity {
        name: &image.name,
        variant,
        distribution: &image.distribution,
        release: lock.codename(),
        number,
        epoch,
    };
    identity::write(&mut tree, contents, &identity)?;
    tree.ensure_merged_links(&basalt("merged /usr"))?;
    let policy = HardenPolicy {
        keep_setuid: image.keep.setuid.clone(),
        keep: Vec::new(),
        keep_shipped: lock.compatibility >= 4,
    };
    let hardened = harden(&mut tree, &policy)?;
    Ok(Assembled { tree, hardened })
}
