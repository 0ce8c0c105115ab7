//! The files of a spec, and the directories that every image has.

use basalt_spec::FileSpec;
use basalt_tree::{Contents, Entry, Kind, Owner, Tree, TreePath};

use crate::assemble::accounts::id;
use crate::error::BuildError;
use crate::project::project::Project;

/// Directories without which programs fail, where no package brings them.
pub(crate) fn skeleton(tree: &mut Tree) -> Result<(), BuildError> {
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

/// Places one path of the spec.
pub(crate) fn place(
    tree: &mut Tree,
    contents: &dyn Contents,
    project: &Project,
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
        let bytes = project.file(source)?.content.clone();
        tree.overwrite_generated(&path, of(regular, mode(0o644)), bytes, owner)?;
    } else {
        let text = file.content.clone().unwrap_or_default();
        tree.overwrite_generated(&path, of(regular, mode(0o644)), text.into_bytes(), owner)?;
    }
    Ok(())
}
