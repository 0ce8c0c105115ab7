//! `tmpfiles.d` as `systemd-tmpfiles --create` applies it to a fresh root, without boot-only lines.

use basalt_tree::{Attributes, Owner, TreePath, numeric_id};

use super::error::ApplyError;
use super::limits;
use super::lines::{first_words, significant};
use super::patterns::matching;
use super::sysusers::fragments;
use super::users;
use super::work::{Work, failed, owned, place};

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
    /// Its number in the file, from 1.
    pub number: usize,
    /// The letter that says what is made.
    pub kind: char,
    /// `+`: what is there is replaced.
    pub replace: bool,
    /// `?`: a link is made only to what is there.
    pub if_there: bool,
    /// Where, or a pattern of where.
    pub path: String,
    /// Permission bits, if given, and whether only for what is newly made (`:`).
    pub mode: Option<(u32, bool)>,
    /// `~` before the mode: it is masked by that of what is there.
    pub masked: bool,
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
        match parse(content, number) {
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

fn parse(line: &str, number: usize) -> Result<Option<TemporaryFileLine>, String> {
    // The argument is the rest of the line, with its quotes and blanks.
    let (fields, argument) = first_words(line, 6)?;
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
        return Err(format!("`{strange}` is not a modifier of a type"));
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
            let (text, new_only) = initial(text.trim_start_matches('~'));
            let bits = u32::from_str_radix(text.trim_start_matches('~'), 8)
                .ok()
                .filter(|bits| *bits <= 0o7777)
                .ok_or_else(|| format!("`{text}` is no mode"))?;
            Some((bits, new_only))
        }
    };
    let argument = match argument {
        "" | "-" => None,
        _ if modifiers.contains('~') && "fFw".contains(kind) => {
            return Err("content in base64 (`~`) is not supported".to_owned());
        }
        text => Some(resolved(&unescaped(text)?)?),
    };
    if modifiers.contains('?') && kind != 'L' {
        return Err(format!("`?` is not a modifier of the type `{kind}`"));
    }
    let owner = |index: usize| match field(index).map(initial) {
        Some((name, new_only)) => numeric_id(&name)
            .map(|_| Some((name, new_only)))
            .map_err(|error| error.to_string()),
        None => Ok(None),
    };
    Ok(Some(TemporaryFileLine {
        number,
        kind,
        replace: modifiers.contains('+'),
        if_there: modifiers.contains('?'),
        masked: field(2).is_some_and(|text| text.contains('~')),
        path,
        mode,
        user: owner(3)?,
        group: owner(4)?,
        argument,
    }))
}

/// A text with the escapes of C resolved, as systemd does (`cunescape`): a letter that is none is an error.
fn unescaped(text: &str) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            result.push(letter);
            continue;
        }
        let Some(escape) = letters.next() else {
            return Err("a line ends with a backslash".to_owned());
        };
        let plain = match escape {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            's' => Some(' '),
            '\\' | '"' | '\'' => Some(escape),
            _ => None,
        };
        if let Some(plain) = plain {
            result.push(plain);
            continue;
        }
        let wrong = || format!("`\\{escape}` begins no escape that gives a letter");
        // A byte beyond ASCII may be no text, and is not taken.
        let (digits, radix, largest) = match escape {
            'x' => (take(&mut letters, 2), 16, 0x7f),
            'u' => (take(&mut letters, 4), 16, u32::MAX),
            'U' => (take(&mut letters, 8), 16, u32::MAX),
            '0'..='7' => (format!("{escape}{}", take(&mut letters, 2)), 8, 0x7f),
            _ => return Err(wrong()),
        };
        let length = match escape {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 3,
        };
        let letter = u32::from_str_radix(&digits, radix)
            .ok()
            .filter(|code| {
                digits.len() == length && !digits.starts_with('+') && (1..=largest).contains(code)
            })
            .and_then(char::from_u32)
            .ok_or_else(wrong)?;
        result.push(letter);
    }
    Ok(result)
}

/// The next so many letters.
fn take(letters: &mut std::str::Chars<'_>, count: usize) -> String {
    letters.by_ref().take(count).collect()
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
    path: &str,
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
            .map(|(bits, _)| match line.masked && !is_new {
                true => masked(work, path, bits),
                false => bits,
            }),
        uid,
        gid,
        ..Attributes::default()
    })
}

/// A mode masked by that of what stands at a path (tmpfiles.d(5), *Mode*): no right that nobody has there; set-ID bits and the
/// sticky bit for directories only.
fn masked(work: &Work<'_>, path: &str, bits: u32) -> u32 {
    let place = TreePath::new(path).map(|path| work.tree.get_resolved(&path));
    let Ok(Ok((_, placed))) = place else {
        return bits;
    };
    let there = placed.entry.mode;
    let kept = [0o111, 0o222, 0o444]
        .into_iter()
        .filter(|rights| there & rights != 0)
        .fold(0o7000, |kept, rights| kept | rights);
    match placed.entry.is_directory() {
        true => bits & kept,
        false => bits & kept & 0o777,
    }
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
            line: line.number,
            cause: format!("the line of type `{}` for {path}: {cause}", line.kind),
        })
    };
    match line.kind {
        // systemd-tmpfiles makes nothing through a link that dangles, and no file through any.
        'd' | 'D' | 'v' | 'q' | 'Q' if !there && work.exists_unresolved(path) => Ok(()),
        'f' | 'F' if work.exists_unresolved(path) && work.is_link(path, owner)? => Ok(()),
        'd' | 'D' | 'v' | 'q' | 'Q' => {
            let attributes = attributes(work, line, path, !there, owner)?;
            work.directory(path, &attributes, owner)
        }
        'f' | 'F' => {
            if !there || line.replace || line.kind == 'F' {
                let content = line.argument.clone().unwrap_or_default();
                work.write(path, content.into_bytes(), 0o644, owner)?;
            }
            let attributes = attributes(work, line, path, !there, owner)?;
            work.attributes(path, &attributes, owner)
        }
        'L' => {
            let factory = format!("/usr/share/factory{path}");
            let target = line.argument.as_deref().unwrap_or(&factory);
            if line.if_there && !target.starts_with('/') {
                return refuse("whether a relative target is there is not asked");
            }
            if line.if_there && !work.exists_unresolved(target) {
                return Ok(());
            }
            match work.exists_unresolved(path) {
                true if !line.replace => return Ok(()),
                true if !work.is_link(path, owner)? => {
                    let real = work
                        .tree
                        .resolve_parent(&place(path, owner)?)
                        .map_err(|cause| failed(owner, cause))?;
                    work.tree.remove(&real);
                }
                _ => {}
            }
            work.link(path, target, owner)
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
                    let attributes = attributes(work, line, path, true, owner)?;
                    work.attributes(path, &attributes, owner)
                }
                // A factory that is not there is no error to systemd-tmpfiles.
                Ok(None) => Ok(()),
                Err(_) => refuse("only files are copied, not directories"),
            }
        }
        'e' => {
            for path in matching(work, path, false) {
                if work.is_directory(&path) {
                    let attributes = attributes(work, line, &path, false, owner)?;
                    work.attributes(&path, &attributes, owner)?;
                }
            }
            Ok(())
        }
        'z' | 'Z' => {
            for path in matching(work, path, line.kind == 'Z') {
                let attributes = attributes(work, line, &path, false, owner)?;
                match work.is_link(&path, owner)? {
                    // The link itself, which has no mode of its own.
                    true => work.attributes_of_link(&path, &attributes, owner)?,
                    false => work.attributes(&path, &attributes, owner)?,
                }
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
    fn an_argument_is_the_rest_of_the_line_with_escapes_resolved() {
        for (argument, expected) in [
            (r"a\tb\x41", "a\tbA"),
            (r#""a\tb""#, "\"a\tb\""),
            (r"a\\b", "a\\b"),
            (r"\101\u00e4 x   y", "Aä x   y"),
            ("'a b'  c", "'a b'  c"),
            (r#""a b"#, "\"a b"),
            ("100%%", "100%"),
        ] {
            let lines =
                temporary_files(&format!("f /n - - - -   {argument}\n"), "f").expect(argument);
            assert_eq!(lines[0].argument.as_deref(), Some(expected), "{argument}");
        }
        for line in [
            r"f /n - - - - a\qb",
            r"f /n - - - - a\x00b",
            r"f /n - - - - a\e",
            r"f /n - - - - a\x4",
            r"f /n - - - - a\xe4",
            r"f /n - - - - a\",
            r"f /n - - - - a\x25b",
            "f~ /n - - - - aGVsbG8K",
            "d? /n",
        ] {
            let error = temporary_files(&format!("\n{line}\n"), "f.conf").expect_err(line);
            assert!(error.to_string().starts_with("f.conf:2: "), "{error}");
        }
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
