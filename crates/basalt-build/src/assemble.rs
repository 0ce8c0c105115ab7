//! One image's tree: packages by rule, effects in place of scripts, the spec's files, records,
//! hardening.

use std::collections::BTreeMap;

use basalt_deb::relation::{Dependency, parse_dependencies};
use basalt_deb::stanza::Stanza;
use basalt_deb::version::Version;
use basalt_effects::apply::{self, Context, Ids, NewUser};
use basalt_effects::{Effect, Explanation, PackageScripts};
use basalt_fetch::distribution;
use basalt_lock::Lock;
use basalt_slice::Sliced;
use basalt_spec::{FileSpec, ImageSpec, LoadedSpec, PackageDatabase};
use basalt_tree::assertions::{self, Assertion};
use basalt_tree::{
    Contents, Entry, HardenPolicy, Hardened, Kind, Owner, PackageEntries, Tree, TreePath, harden,
    numeric_id,
};

use crate::BuildError;
use crate::diversions;
use crate::identity::{self, Identity};
use crate::licences;
use crate::lock_file::local_file;
use crate::made;
use crate::minimize;
use crate::read::ReadPackage;
use crate::records;
use crate::resolve::{explain, refuse_unexplained, title};

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
    made::place(&mut tree, contents, packages, sliced)?;
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
    made::take_away(&mut tree, packages, sliced)?;

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
        let again = minimize::linker_cache(&tree);
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

/// Inserts all packages, with the `Replaces` among them.
fn insert(tree: &mut Tree, packages: &BTreeMap<String, ReadPackage>) -> Result<(), BuildError> {
    let mut replaces: BTreeMap<&str, Vec<Dependency>> = BTreeMap::new();
    let mut versions: BTreeMap<&str, Version> = BTreeMap::new();
    for (name, read) in packages {
        let fail = |cause: String| BuildError::Package {
            package: name.clone(),
            version: read.listing.version.clone(),
            cause,
        };
        let stanza =
            Stanza::parse(&read.listing.stanza).map_err(|error| fail(error.to_string()))?;
        let field = stanza.get("Replaces").unwrap_or("");
        let parsed = parse_dependencies(field, &read.listing.architecture)
            .map_err(|error| fail(error.to_string()))?;
        replaces.insert(name, parsed);
        versions.insert(
            name,
            Version::new(&read.listing.version).map_err(|error| fail(error.to_string()))?,
        );
    }
    let wins = |winner: &str, loser: &str| {
        replaces
            .get(winner)
            .into_iter()
            .flatten()
            .flat_map(|one| &one.alternatives)
            .any(|one| {
                one.name == loser
                    && one.constraint.as_ref().is_none_or(|constraint| {
                        versions
                            .get(loser)
                            .is_some_and(|version| constraint.is_met_by(version))
                    })
            })
    };
    let entries: Vec<PackageEntries<'_>> = packages
        .iter()
        .map(|(name, read)| PackageEntries {
            name,
            entries: &read.listing.entries,
        })
        .collect();
    tree.insert_packages(&entries, &wins)?;
    Ok(())
}

/// Directories without which programs fail, where no package brings them.
fn skeleton(tree: &mut Tree) -> Result<(), BuildError> {
    let owner = || Owner::Basalt("skeleton".to_owned());
    for (path, mode) in [
        ("tmp", 0o1777),
        ("var/tmp", 0o1777),
        ("root", 0o700),
        ("etc", 0o755),
        ("run", 0o755),
        ("proc", 0o555),
        ("sys", 0o555),
        ("dev", 0o755),
    ] {
        let path = TreePath::new(path)?;
        if !tree.contains(&path) {
            tree.insert_generated(
                &path,
                Entry::new(Kind::Directory, mode, 0),
                Vec::new(),
                owner(),
            )?;
        }
    }
    Ok(())
}

fn accounts(
    tree: &mut Tree,
    contents: &dyn Contents,
    image: &ImageSpec,
    context: &mut Context,
    failed: &dyn Fn(apply::ApplyError) -> BuildError,
) -> Result<(), BuildError> {
    // Users may be in the groups, and groups have the users as members.
    groups(tree, contents, image, context, failed, false)?;
    for (number, user) in image.users.iter().enumerate() {
        let owner = Owner::Spec(format!("users[{number}] ({})", user.name));
        let gid = apply::add_group(
            tree,
            contents,
            &user.name,
            user.gid.or(user.uid),
            &[],
            &owner,
            context,
        )
        .map_err(failed)?;
        let new = NewUser {
            name: user.name.clone(),
            uid: user.uid,
            group: Some(user.name.clone()),
            comment: user.comment.clone(),
            home: user.home.clone(),
            shell: user.shell.clone(),
        };
        let uid = apply::add_user(tree, contents, &new, &owner, context).map_err(failed)?;
        for group in &user.groups {
            apply::add_group(
                tree,
                contents,
                group,
                None,
                std::slice::from_ref(&user.name),
                &owner,
                context,
            )
            .map_err(failed)?;
        }
        let home = TreePath::new(&user.home)?;
        if user.home != "/nonexistent" && !home.is_root() && !tree.contains(&home) {
            let entry = Entry {
                uid,
                gid,
                ..Entry::new(Kind::Directory, 0o755, 0)
            };
            tree.insert_generated(&home, entry, Vec::new(), owner)?;
        }
    }
    groups(tree, contents, image, context, failed, true)
}

/// The spec's groups, with or without their members.
fn groups(
    tree: &mut Tree,
    contents: &dyn Contents,
    image: &ImageSpec,
    context: &mut Context,
    failed: &dyn Fn(apply::ApplyError) -> BuildError,
    with_members: bool,
) -> Result<(), BuildError> {
    for (number, group) in image.groups.iter().enumerate() {
        let owner = Owner::Spec(format!("groups[{number}] ({})", group.name));
        let members = if with_members {
            &group.members[..]
        } else {
            &[]
        };
        apply::add_group(
            tree,
            contents,
            &group.name,
            group.gid,
            members,
            &owner,
            context,
        )
        .map_err(failed)?;
    }
    Ok(())
}

/// Places one path of the spec.
fn place(
    tree: &mut Tree,
    contents: &dyn Contents,
    spec: &LoadedSpec,
    file: &FileSpec,
    owner: Owner,
) -> Result<(), BuildError> {
    let path = TreePath::new(&file.path)?;
    let (uid, gid) = (
        id(tree, contents, "etc/passwd", &file.user)?,
        id(tree, contents, "etc/group", &file.group)?,
    );
    let mode = |otherwise| file.mode.map_or(otherwise, |mode| mode.0);
    let of = |kind, mode| Entry {
        uid,
        gid,
        ..Entry::new(kind, mode, 0)
    };
    let regular = Kind::File {
        size: 0,
        digest: basalt_digest::Digest::from_bytes([0; 32]),
    };
    if let Some(target) = &file.link {
        tree.overwrite_generated(
            &path,
            of(
                Kind::Symlink {
                    target: target.clone(),
                },
                0o777,
            ),
            Vec::new(),
            owner,
        )?;
    } else if file.directory {
        let real = tree.resolve(&path)?;
        tree.overwrite_generated(&real, of(Kind::Directory, mode(0o755)), Vec::new(), owner)?;
    } else if let Some(source) = &file.source {
        let bytes = local_file(spec, source)?;
        tree.overwrite_generated(&path, of(regular, mode(0o644)), bytes, owner)?;
    } else {
        let text = file.content.clone().unwrap_or_default();
        tree.overwrite_generated(&path, of(regular, mode(0o644)), text.into_bytes(), owner)?;
    }
    Ok(())
}

/// The number of a user or group: as written, or by the image's own account files.
fn id(tree: &Tree, contents: &dyn Contents, database: &str, name: &str) -> Result<u32, BuildError> {
    let known = |text: &str| {
        numeric_id(text)
            .map_err(|error| BuildError::Spec(format!("`{name}` of /{database}: {error}")))
    };
    if let Some(number) = known(name)? {
        return Ok(number);
    }
    if name == "root" {
        return Ok(0);
    }
    let text = account_file(tree, contents, database).unwrap_or_default();
    let number = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name))
            .then(|| fields.nth(1))
            .flatten()
    });
    number
        .map(known)
        .transpose()?
        .flatten()
        .ok_or_else(|| BuildError::Spec(format!("`{name}` is not in the image's /{database}: add it under `users:` or `groups:`, or write its number")))
}

/// The text of an account file, if the image has it.
pub(crate) fn account_file(tree: &Tree, contents: &dyn Contents, database: &str) -> Option<String> {
    let bytes = tree.read(&TreePath::new(database).ok()?, contents).ok()?;
    String::from_utf8(bytes).ok()
}

/// Checks the spec's assertions, sizes apart; each violation names the path and who brought it.
pub(crate) fn violations(tree: &Tree, contents: &dyn Contents, image: &ImageSpec) -> Vec<String> {
    let wanted = &image.assertions;
    let mut rules = Vec::new();
    let mut add = |on: Option<bool>, rule| {
        if on == Some(true) {
            rules.push(rule);
        }
    };
    add(wanted.no_shell, Assertion::NoShell);
    add(wanted.no_setuid, Assertion::NoSetuid);
    add(wanted.no_package_manager, Assertion::NoPackageManager);
    add(wanted.non_root, Assertion::NonRoot);
    rules.extend(
        wanted
            .must_contain
            .iter()
            .cloned()
            .map(Assertion::MustContain),
    );
    rules.extend(
        wanted
            .must_not_contain
            .iter()
            .cloned()
            .map(Assertion::MustNotContain),
    );
    let passwd = account_file(tree, contents, "etc/passwd");
    assertions::check(tree, &image.user, passwd.as_deref(), &rules)
        .iter()
        .map(ToString::to_string)
        .collect()
}
