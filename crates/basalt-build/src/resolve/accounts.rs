//! The ids of users and groups, allocated once and pinned in the lock.

use std::collections::BTreeSet;

use basalt_effects::apply::{self, Context, Ids};
use basalt_effects::{Effect, Explanation};
use basalt_lock::{Lock, LockedPackage};
use basalt_spec::LoadedSpec;
use basalt_tree::{Contents, Tree, TreePath};

use crate::error::BuildError;

/// A tree without packages has no content to read.
struct NoContents;

impl Contents for NoContents {
    fn read(&self, package: &str, _: &TreePath) -> std::io::Result<Vec<u8>> {
        Err(std::io::Error::other(format!("{package} is not there")))
    }
}

/// Allocates the ids that packages' scripts and the spec ask for; those of the former lock stay.
pub(crate) fn allocate(
    spec: &LoadedSpec,
    former: Option<&Lock>,
    controls: &[(LockedPackage, Explanation)],
) -> Result<Ids, BuildError> {
    let mut context = Context {
        ids: former.map_or_else(Ids::default, |lock| Ids {
            users: lock.users.clone(),
            groups: lock.groups.clone(),
        }),
        ..Context::default()
    };
    // Fixed ids need no allocation; a user with one may name a group that only the image has.
    // What stands under a condition gets its id all the same: which side counts, each image decides.
    let is_account = |effect: &Effect| {
        matches!(
            effect,
            Effect::User { uid: None, .. } | Effect::Group { gid: None, .. }
        )
    };
    let mut wanted: Vec<(String, Vec<Effect>)> = controls
        .iter()
        .map(|(package, explanation)| {
            let mut accounts = Vec::new();
            for effect in &explanation.effects {
                effect.each(&mut |one| {
                    if is_account(one) {
                        accounts.push(one.clone());
                    }
                });
            }
            (package.name.clone(), accounts)
        })
        .collect();
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    wanted.dedup_by(|a, b| a.0 == b.0);
    fix(spec, &wanted, &mut context.ids);
    wanted.insert(0, (String::new(), groups_of_others(&wanted)));
    let mut tree = Tree::new(0);
    apply::apply(&mut tree, &NoContents, &wanted, &mut context).map_err(|cause| {
        BuildError::Effects {
            image: spec.base.name.clone(),
            cause: Box::new(cause),
        }
    })?;
    Ok(context.ids)
}

/// Gives the users and groups that scripts make, and that the spec gives a number, that number.
fn fix(spec: &LoadedSpec, wanted: &[(String, Vec<Effect>)], ids: &mut Ids) {
    for effect in wanted.iter().flat_map(|(_, effects)| effects) {
        for (_, image) in spec.images() {
            let user = |name: &str| image.users.iter().find(|user| user.name == name);
            let group = |name: &str| {
                let own = image.groups.iter().find(|group| group.name == name);
                let of_user = user(name).and_then(|user| user.gid.or(user.uid));
                own.and_then(|group| group.gid).or(of_user)
            };
            if let Effect::User { name, .. } = effect
                && let Some(uid) = user(name).and_then(|user| user.uid)
            {
                ids.users.insert(name.clone(), uid);
            }
            if let Effect::User {
                name, group: None, ..
            }
            | Effect::Group { name, .. } = effect
                && let Some(gid) = group(name)
            {
                ids.groups.insert(name.clone(), gid);
            }
        }
    }
}

/// The groups that users are put into and no effect makes: those of base-passwd. They stand in with
/// fixed ids above the range that is allocated from, and are not recorded. The one that base-passwd
/// has within that range stands in with its own.
fn groups_of_others(wanted: &[(String, Vec<Effect>)]) -> Vec<Effect> {
    let effects = || wanted.iter().flat_map(|(_, effects)| effects);
    let made: BTreeSet<&String> = effects()
        .filter_map(|effect| match effect {
            Effect::Group { name, .. } => Some(name),
            _ => None,
        })
        .collect();
    let named: BTreeSet<&String> = effects()
        .filter_map(|effect| match effect {
            Effect::User { group, .. } => group.as_ref(),
            _ => None,
        })
        .collect();
    let within = ("users".to_owned(), 100);
    let stand_in = |(name, gid): (String, u32)| Effect::Group {
        name,
        gid: Some(gid),
    };
    let others = named.difference(&made).map(|name| (*name).clone());
    let others = others.filter(|name| *name != within.0).zip(60_000..);
    let within_too = (!made.contains(&within.0)).then(|| within.clone());
    others.chain(within_too).map(stand_in).collect()
}
