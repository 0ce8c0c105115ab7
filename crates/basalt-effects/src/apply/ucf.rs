//! Configuration files as `ucf` places and remembers them on a fresh install.

use basalt_tree::{Attributes, Owner};
use md5::{Digest as _, Md5};

use super::error::ApplyError;
use super::lines::with_lines;
use super::work::{Work, failed, owned, place};

/// What it remembers of each file: its MD5 and its path.
const HASHES: &str = "/var/lib/ucf/hashfile";

/// Where it keeps files as they came, to compare them with later ones.
const CACHE: &str = "/var/lib/ucf/cache";

/// Files as large as this or larger are kept only when that is asked for.
const KEPT_BELOW: usize = 25_600;

/// Copies a file of the image with its attributes, and records it; one that is there stays as it is.
pub(super) fn configuration(
    work: &mut Work<'_>,
    package: &str,
    from: &str,
    to: &str,
    three_way: bool,
) -> Result<(), ApplyError> {
    place_and_record(work, package, (from, to), three_way, None)
}

/// As [`configuration`], with the second of two lines in the place of the first.
pub(super) fn changed_configuration(
    work: &mut Work<'_>,
    package: &str,
    from: &str,
    to: &str,
    lines: (&str, &str),
) -> Result<(), ApplyError> {
    place_and_record(work, package, (from, to), false, Some(lines))
}

fn place_and_record(
    work: &mut Work<'_>,
    package: &str,
    (from, to): (&str, &str),
    three_way: bool,
    change: Option<(&str, &str)>,
) -> Result<(), ApplyError> {
    let owner = owned(package, format!("configuration file {from}"));
    let sliced_away = work.context.partial.contains(package) && !work.exists(from);
    if work.exists_unresolved(to) || sliced_away {
        return Ok(());
    }
    let source = place(from, &owner)?;
    let (_, placed) = work
        .tree
        .file(&source)
        .map_err(|cause| failed(&owner, cause))?;
    let attributes = Attributes {
        mode: Some(placed.entry.mode),
        uid: Some(placed.entry.uid),
        gid: Some(placed.entry.gid),
        ..Attributes::default()
    };
    let bytes = match change {
        None => work
            .tree
            .read(&source, work.contents)
            .map_err(|cause| failed(&owner, cause))?,
        Some((line, with)) => {
            let text = work.read_text(from, &owner)?.unwrap_or_default();
            changed(from, &text, line, with)?.into_bytes()
        }
    };
    let there = work.read_text(HASHES, &owner)?.unwrap_or_default();
    let line = format!("{}  {to}", hexadecimal(&bytes));
    let text = with_lines(&there, &[line]);
    work.write(HASHES, text.into_bytes(), 0o644, &owner)?;
    directory(work, CACHE, &owner)?;
    if three_way || bytes.len() < KEPT_BELOW {
        let kept = format!("{CACHE}/{}", to.replace('/', ":"));
        copy(work, &kept, bytes.clone(), &attributes, &owner)?;
    }
    copy(work, to, bytes, &attributes, &owner)
}

/// The text with other words where a line stands.
fn changed(path: &str, text: &str, line: &str, with: &str) -> Result<String, ApplyError> {
    let mut found = false;
    let lines: Vec<&str> = text
        .split('\n')
        .map(|there| match there == line {
            true => {
                found = true;
                with
            }
            false => there,
        })
        .collect();
    match found {
        true => Ok(lines.join("\n")),
        false => Err(ApplyError::Malformed {
            path: path.to_owned(),
            line: 0,
            cause: format!("the line `{line}` that a script changes is not in it"),
        }),
    }
}

fn directory(work: &mut Work<'_>, path: &str, owner: &Owner) -> Result<(), ApplyError> {
    if work.exists(path) {
        return Ok(());
    }
    let attributes = Attributes {
        mode: Some(0o755),
        ..Attributes::default()
    };
    work.directory(path, &attributes, owner)
}

fn copy(
    work: &mut Work<'_>,
    path: &str,
    bytes: Vec<u8>,
    attributes: &Attributes,
    owner: &Owner,
) -> Result<(), ApplyError> {
    work.write(path, bytes, attributes.mode.unwrap_or(0o644), owner)?;
    work.attributes(path, attributes, owner)
}

fn hexadecimal(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_replaced_wherever_it_stands() {
        let text = "a\nb\n# b\nb\n";
        assert_eq!(
            changed("/x", text, "b", "c").expect("found"),
            "a\nc\n# b\nc\n"
        );
    }

    #[test]
    fn a_line_that_a_script_changes_must_be_there() {
        let error = changed("/x", "a\n", "b", "c").expect_err("missing");
        assert!(error.to_string().contains("`b`"), "{error}");
    }
}
