//! Directories, files, links, attributes, and diversions.

use std::collections::BTreeMap;

use basalt_tree::{Attributes, Owner, TreeError, TreePath};

use super::error::ApplyError;
use super::lines::with_lines;
use super::work::{Step, Work, failed, owned, place};
use super::{capabilities, ucf, users};
use crate::effect::Effect;

const DIVERSIONS: &str = "/var/lib/dpkg/diversions";

/// Moves diverted files of other packages and writes dpkg's record of them.
pub(super) fn divert(work: &mut Work<'_>, steps: &[Step<'_>]) -> Result<(), ApplyError> {
    let mut records: Option<Records> = None;
    for step in steps {
        let Effect::Diversion {
            from,
            to,
            if_directory,
        } = step.effect
        else {
            continue;
        };
        let owner = owned(step.package, format!("diversion of {from}"));
        if let Some(directory) = if_directory
            && !work.exists_unresolved(directory)
        {
            continue;
        }
        let source = place(from, &owner)?;
        let real = work
            .tree
            .resolve_parent(&source)
            .map_err(|cause| failed(&owner, cause))?;
        // The diverting package's own file stays; so does a directory or what is already moved.
        let moves = work.tree.get(&real).is_some_and(|placed| {
            matches!(&placed.owner, Owner::Package(name) if name != step.package)
                && !placed.entry.is_directory()
        });
        let known = match records.take() {
            Some(known) => known,
            None => Records::read(&work.read_text(DIVERSIONS, &owner)?.unwrap_or_default()),
        };
        records = Some(known.with(from, to, step.package, &owner)?);
        if moves {
            let target = place(to, &owner)?;
            // dpkg-divert does not move a file over another, nor does dpkg unpack one so.
            work.tree
                .rename(&source, &target)
                .map_err(|cause| failed(&owner, cause))?;
        }
    }
    match records {
        Some(Records {
            text,
            last: Some(owner),
            ..
        }) => work.write(DIVERSIONS, text.into_bytes(), 0o644, &owner),
        _ => Ok(()),
    }
}

/// dpkg's record of diversions: from, to and package, a line each.
struct Records {
    text: String,
    /// Of each path that is diverted, or that something is diverted to, the whole diversion.
    of_path: BTreeMap<String, [String; 3]>,
    /// Who added the last, if anybody did.
    last: Option<Owner>,
}

impl Records {
    fn read(text: &str) -> Self {
        let mut records = Self {
            text: text.to_owned(),
            of_path: BTreeMap::new(),
            last: None,
        };
        let lines: Vec<&str> = text.lines().collect();
        for record in lines.chunks_exact(3) {
            records.keep([record[0], record[1], record[2]]);
        }
        records
    }

    fn keep(&mut self, record: [&str; 3]) {
        let record = record.map(str::to_owned);
        for path in &record[..2] {
            self.of_path.insert(path.clone(), record.clone());
        }
    }

    /// Adds one, unless it is there. Another one of its paths is a clash (dpkg-divert(1)).
    fn with(
        mut self,
        from: &str,
        to: &str,
        package: &str,
        owner: &Owner,
    ) -> Result<Self, ApplyError> {
        let record = [from, to, package];
        for path in [from, to] {
            match self.of_path.get(path) {
                Some(there) if *there != record => {
                    let cause = TreeError::Diverted {
                        path: place(path, owner)?,
                        first: there[2].clone(),
                        second: package.to_owned(),
                    };
                    return Err(failed(owner, cause));
                }
                Some(_) => return Ok(self),
                None => {}
            }
        }
        self.text.push_str(&format!("{from}\n{to}\n{package}\n"));
        self.keep(record);
        self.last = Some(owner.clone());
        Ok(self)
    }
}

/// Applies the effects that are about one path each, in the order of the scripts.
pub(super) fn apply(work: &mut Work<'_>, steps: &[Step<'_>]) -> Result<(), ApplyError> {
    for (number, step) in steps.iter().enumerate() {
        if let Some(target) = becomes_link(step, steps.get(number + 1)) {
            make_way(work, step, target)?;
        }
        apply_one(work, step)?;
    }
    Ok(())
}

/// Where the link leads that a script puts in the place of what it takes away.
fn becomes_link<'a>(step: &Step<'a>, next: Option<&Step<'a>>) -> Option<&'a str> {
    match (step.effect, next?.effect) {
        (Effect::Remove { path }, Effect::Symlink { path: link, target })
            if path == link && step.package == next?.package =>
        {
            Some(target)
        }
        _ => None,
    }
}

/// Where a link takes the place of a directory (`/var/run`), what packages bring there goes to where the
/// link leads: dpkg finds the link when it unpacks them, as it is made first.
fn make_way(work: &mut Work<'_>, step: &Step<'_>, target: &str) -> Result<(), ApplyError> {
    let Effect::Remove { path } = step.effect else {
        return Ok(());
    };
    if !work.context.fills_links {
        return Ok(());
    }
    let owner = owned(step.package, format!("link {path}"));
    let directory = work
        .tree
        .resolve_parent(&place(path, &owner)?)
        .map_err(|cause| failed(&owner, cause))?;
    let is_directory = work
        .tree
        .get(&directory)
        .is_some_and(|placed| placed.entry.is_directory());
    if !is_directory {
        return Ok(());
    }
    let target = directory
        .link_target(target)
        .map_err(|cause| ApplyError::Path {
            wanted_by: owner.to_string(),
            cause,
        })?;
    work.tree
        .move_below(&directory, &target)
        .map(drop)
        .map_err(|cause| failed(&owner, cause))
}

fn apply_one(work: &mut Work<'_>, step: &Step<'_>) -> Result<(), ApplyError> {
    let package = step.package;
    match step.effect {
        Effect::Directory {
            path,
            mode,
            user,
            group,
        } => {
            let owner = owned(package, "directory");
            let attributes = Attributes {
                mode: Some(mode | set_id_of_directory(work, path)),
                uid: Some(users::uid(work, user, &owner)?),
                gid: Some(users::gid(work, group, &owner)?),
                ..Attributes::default()
            };
            work.directory(path, &attributes, &owner)
        }
        Effect::File {
            path,
            content,
            mode,
        } => {
            let owner = owned(package, "file");
            if work.exists(path) || work.exists_unresolved(path) && !leads_to_directory(work, path)
            {
                return Ok(());
            }
            work.write(path, content.clone().into_bytes(), *mode, &owner)
        }
        Effect::Write { path, content } => {
            let owner = owned(package, "file");
            work.write(path, content.clone().into_bytes(), 0o644, &owner)
        }
        Effect::RemoveEmpty { path } => {
            let owner = owned(package, "removal");
            let real = work
                .tree
                .resolve_parent(&place(path, &owner)?)
                .map_err(|cause| failed(&owner, cause))?;
            let is_empty = work.tree.get(&real).is_some_and(|placed| {
                placed.entry.is_directory() && work.tree.children(&real).next().is_none()
            });
            if is_empty {
                work.tree.remove(&real);
            }
            Ok(())
        }
        Effect::Copy { from, to, mode } => {
            let owner = owned(package, format!("copy of {from}"));
            let sliced_away = work.context.partial.contains(package) && !work.exists(from);
            if work.exists_unresolved(to) || sliced_away {
                return Ok(());
            }
            let bytes = work
                .tree
                .read(&place(from, &owner)?, work.contents)
                .map_err(|cause| failed(&owner, cause))?;
            work.write(to, bytes, *mode, &owner)
        }
        Effect::Configuration {
            from,
            to,
            three_way,
        } => ucf::configuration(work, package, from, to, *three_way),
        Effect::ChangedConfiguration {
            from,
            to,
            line,
            with,
        } => ucf::changed_configuration(work, package, from, to, (line, with)),
        Effect::Symlink { path, target } => {
            let owner = owned(package, "link");
            if work.exists_unresolved(path) {
                return Ok(());
            }
            work.link(path, target, &owner)
        }
        Effect::Remove { path } => {
            let owner = owned(package, "removal");
            let real = work
                .tree
                .resolve_parent(&place(path, &owner)?)
                .map_err(|cause| failed(&owner, cause))?;
            work.tree.remove(&real);
            Ok(())
        }
        Effect::Lines { path, lines } => {
            let owner = owned(package, "lines");
            let there = work.read_text(path, &owner)?;
            let text = with_lines(there.as_deref().unwrap_or_default(), lines);
            work.write(path, text.into_bytes(), 0o644, &owner)
        }
        Effect::Attributes {
            path,
            mode,
            user,
            group,
        } => {
            let owner = owned(package, "attributes");
            if work.context.partial.contains(package) && !work.exists(path) {
                return Ok(());
            }
            let is_chmod = user.is_none() && group.is_none();
            let attributes = Attributes {
                mode: match mode {
                    Some(mode) if is_chmod => Some(mode | set_id_of_directory(work, path)),
                    Some(mode) => Some(*mode),
                    None => after_chown(work, path),
                },
                uid: match user {
                    Some(user) => Some(users::uid(work, user, &owner)?),
                    None => None,
                },
                gid: match group {
                    Some(group) => Some(users::gid(work, group, &owner)?),
                    None => None,
                },
                ..Attributes::default()
            };
            work.attributes(path, &attributes, &owner)
        }
        Effect::Capabilities { path, permitted } => {
            capabilities::apply(work, package, path, permitted)
        }
        _ => Ok(()),
    }
}

/// Whether a link that dangles leads into a directory that is there: a file is made through it.
fn leads_to_directory(work: &Work<'_>, path: &str) -> bool {
    let real = TreePath::new(path).map(|path| work.tree.resolve(&path));
    let Ok(Ok(real)) = real else {
        return false;
    };
    let real = real.absolute();
    let parent = real.rsplit_once('/').map_or("", |(parent, _)| parent);
    let parent = TreePath::new(parent).ok();
    parent
        .and_then(|parent| work.tree.get(&parent))
        .is_some_and(|placed| placed.entry.is_directory())
}

/// Set-user-ID and set-group-ID.
const SET_ID: u32 = 0o6000;

/// The set-ID bits of the directory at a path: a mode in four digits does not take them away.
fn set_id_of_directory(work: &Work<'_>, path: &str) -> u32 {
    match TreePath::new(path).map(|path| work.tree.get_resolved(&path)) {
        Ok(Ok((_, placed))) if placed.entry.is_directory() => placed.entry.mode & SET_ID,
        _ => 0,
    }
}

/// The mode of what stands at a path once it has another owner: the kernel takes the set-ID bits off a
/// file, but for a set-group-ID bit that gives no right.
fn after_chown(work: &Work<'_>, path: &str) -> Option<u32> {
    let path = TreePath::new(path).ok()?;
    let (_, placed) = work.tree.get_resolved(&path).ok()?;
    let mode = placed.entry.mode;
    let taken = match mode & 0o010 {
        0 => 0o4000,
        _ => SET_ID,
    };
    (!placed.entry.is_directory()).then_some(mode & !taken)
}
