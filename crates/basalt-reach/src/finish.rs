//! What is said once all is known: licences, directories for state, the questions that remain.

use std::collections::BTreeSet;

use basalt_tree::{Owner, Tree, TreePath};

use crate::error::ReachError;
use crate::reach::{Question, Reach, Reached};
use crate::reason::Reason;
use crate::walk::{Step, Walk, is_alternative};

/// Directories in which programs keep what they write.
const STATE: [&str; 8] = ["etc", "home", "mnt", "opt", "root", "run", "srv", "var"];

pub(crate) fn finish(mut walk: Walk<'_>) -> Result<Reach, ReachError> {
    if !walk.broken.is_empty() {
        return Err(ReachError::Broken(walk.broken.into_iter().collect()));
    }
    alternatives(&mut walk);
    let packages: BTreeSet<String> = walk
        .reached
        .keys()
        .filter_map(|path| match &walk.tree.get(path)?.owner {
            Owner::Package(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    for package in &packages {
        let path = TreePath::new(&format!("usr/share/doc/{package}/copyright"))
            .map_err(basalt_tree::TreeError::from)?;
        let step = Step {
            reason: Reason::Copyright(package.clone()),
            from: None,
            certain: true,
        };
        walk.mark(&path, step)?;
    }
    state_directories(&mut walk, &packages);
    crate::python::ask_about_data(&mut walk)?;
    open_questions(&mut walk)?;
    let questions = walk
        .questions
        .into_iter()
        .map(|((text, about), seen)| Question {
            text,
            about,
            seen: seen.into_iter().collect(),
        })
        .collect();
    Ok(Reach {
        reached: walk.reached,
        edges: walk.edges,
        questions,
        absent: walk.absent,
        left_out: walk.left_out,
    })
}

/// A choice among programs stays where the program it leads to does.
fn alternatives(walk: &mut Walk<'_>) {
    let tree = walk.tree;
    for (path, placed) in tree.iter() {
        let Owner::Effect { package, effect } = &placed.owner else {
            continue;
        };
        if !is_alternative(effect) || placed.entry.is_directory() {
            continue;
        }
        let leads = tree
            .get_resolved(path)
            .is_ok_and(|(end, _)| end == *path || walk.reached.contains_key(&end));
        if leads && !walk.reached.contains_key(path) {
            let reached = Reached {
                reason: Reason::Made(format!("{effect} (effect of {package})")),
                from: None,
                certain: false,
            };
            walk.reached.insert(path.clone(), reached);
        }
    }
}

/// Directories with nothing in them that packages bring for what their programs write.
fn state_directories(walk: &mut Walk<'_>, packages: &BTreeSet<String>) {
    let tree = walk.tree;
    for (path, placed) in tree.iter() {
        let Owner::Package(package) = &placed.owner else {
            continue;
        };
        let first = path.as_str().split('/').next().unwrap_or("");
        if placed.entry.is_directory()
            && STATE.contains(&first)
            && packages.contains(package)
            && is_empty(tree, path)
        {
            let reached = Reached {
                reason: Reason::StateDirectory(package.clone()),
                from: None,
                certain: false,
            };
            walk.reached.entry(path.clone()).or_insert(reached);
        }
    }
}

fn is_empty(tree: &Tree, directory: &TreePath) -> bool {
    tree.iter_within(directory).nth(1).is_none()
}

/// Named directories and programs of which something is not reached.
fn open_questions(walk: &mut Walk<'_>) -> Result<(), ReachError> {
    let tree = walk.tree;
    for (directory, seen) in std::mem::take(&mut walk.directories) {
        let open = tree
            .iter_within(&directory)
            .filter(|(path, placed)| {
                !placed.entry.is_directory() && !walk.reached.contains_key(*path)
            })
            .count();
        if open > 0 {
            let rest = match open {
                1 => "a file in it is not reached".to_owned(),
                open => format!("{open} files in it are not reached"),
            };
            let text = format!("is the directory {directory} looked through? {rest}");
            for place in &seen {
                walk.ask(text.clone(), Some(directory.clone()), place)?;
            }
        }
    }
    for (program, seen) in std::mem::take(&mut walk.programs) {
        if !walk.reached.contains_key(&program) {
            let text = format!("is the program {program} started? it is only named");
            for place in &seen {
                walk.ask(text.clone(), Some(program.clone()), place)?;
            }
        }
    }
    Ok(())
}
