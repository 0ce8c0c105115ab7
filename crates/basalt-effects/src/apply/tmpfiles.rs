//! `tmpfiles.d` as `systemd-tmpfiles --create` applies it to a fresh root, without boot-only lines.

use basalt_tree::{Attributes, Owner, TreePath, numeric_id};

use super::error::ApplyError;
use super::limits;
use super::lines::{significant, words};
use super::patterns::matching;
use super::sysusers::fragments;
use super::users;
use super::work::{Work, owned};

/// Where fragments are; a name in an earlier one hides that of a later one.
const DIRECTORIES: [&str; 2] = ["/etc/tmpfiles.d", "/usr/lib/tmpfiles.d"];

/// Specifiers with one value on every machine (tmpfiles.d(5), *Specifiers*).
const SPECIFIERS: [(char, &str); 12] = [
    ('%', "%"),
    ('C', "/var/cache"),
    ('G', "0"),
    ('g', "root"),
    ('h', "/root"),
    ('L', "/var/log"),
    ('S', "/var/lib"),
    ('T', "/tmp"),
    ('t', "/run"),
    ('U', "0"),
    ('u', "root"),
    ('V', "/var/tmp"),
];

/// One line of a `tmpfiles.d` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporaryFileLine {
    /// The letter that says what is made.
    pub kind: char,
    /// `+`: what is there is replaced.
    pub replace: bool,
    /// Where, or a pattern of where.
    pub path: String,
    /// Permission bits, if given, and whether only for what is newly made (`:`).
    pub mode: Option<(u32, bool)>,
    /// Owning user, if given, and whether only for what is newly made.
    pub user: Option<(String, bool)>,
    /// Owning group, if given, and whether only for what is newly made.
    pub group: Option<(String, bool)>,
    /// The rest: a link's target, a file's content.
    pub argument: Option<String>,
}

/// Reads a `tmpfiles.d` file, without the lines that do nothing in an image: boot-only ones, those
/// that take a credential, removals, device nodes, access control lists (layers do not carry them),
/// attributes of paths named by a machine's id.
/// `path` is named in errors.
///
/// # Errors
/// When a line is malformed, or makes a path named by a specifier that only a running machine knows.
pub fn temporary_files(text: &str, path: &str) -> Result<Vec<TemporaryFileLine>, ApplyError> {
    let mut lines = Vec::new();
    for (number, content) in significant(text) {
        match parse(content) {
            Ok(line) => lines.extend(line),
            Err(cause) => {
                return Err(ApplyError::Malformed {
                    path: path.to_owned(),
                    line: number,
                    cause,
                });
            }
        }
    }
    Ok(lines)
}

fn parse(line: &str) -> Result<Option<TemporaryFileLine>, String> {
    let fields = words(line)?;
    let field = |index: usize| {
        fields
            .get(index)
            .map(String::as_str)
            .filter(|text| *text != "-")
    };
    let mut letters = fields.first().map_or("", String::as_str).chars();
    let kind = letters.next().ok_or("the type is missing")?;
    let modifiers = letters.as_str();
    if let Some(strange) = modifiers
        .chars()
        .find(|letter| !"+!-=~^$?".contains(*letter))
    {
        return Err(format!("`{strange}` is no modifier of a type"));
    }
    if modifiers.contains(['!', '^']) || "xXrRhHtTbcaA".contains(kind) {
        return Ok(None);
    }
    if !"dDevqQfFwpLCzZ".contains(kind) {
        return Err(format!("`{kind}` is no type that Basalt knows"));
    }
    let path = field(1).ok_or("the path is missing")?;
    let path = match resolved(path) {
        Ok(path) => path,
        Err(_) if "ezZ".contains(kind) => return Ok(None),
        Err(cause) => return Err(cause),
    };
    if !path.starts_with('/') {
        return Err(format!("the path `{path}` is not absolute"));
    }
    TreePath::new(&path).map_err(|error| error.to_string())?;
    let initial = |text: &str| match text.strip_prefix(':') {
        Some(rest) => (rest.to_owned(), true),
        None => (text.to_owned(), false),
    };
    let mode = match field(2) {
        None => None,
        Some(text) => {
            // `~` masks by what is there; a fresh root has nothing to mask by.
            let (text, new_only) = initial(text.trim_start_matches('~'));
            let bits = u32::from_str_radix(text.trim_start_matches('~'), 8)
                .ok()
                .filter(|bits| *bits <= 0o7777)
                .ok_or_else(|| format!("`{text}` is no mode"))?;
            Some((bits, new_only))
        }
    };
    let argument = match fields.get(6..) {
        Some(rest) if !rest.is_empty() && rest != ["-"] => Some(rest.join(" ")),
        _ => None,
    };
    let owner = |index: usize| match field(index).map(initial) {
        Some((name, new_only)) => numeric_id(&name)
            .map(|_| Some((name, new_only)))
            .map_err(|error| error.to_string()),
        None => Ok(None),
    };
    Ok(Some(TemporaryFileLine {
        kind,
        replace: modifiers.contains('+'),
        path,
        mode,
        user: owner(3)?,
        group: owner(4)?,
        argument: argument.map(|text| resolved(&text)).transpose()?,
    }))
}

fn resolved(text: &str) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            result.push(letter);
            continue;
        }
        let name = letters.next().unwrap_or(' ');
        match SPECIFIERS.iter().find(|(letter, _)| *letter == name) {
            Some((_, value)) => result.push_str(value),
            None => {
                return Err(format!(
                    "the specifier `%{name}` is only known on a running machine"
                ));
            }
        }
    }
    Ok(result)
}

/// Applies the lines of all fragments, sorted by path so that parents come first.
pub(super) fn apply(work: &mut Work<'_>, package: &str) -> Result<(), ApplyError> {
    let owner = owned(package, "temporary files");
    let mut lines: Vec<(TemporaryFileLine, String)> = Vec::new();
    for file in fragments(work, &DIRECTORIES, &owner)?.values() {
        let text = work.read_text(file, &owner)?.unwrap_or_default();
        for line in temporary_files(&text, file)? {
            lines.push((line, file.clone()));
        }
        if lines.len() > limits::MAXIMUM_TEMPORARY_FILES {
            let what = "lines of tmpfiles.d";
            return Err(limits::too_many(
                file,
                limits::MAXIMUM_TEMPORARY_FILES,
                what,
            ));
        }
    }
    let patterns = lines
        .iter()
        .filter(|(line, _)| line.path.contains(['*', '?', '[']) || line.kind == 'Z');
    let compared = patterns.count().saturating_mul(work.tree.len());
    if compared > limits::MAXIMUM_COMPARED {
        let what = "paths that patterns of tmpfiles.d are compared with";
        return Err(limits::too_many(package, limits::MAXIMUM_COMPARED, what));
    }
    // Of two lines that make one path the first counts; attributes may follow.
    lines.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    let mut made: Option<String> = None;
    for (line, file) in &lines {
        let makes = "dDvqQfFpLC".contains(line.kind);
        if makes && made.as_ref() == Some(&line.path) {
            continue;
        }
        if makes {
            made = Some(line.path.clone());
        }
        apply_line(work, line, file, &owner)?;
    }
    Ok(())
}

/// The attributes a line gives to what is new, or to what is there.
fn attributes(
    work: &mut Work<'_>,
    line: &TemporaryFileLine,
    is_new: bool,
    owner: &Owner,
) -> Result<Attributes, ApplyError> {
    let counts = |new_only: bool| is_new || !new_only;
    let uid = match &line.user {
        Some((name, new_only)) if counts(*new_only) => Some(users::uid(work, name, owner)?),
        _ => None,
    };
    let gid = match &line.group {
        Some((name, new_only)) if counts(*new_only) => Some(users::gid(work, name, owner)?),
        _ => None,
    };
    Ok(Attributes {
        mode: line
            .mode
            .filter(|(_, new_only)| counts(*new_only))
            .map(|(bits, _)| bits),
        uid,
        gid,
        ..Attributes::default()
    })
}

fn apply_line(
    work: &mut Work<'_>,
    line: &TemporaryFileLine,
    file: &str,
    owner: &Owner,
) -> Result<(), ApplyError> {
    let path = line.path.as_str();
    let there = work.exists(path);
    let refuse = |cause: &str| {
        Err(ApplyError::Malformed {
            path: file.to_owned(),
            line: 0,
            cause: format!("the line of type `{}` for {path}: {cause}", line.kind),
        })
    };
    match line.kind {
        'd' | 'D' | 'v' | 'q' | 'Q' => {
            let attributes = attributes(work, line, !there, owner)?;
            work.directory(path, &attributes, owner)
        }
        'f' | 'F' => {
            if !there || line.replace || line.kind == 'F' {
                let content = line.argument.clone().unwrap_or_default();
                work.write(path, content.into_bytes(), 0o644, owner)?;
            }
            let attributes = attributes(work, line, !there, owner)?;
            work.attributes(path, &attributes, owner)
        }
        'L' => {
            let factory = format!("/usr/share/factory{path}");
            let target = line.argument.as_deref().unwrap_or(&factory);
            if !work.exists_unresolved(path) || line.replace && work.is_link(path, owner)? {
                work.link(path, target, owner)?;
            }
            Ok(())
        }
        'C' => {
            if work.exists_unresolved(path) {
                return Ok(());
            }
            let factory = format!("/usr/share/factory{path}");
            let from = line.argument.clone().unwrap_or(factory);
            match work.read(&from, owner) {
                Ok(Some(bytes)) => {
                    work.write(path, bytes, 0o644, owner)?;
                    let attributes = attributes(work, line, true, owner)?;
                    work.attributes(path, &attributes, owner)
                }
                // A factory that is not there is no error to systemd-tmpfiles.
                Ok(None) => Ok(()),
                Err(_) => refuse("only files are copied, not directories"),
            }
        }
        'e' | 'z' | 'Z' => {
            let attributes = attributes(work, line, false, owner)?;
            for path in matching(work, path, line.kind == 'Z') {
                work.attributes(&path, &attributes, owner)?;
            }
            Ok(())
        }
        _ if matching(work, path, false).is_empty() && line.kind != 'p' => Ok(()),
        'w' => refuse("writing into a file that is there is not supported"),
        _ => refuse("it is not supported"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_what_only_a_boot_does() {
        let text = "r! /etc/passwd.lock\nx /tmp/a*\nf^ /etc/hosts - - - - network.hosts\n\
                    z /run/log/journal/%m 2755 root systemd-journal - -\n";
        assert_eq!(temporary_files(text, "f").expect("lines"), []);
    }

    #[test]
    fn reads_the_lines_that_packages_bring() {
        let text = "d /run/lock    1777 root root -   -\nL+ /etc/mtab - - - - ../proc/self/mounts\n\
                    d- /root :0700 root :root -\nd %S/x\n";
        let lines = temporary_files(text, "f").expect("lines");
        assert_eq!(lines[0].mode, Some((0o1777, false)));
        assert_eq!(lines[1].argument.as_deref(), Some("../proc/self/mounts"));
        assert!(lines[1].replace);
        assert_eq!(lines[2].mode, Some((0o700, true)));
        assert_eq!(lines[3].path, "/var/lib/x");
    }

    #[test]
    fn refuses_paths_of_a_running_machine_and_paths_that_climb() {
        for text in ["d /a - 65535", "d /a - - :4294967295", "z /a - 4294967296"] {
            let error = temporary_files(text, "f").expect_err(text).to_string();
            assert!(error.contains("can be the id of no user"), "{error}");
        }
        for text in ["d /var/%m", "d relative", "d /a/../b", "d /a 99999", "Y /a"] {
            assert!(temporary_files(text, "f").is_err(), "{text}");
        }
    }
}
