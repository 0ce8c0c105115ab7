//! Configuration: small texts below `/etc` that name files.

use basalt_tree::TreePath;

use crate::error::ReachError;
use crate::names;
use crate::reason::Reason;
use crate::walk::Walk;

/// Longest configuration that is read for paths.
const MAXIMUM: usize = 256 << 10;

/// Whether a file is configuration by its place.
pub(crate) fn is_one(path: &TreePath) -> bool {
    path.as_str().starts_with("etc/")
}

/// Follows the paths that a configuration names outside of its comments.
pub(crate) fn visit(
    walk: &mut Walk<'_>,
    path: &TreePath,
    content: &[u8],
) -> Result<(), ReachError> {
    if content.len() > MAXIMUM || content.contains(&0) {
        return Ok(());
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return Ok(());
    };
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let apart = |letter: char| letter.is_whitespace() || "\"'=:,;()<>[]{}".contains(letter);
        for word in line.split(apart) {
            if names::is_path(word) {
                names::path(walk, path, word, Reason::Text(number + 1))?;
            }
        }
    }
    Ok(())
}
