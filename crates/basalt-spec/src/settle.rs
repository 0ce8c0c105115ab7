//! What the entries of a merged spec come to: each once, the later in place of the earlier, fit for
//! each other.

use basalt_effects::Effect;

use crate::checked::{self, Account, Field, Form, HELP, Owner};
use crate::image::Impossible;
use crate::overlay::Overlay;
use crate::parts::{FileSpec, PackageDatabase};
use crate::suggest::nearest;
use crate::values::{PackageName, WantedPackage, applies};

/// Conditions name releases, and a misspelt one would leave its entry out without a word. Releases
/// that the spec is not for are all right: shared parts have conditions for more than one spec.
pub(crate) fn conditions(overlay: &Overlay) -> Result<(), Impossible> {
    let known = overlay.releases.as_deref().unwrap_or_default();
    let packages = overlay.packages.iter().flat_map(|one| &one.releases);
    let files = overlay.files.iter().flat_map(|one| &one.releases);
    let slices = overlay.slices.values().flat_map(|one| &one.releases);
    for named in packages
        .chain(files)
        .chain(slices)
        .filter(|one| !known.contains(one))
    {
        if let Some(near) = nearest(named, known.iter().map(String::as_str)) {
            return Err(Impossible {
                message: format!("the spec is for no release `{named}`"),
                help: Some(format!("did you mean `{near}`?")),
                word: Some(named.clone()),
            });
        }
    }
    Ok(())
}

/// Keeps what is for the release, and each entry once: a spec may be included by two ways. Of users,
/// groups and archives of one name, and of files of one path, the last counts.
pub(crate) fn once(overlay: &mut Overlay, release: &str) {
    overlay
        .packages
        .retain(|one| applies(&one.releases, release));
    overlay.files.retain(|one| applies(&one.releases, release));
    first_equal(&mut overlay.packages);
    overlay
        .slices
        .retain(|_, one| applies(&one.releases, release));
    first_equal(&mut overlay.slice_definitions);
    first_equal(&mut overlay.exclude_packages);
    first_equal(&mut overlay.applets);
    first_equal(&mut overlay.certificates);
    first_equal(&mut overlay.ports);
    first_equal(&mut overlay.volumes);
    first_equal(&mut overlay.assertions.must_contain);
    first_equal(&mut overlay.assertions.must_not_contain);
    last_by(&mut overlay.archives, |one, later| one.name == later.name);
    last_by(&mut overlay.users, |one, later| one.name == later.name);
    last_by(&mut overlay.groups, |one, later| one.name == later.name);
    last_by(&mut overlay.files, replaces);
}

/// The package that has all locales compiled, of which an image has the one that it wants.
pub const LOCALES: &str = "locales-all";

/// What one chosen locale comes to: its package, the translations of its language, and `LANG`, unless the
/// spec sets that by itself.
pub(crate) fn locale(overlay: &mut Overlay) {
    let Some(locale) = &overlay.locale else {
        return;
    };
    overlay
        .environment
        .entry("LANG".to_owned())
        .or_insert_with(|| locale.clone());
    // The C library itself has that.
    if locale == "C.UTF-8" {
        return;
    }
    let has_package = |one: &WantedPackage| one.name.as_str() == LOCALES;
    if let Ok(name) = PackageName::try_from(LOCALES.to_owned())
        && !overlay.packages.iter().any(has_package)
    {
        overlay.packages.push(WantedPackage {
            name,
            architecture: None,
            version: None,
            architectures: Vec::new(),
            releases: Vec::new(),
            dependencies: true,
        });
    }
    let language = locale.split(['_', '.', '@']).next().unwrap_or_default();
    let kept = &mut overlay.keep.get_or_insert_default().locales;
    if !kept.iter().any(|one| one == language || one == "*") {
        kept.push(language.to_owned());
    }
    // No program names them, so nothing reaches them.
    if let Some(minimize) = &mut overlay.minimize {
        for pattern in ["/usr/lib/locale/**", "/usr/share/locale/**"] {
            minimize.reachable.keep.push(pattern.to_owned());
        }
    }
}

/// Whether a later file takes an earlier's place wherever the earlier would stand.
fn replaces(earlier: &FileSpec, later: &FileSpec) -> bool {
    let path = |file: &FileSpec| file.path.trim_end_matches('/').to_owned();
    let covers = later.architectures.is_empty() || later.architectures == earlier.architectures;
    path(earlier) == path(later) && covers
}

fn first_equal<T: PartialEq>(list: &mut Vec<T>) {
    let mut kept: Vec<T> = Vec::with_capacity(list.len());
    for one in list.drain(..) {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    *list = kept;
}

fn last_by<T>(list: &mut Vec<T>, replaced_by: impl Fn(&T, &T) -> bool) {
    let mut kept: Vec<T> = Vec::with_capacity(list.len());
    for one in list.drain(..) {
        kept.retain(|earlier| !replaced_by(earlier, &one));
        kept.push(one);
    }
    *list = kept;
}

/// With the full database, all that packages depend on comes too, and slices count as their whole
/// packages: apt and dpkg refuse to work on a set that is not complete.
pub(crate) fn whole(overlay: &mut Overlay) {
    if overlay.package_database == Some(PackageDatabase::Full) {
        for (name, choice) in std::mem::take(&mut overlay.slices) {
            overlay.packages.push(WantedPackage {
                architecture: None,
                name,
                version: None,
                architectures: choice.architectures,
                releases: choice.releases,
                dependencies: true,
            });
        }
        for package in &mut overlay.packages {
            package.dependencies = true;
        }
        first_equal(&mut overlay.packages);
    }
}

/// An image that is minimized has somewhere to begin, and no apt and dpkg that take its packages for whole.
pub(crate) fn minimized(overlay: &Overlay) -> Result<(), Impossible> {
    let Some(minimize) = &overlay.minimize else {
        return Ok(());
    };
    let fail = |message: &str, help: &str| {
        Err(Impossible {
            message: message.to_owned(),
            help: Some(help.to_owned()),
            word: Some("minimize".to_owned()),
        })
    };
    if overlay.package_database == Some(PackageDatabase::Full) {
        return fail(
            "an image with dpkg's whole database is minimized",
            "dpkg would take packages for whole that are not: leave one of the two out",
        );
    }
    if !overlay.slices.is_empty() {
        return fail(
            "an image of slices is minimized too",
            "slices say what is kept of packages: leave one of the two out",
        );
    }
    let has_program = overlay
        .entrypoint
        .as_ref()
        .is_some_and(|words| !words.is_empty());
    if minimize.reachable.roots.is_empty() && !has_program {
        return fail(
            "nothing says where what is reached begins",
            "add `roots:` with the image's programs, or an `entrypoint:`",
        );
    }
    Ok(())
}

/// Ids are nobody else's, and groups that users are in are not misspelt.
pub(crate) fn accounts(overlay: &Overlay) -> Result<(), Impossible> {
    for (index, user) in overlay.users.iter().enumerate() {
        let others = &overlay.users[..index];
        if let Some(other) = others
            .iter()
            .find(|other| other.uid.is_some() && other.uid == user.uid)
        {
            return Err(Impossible {
                message: format!(
                    "the users `{}` and `{}` have the same id, {}",
                    other.name,
                    user.name,
                    user.uid.unwrap_or_default()
                ),
                help: Some("give one of them another, or none to have one allocated".to_owned()),
                word: Some(user.name.clone()),
            });
        }
    }
    for (index, group) in overlay.groups.iter().enumerate() {
        let others = &overlay.groups[..index];
        if let Some(other) = others
            .iter()
            .find(|other| other.gid.is_some() && other.gid == group.gid)
        {
            return Err(Impossible {
                message: format!(
                    "the groups `{}` and `{}` have the same id, {}",
                    other.name,
                    group.name,
                    group.gid.unwrap_or_default()
                ),
                help: Some("give one of them another, or none to have one allocated".to_owned()),
                word: Some(group.name.clone()),
            });
        }
    }
    Ok(())
}

/// What declared effects say of accounts can stand in `/etc/passwd` and `/etc/group`, and their owners can own a file.
/// Those under a condition are checked too.
pub(crate) fn effects(overlay: &Overlay) -> Result<(), Impossible> {
    let mut every = Vec::new();
    for effect in overlay.effects.values().flatten() {
        effect.each(&mut |one| every.push(one));
    }
    for effect in every {
        let (name, result) = match effect {
            Effect::Directory {
                path, user, group, ..
            } => {
                let ids = checked::id_of_text(user).and(checked::id_of_text(group));
                (path, ids)
            }
            Effect::Attributes {
                path, user, group, ..
            } => {
                let mut owners = [user, group].into_iter().flatten();
                (
                    path,
                    owners.try_for_each(|owner| checked::id_of_text(owner)),
                )
            }
            Effect::Group { name, gid } => {
                let id = gid.map_or(Ok(()), checked::id);
                (name, Account::check(name).and(id))
            }
            Effect::User {
                name,
                uid,
                group,
                home,
                shell,
                comment,
                ..
            } => {
                let id = uid.map_or(Ok(()), checked::id);
                let group = group.as_deref().map_or(Ok(()), Owner::check);
                let fields = [home, shell, comment];
                let fields = fields.into_iter().try_for_each(|text| Field::check(text));
                (name, Account::check(name).and(id).and(group).and(fields))
            }
            Effect::Member { user, group } => {
                (user, Account::check(user).and(Account::check(group)))
            }
            _ => continue,
        };
        result.map_err(|said| {
            let (message, help) = said.split_once(HELP).unwrap_or((&said, ""));
            Impossible {
                message: message.to_owned(),
                help: Some(help.to_owned()).filter(|help| !help.is_empty()),
                word: Some(name.clone()),
            }
        })?;
    }
    Ok(())
}

/// The architectures of an image: one at least.
pub(crate) fn architectures(given: Option<Vec<String>>) -> Result<Vec<String>, Impossible> {
    let mut list = given.unwrap_or_else(|| vec!["amd64".to_owned(), "arm64".to_owned()]);
    first_equal(&mut list);
    match list.is_empty() {
        false => Ok(list),
        true => Err(Impossible {
            message: "the image is for no architecture".to_owned(),
            help: Some("write `architectures: [amd64, arm64]`".to_owned()),
            word: Some("architectures".to_owned()),
        }),
    }
}
