//! Alternatives: the links, and the records `update-alternatives` keeps of them.

use std::collections::BTreeMap;

use basalt_tree::Owner;

use super::error::ApplyError;
use super::limits;
use super::work::{Step, Work, owned, place};
use crate::effect::{Effect, Pages, Slave};

/// Where dpkg keeps one record a group of alternatives.
const RECORDS: &str = "/var/lib/dpkg/alternatives";

/// One thing an alternative may point to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    package: String,
    priority: i32,
    /// Paths of the slaves by generic name.
    slaves: BTreeMap<String, String>,
}

/// A group of alternatives: choices and slaves sorted, as the record has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Group {
    link: String,
    /// Links of the slaves by generic name.
    slaves: BTreeMap<String, String>,
    choices: BTreeMap<String, Choice>,
}

impl Group {
    /// The choice of the highest priority; of equals the first by path, as `update-alternatives`.
    fn best(&self) -> Option<(&String, &Choice)> {
        let mut best: Option<(&String, &Choice)> = None;
        for next in &self.choices {
            if best.is_none_or(|(_, choice)| next.1.priority > choice.priority) {
                best = Some(next);
            }
        }
        best
    }

    /// The record's text: status and links, a blank line, the choices, a blank line.
    fn record(&self) -> String {
        let mut text = format!("auto\n{}\n", self.link);
        for (name, link) in &self.slaves {
            text.push_str(&format!("{name}\n{link}\n"));
        }
        text.push('\n');
        for (path, choice) in &self.choices {
            text.push_str(&format!("{path}\n{}\n", choice.priority));
            for name in self.slaves.keys() {
                text.push_str(choice.slaves.get(name).map_or("", String::as_str));
                text.push('\n');
            }
        }
        text.push('\n');
        text
    }
}

/// Puts all packages' alternatives together. A choice whose file is not in the image is left out,
/// as `update-alternatives` refuses it (manual pages that the spec excludes).
pub(super) fn apply(work: &mut Work<'_>, steps: &[Step<'_>]) -> Result<(), ApplyError> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    for step in steps {
        let Effect::Alternative {
            name,
            link,
            path,
            priority,
            slaves,
            pages,
        } = step.effect
        else {
            continue;
        };
        let clash = |cause: String| ApplyError::Alternative {
            name: name.clone(),
            package: step.package.to_owned(),
            cause,
        };
        let texts = slaves
            .iter()
            .flat_map(|slave| [&slave.name, &slave.link, &slave.path])
            .chain([name, link, path]);
        for text in texts {
            if text.is_empty() || text.contains('\n') {
                return Err(clash(
                    "a name or path is empty or has a line end".to_owned(),
                ));
            }
        }
        for name in slaves.iter().map(|slave| &slave.name).chain([name]) {
            if name.contains('/') {
                return Err(clash(format!("`{name}` is no name, it has a slash")));
            }
        }
        if !work.exists(path) {
            continue;
        }
        let group = groups.entry(name).or_default();
        if !group.link.is_empty() && group.link != *link {
            return Err(clash(format!(
                "its link is {link}, elsewhere {}",
                group.link
            )));
        }
        group.link.clone_from(link);
        let mut slaves = slaves.clone();
        if let Some(pages) = pages {
            slaves.extend(pages_of(work, pages, path)?);
        }
        for Slave { name, link, .. } in &slaves {
            if let Some(other) = group.slaves.insert(name.clone(), link.clone())
                && other != *link
            {
                return Err(clash(format!(
                    "the link of {name} is {link}, elsewhere {other}"
                )));
            }
        }
        let choice = Choice {
            package: step.package.to_owned(),
            priority: *priority,
            slaves: slaves
                .iter()
                .map(|slave| (slave.name.clone(), slave.path.clone()))
                .collect(),
        };
        group.choices.insert(path.clone(), choice);
        // Its record has a line for each link of each choice.
        if group.choices.len() * (group.slaves.len() + 1) > limits::MAXIMUM_LINKS {
            let what = format!("links of the alternative {name}");
            return Err(limits::too_many(step.package, limits::MAXIMUM_LINKS, &what));
        }
    }
    for (name, group) in &groups {
        write(work, name, group)?;
    }
    Ok(())
}

/// The pages that follow the one at `path`, as slaves.
fn pages_of(work: &Work<'_>, pages: &Pages, path: &str) -> Result<Vec<Slave>, ApplyError> {
    let owner = owned("", "manual pages");
    let below = place(&pages.below, &owner)?;
    let found = work.tree.iter_within(&below).filter_map(|(page, placed)| {
        let Owner::Package(package) = &placed.owner else {
            return None;
        };
        let section = page.parent()?;
        let is_page = section.parent().as_ref() == Some(&below) && page.absolute() != path;
        (is_page && pages.of.contains(package)).then(|| Slave {
            name: page.name().to_owned(),
            link: format!("/usr/share/man/{}/{}", section.name(), page.name()),
            path: page.absolute(),
        })
    });
    Ok(found.collect())
}

fn write(work: &mut Work<'_>, name: &str, group: &Group) -> Result<(), ApplyError> {
    let Some((path, best)) = group.best() else {
        return Ok(());
    };
    let owner = owned(&best.package, format!("alternative {name}"));
    work.write(
        &format!("{RECORDS}/{name}"),
        group.record().into_bytes(),
        0o644,
        &owner,
    )?;
    let slaves = group.slaves.iter().filter_map(|(slave, link)| {
        let path = best.slaves.get(slave)?;
        Some((slave.as_str(), link.as_str(), path.as_str()))
    });
    for (name, link, path) in slaves.chain([(name, group.link.as_str(), path.as_str())]) {
        // Dangling links of excluded manual pages help nobody; update-alternatives skips them too.
        if !work.exists(path) {
            continue;
        }
        let generic = format!("/etc/alternatives/{name}");
        work.link(&generic, path, &owner)?;
        // As update-alternatives, a real file is never replaced by a link.
        if !work.exists_unresolved(link) || work.is_link(link, &owner)? {
            work.link(link, &generic, &owner)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_priority_wins_and_of_equals_the_first_path() {
        let choice = |priority| Choice {
            package: "p".to_owned(),
            priority,
            slaves: BTreeMap::new(),
        };
        let mut group = Group::default();
        for (path, priority) in [("/c", 5), ("/b", 10), ("/a", 10)] {
            group.choices.insert(path.to_owned(), choice(priority));
        }
        assert_eq!(group.best().expect("a choice").0, "/a");
    }
}
