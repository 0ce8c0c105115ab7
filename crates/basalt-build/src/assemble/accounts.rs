//! The users and groups of a spec.

use basalt_effects::apply::{self, Context, NewUser};
use basalt_spec::ImageSpec;
use basalt_tree::{Contents, Entry, Kind, Owner, Tree, TreePath, numeric_id};

use crate::error::BuildError;

/// Adds the users and groups of a spec, users with their homes.
///
/// # Errors
/// When one cannot be added; `failed` says of which image.
pub(crate) fn add(
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
pub(crate) fn groups(
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

/// The number of a user or group: as written, or by the image's own account files.
pub(crate) fn id(
    tree: &Tree,
    contents: &dyn Contents,
    database: &str,
    name: &str,
) -> Result<u32, BuildError> {
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
