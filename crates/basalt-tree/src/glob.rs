//! Patterns for paths: `?` is one character but `/`, `*` any number of them, `**` any number of
//! whole names. All else stands for itself.

use crate::path::TreePath;

/// Whether a path matches a pattern. A leading `/` of the pattern means nothing; a pattern without
/// any other `/` must match the whole path too (`*.so` matches only at the root).
pub fn matches(pattern: &str, path: &TreePath) -> bool {
    let pattern: Vec<&str> = parts(pattern).collect();
    let path: Vec<&str> = parts(path.as_str()).collect();
    names(&pattern, &path)
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|part| !part.is_empty())
}

/// Greedy matching with one point to return to, so its time is at most pattern times path.
fn wildcard<P, T>(
    pattern: &[P],
    text: &[T],
    any: impl Fn(&P) -> bool,
    one: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while position < text.len() {
        if pattern.get(at).is_some_and(&any) {
            retry = Some((at, position));
            at += 1;
        } else if pattern
            .get(at)
            .is_some_and(|part| one(part, &text[position]))
        {
            at += 1;
            position += 1;
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            at = star + 1;
            position = from + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(any)
}

fn names(pattern: &[&str], path: &[&str]) -> bool {
    wildcard(
        pattern,
        path,
        |part| *part == "**",
        |part, text| name(part, text),
    )
}

fn name(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    wildcard(
        &pattern,
        &text,
        |part| *part == '*',
        |part, text| *part == '?' || part == text,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(pattern: &str, path: &str) -> bool {
        matches(pattern, &TreePath::new(path).expect("a path"))
    }

    #[test]
    fn a_star_stays_within_a_name() {
        assert!(hits("/usr/lib/*.so", "usr/lib/a.so"));
        assert!(hits("usr/lib/lib?.so.*", "usr/lib/liba.so.1"));
        assert!(!hits("/usr/lib/*.so", "usr/lib/x/a.so"));
        assert!(!hits("usr/*", "usr"));
    }

    #[test]
    fn two_stars_go_over_names() {
        for path in ["usr/lib/a.so", "usr/lib/x/y/a.so"] {
            assert!(hits("/usr/lib/**/*.so", path), "{path}");
        }
        assert!(hits("/usr/lib/**", "usr/lib/x/y"));
        assert!(hits("**/*.pyc", "a.pyc"));
        assert!(!hits("/usr/lib/**/b", "usr/lib/a"));
    }

    #[test]
    fn long_patterns_end_in_time() {
        let path = "a".repeat(250);
        assert!(!hits(&format!("{}b", "a*".repeat(100)), &path));
    }
}
