//! Scripts: what runs them.

use basalt_tree::TreePath;

use crate::error::ReachError;
use crate::perl;
use crate::python;
use crate::reason::Reason;
use crate::walk::{Step, Walk};

/// Longest `#!` line, as Linux has it.
const LONGEST: usize = 256;
/// Where `env` and shells look for programs when nobody says otherwise.
const PATH: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Follows a script's `#!` line; whether it is one.
pub(crate) fn visit(
    walk: &mut Walk<'_>,
    path: &TreePath,
    content: &[u8],
) -> Result<bool, ReachError> {
    let Some(line) = first_line(content) else {
        return Ok(false);
    };
    let mut words = line.split_whitespace();
    let Some(program) = words.next() else {
        return Ok(false);
    };
    let mut last = mark(walk, path, program)?;
    if program.rsplit('/').next() == Some("env") {
        let name = words.find(|word| !word.starts_with('-') && !word.contains('='));
        if let Some(name) = name {
            last = None;
            for directory in PATH {
                last = mark(walk, path, &format!("{directory}/{name}"))?;
                if last.is_some() {
                    break;
                }
            }
            if last.is_none() {
                walk.lacks(name, path);
            }
        }
    }
    match last {
        Some(interpreter) if python::is_interpreter(&interpreter) => {
            walk.python.found(&interpreter);
            python::visit(walk, path, &String::from_utf8_lossy(content))?;
        }
        Some(interpreter) if perl::is_interpreter(&interpreter) => {
            perl::visit(walk, path, &String::from_utf8_lossy(content))?;
        }
        _ => {
            let text =
                "which programs and files does this script use? only its interpreter is followed";
            walk.ask(text.to_owned(), None, path)?;
        }
    }
    Ok(true)
}

/// The line after `#!`.
fn first_line(content: &[u8]) -> Option<&str> {
    let rest = content.strip_prefix(b"#!")?;
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let end = rest.iter().position(|byte| *byte == b'\n');
    std::str::from_utf8(&rest[..end.unwrap_or(rest.len())]).ok()
}

fn mark(
    walk: &mut Walk<'_>,
    path: &TreePath,
    program: &str,
) -> Result<Option<TreePath>, ReachError> {
    let Ok(target) = TreePath::new(program) else {
        return Ok(None);
    };
    let step = Step {
        reason: Reason::Interpreter(program.to_owned()),
        from: Some(path),
        certain: true,
    };
    walk.mark(&target, step)
}
