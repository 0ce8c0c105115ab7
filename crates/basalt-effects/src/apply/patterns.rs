//! Patterns of paths, as glob(7) fits them.

use basalt_tree::TreePath;

use super::work::Work;

/// The paths that a pattern fits, links on the way followed when it has no wildcard.
pub(super) fn matching(work: &Work<'_>, pattern: &str, below: bool) -> Vec<String> {
    let mut found = Vec::new();
    if pattern.contains(['*', '?', '[']) {
        let parts: Vec<&str> = pattern.trim_matches('/').split('/').collect();
        for (path, _) in work.tree.iter() {
            let names: Vec<&str> = path.as_str().split('/').collect();
            let fits = names.len() == parts.len()
                && names
                    .iter()
                    .zip(&parts)
                    .all(|(name, part)| glob(part.as_bytes(), name.as_bytes()));
            if fits {
                found.push(path.absolute());
            }
        }
    } else if work.exists_unresolved(pattern) {
        found.push(pattern.to_owned());
    }
    if below {
        let roots: Vec<TreePath> = found
            .iter()
            .filter_map(|path| TreePath::new(path).ok())
            .collect();
        for root in &roots {
            // A link is taken itself, and what it leads to is not below it.
            let Ok(real) = work.tree.resolve_parent(root) else {
                continue;
            };
            let inside = work.tree.iter_within(&real);
            found.extend(inside.map(|(path, _)| path.absolute()));
        }
        found.sort();
        found.dedup();
    }
    found
}

/// Whether a name fits a pattern of `*` and `?`; a bracket stands for any one character.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    // Iterative with one point to come back to, so no pattern takes more than quadratic time.
    let (mut at, mut from) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at + 1, from));
                at += 1;
                continue;
            }
            Some(b'[') => {
                if let Some(length) = pattern[at..].iter().position(|byte| *byte == b']') {
                    at += length + 1;
                    from += 1;
                    continue;
                }
            }
            Some(byte) if *byte == b'?' || *byte == name[from] => {
                at += 1;
                from += 1;
                continue;
            }
            _ => {}
        }
        match &mut back {
            Some((pattern_at, name_at)) => {
                *name_at += 1;
                at = *pattern_at;
                from = *name_at;
            }
            None => return false,
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_a_shell_fits_them() {
        for (pattern, name, fits) in [
            ("*.log", "a.log", true),
            ("*.log", "a.logs", false),
            ("a?c", "abc", true),
            ("a[bx]c", "abc", true),
            ("*", "", true),
            ("*a*b", "xaab", true),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), name.as_bytes()),
                fits,
                "{pattern} {name}"
            );
        }
    }
}
