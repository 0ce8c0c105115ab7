//! Names that stand in data: of libraries, of paths, and patterns that are filled in at run time.

use basalt_tree::TreePath;

use crate::error::ReachError;
use crate::reason::Reason;
use crate::walk::{Step, Walk};

/// Directories of programs: a program that is only named may never be started.
const PROGRAMS: [&str; 7] = [
    "usr/bin",
    "usr/sbin",
    "usr/games",
    "usr/libexec",
    "usr/local/bin",
    "usr/local/sbin",
    "bin",
];
/// A directory so far up says nothing about what is used of it.
const SHALLOWEST: usize = 3;

/// Whether a text is a library's file name: `libidn2.so.0`, `legacy.so`.
pub(crate) fn is_library(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+.".contains(&byte);
    let Some((name, version)) = text.rsplit_once(".so") else {
        return false;
    };
    let numbers = version.strip_prefix('.').unwrap_or(version);
    text.len() < 128
        && !name.is_empty()
        && name.bytes().all(is_name)
        && !name.starts_with(['.', '-'])
        && (version.is_empty() || version.starts_with('.'))
        && numbers
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && version != "."
}

/// Whether a text can be an absolute path.
pub(crate) fn is_path(text: &str) -> bool {
    let rest = text.strip_prefix('/').unwrap_or("");
    rest.len() > 2
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"%*?\"'$:;,<>|()[]{}".contains(&byte))
}

/// Whether a text is a library's name with a part to be filled in: `libnss_%s.so.2`.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.len() < 256
        && text.contains("%s")
        && text.contains(".so")
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A path that a file names: what is a file is reached; a program or a directory is asked about.
pub(crate) fn path(
    walk: &mut Walk<'_>,
    from: &TreePath,
    text: &str,
    reason: Reason,
) -> Result<(), ReachError> {
    let Ok(path) = TreePath::new(text) else {
        return Ok(());
    };
    let Ok((real, placed)) = walk.tree.get_resolved(&path) else {
        return Ok(());
    };
    if placed.entry.is_directory() {
        let depth = real.as_str().split('/').count();
        if depth >= SHALLOWEST && !walk.linker.searches(&real) && !walk.python.searches(&real) {
            let seen = walk.directories.entry(real).or_default();
            seen.insert(from.clone());
        }
        return Ok(());
    }
    let is_program = real.parent().is_some_and(|parent| {
        PROGRAMS.contains(&parent.as_str()) && placed.entry.mode & 0o111 != 0
    });
    if is_program {
        if real != *from {
            let seen = walk.programs.entry(real).or_default();
            seen.insert(from.clone());
        }
        return Ok(());
    }
    let step = Step {
        reason,
        from: Some(from),
        certain: false,
    };
    walk.mark(&path, step)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_names_of_libraries_from_other_texts() {
        for text in ["libidn2.so.0", "legacy.so", "libstdc++.so.6.0.33"] {
            assert!(is_library(text), "{text}");
        }
        for text in [
            ".so",
            "a.sort",
            "lib%s.so",
            "a b.so",
            "libx.so.",
            "/lib/x.so",
            "x.so.a",
        ] {
            assert!(!is_library(text), "{text}");
        }
    }

    #[test]
    fn tells_paths_and_patterns_from_other_texts() {
        assert!(is_path("/etc/ssl/openssl.cnf"));
        for text in ["/", "/x", "/dev/fd/%d", "a/b", "/usr/bin:/bin", "/a b"] {
            assert!(!is_path(text), "{text}");
        }
        assert!(is_pattern("libnss_%s.so.%d") && !is_pattern("%s: no .so file"));
    }
}
