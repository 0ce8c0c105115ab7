//! `phpenmod`: PHP's modules enabled for each of its interfaces, as the packages' own scripts do it.

use std::collections::BTreeSet;

use super::error::ApplyError;
use super::work::{Work, owned, place};

/// Below it, a directory for each version, with configurations of modules and interfaces.
const CONFIGURATION: &str = "/etc/php";

/// The priority of a module that names none.
const PRIORITY: &str = "20";

/// Links each module into the configuration of each interface, and records both.
pub(super) fn apply(work: &mut Work<'_>, package: &str) -> Result<(), ApplyError> {
    let owner = owned(package, "PHP's modules");
    for version in names_in(work, CONFIGURATION)? {
        let available = format!("{CONFIGURATION}/{version}/mods-available");
        let state = format!("/var/lib/php/modules/{version}");
        let interfaces = names_in(work, &format!("/usr/lib/php/{version}/sapi"))?;
        for file in names_in(work, &available)? {
            let Some(module) = file.strip_suffix(".ini") else {
                continue;
            };
            let target = format!("{available}/{file}");
            let Some(text) = work.read_text(&target, &owner)? else {
                continue;
            };
            let priority = priority(&text);
            for interface in &interfaces {
                let folder = format!("{CONFIGURATION}/{version}/{interface}/conf.d");
                if !work.exists(&folder) {
                    continue;
                }
                let link = format!("{folder}/{priority}-{module}.ini");
                if !work.exists_unresolved(&link) {
                    work.link(&link, &target, &owner)?;
                }
                let enabled = format!("{state}/{interface}/enabled_by_maint/{module}");
                work.write(&enabled, Vec::new(), 0o644, &owner)?;
            }
            let registered = format!("{state}/registry/{module}");
            work.write(&registered, Vec::new(), 0o644, &owner)?;
        }
    }
    Ok(())
}

/// The names of what stands in a directory; none when there is none.
fn names_in(work: &Work<'_>, directory: &str) -> Result<BTreeSet<String>, ApplyError> {
    let owner = owned("", "PHP's modules");
    let place = place(directory, &owner)?;
    let Ok((real, _)) = work.tree.get_resolved(&place) else {
        return Ok(BTreeSet::new());
    };
    let names = work.tree.children(&real);
    Ok(names.map(|(path, _)| path.name().to_owned()).collect())
}

/// The number of the first line such as `; priority=10`.
fn priority(text: &str) -> &str {
    let of_line = |line: &'_ str| -> Option<usize> {
        let number = line
            .strip_prefix(';')?
            .trim_start()
            .strip_prefix("priority")?
            .trim_start()
            .strip_prefix('=')?
            .trim();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(number.len())
    };
    text.lines()
        .find_map(|line| {
            let length = of_line(line)?;
            let line = line.trim_end();
            line.get(line.len() - length..)
        })
        .unwrap_or(PRIORITY)
}

#[cfg(test)]
mod tests {
    use super::priority;

    #[test]
    fn the_first_priority_counts_and_twenty_where_there_is_none() {
        for (text, expected) in [
            ("; configuration\n; priority=10\n; priority=30\n", "10"),
            (";priority = 05 \nextension=x\n", "05"),
            ("; priority=high\nextension=x\n", "20"),
            ("priority=10\n", "20"),
            ("", "20"),
        ] {
            assert_eq!(priority(text), expected, "{text}");
        }
    }
}
