//! `sysusers.d` as `systemd-sysusers` applies it to a fresh root.

use std::collections::BTreeMap;

use basalt_tree::{Owner, numeric_id};

use super::accounts::{Accounts, NewUser, Style};
use super::error::ApplyError;
use super::limits;
use super::lines::{significant, words};
use super::work::Work;

/// Where fragments are; a name in an earlier one hides that of a later one.
const DIRECTORIES: [&str; 2] = ["/etc/sysusers.d", "/usr/lib/sysusers.d"];

/// One line of a `sysusers.d` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemUserLine {
    /// `u`: a user and its group.
    User {
        /// Its name.
        name: String,
        /// A fixed id.
        uid: Option<u32>,
        /// A group by name or number, if not its own.
        group: Option<String>,
        /// Comment.
        comment: String,
        /// Home directory.
        home: String,
        /// Login shell; `None` is the default one.
        shell: Option<String>,
        /// `u!`: the account is locked wholly.
        locked: bool,
    },
    /// `g`: a group.
    Group {
        /// Its name.
        name: String,
        /// A fixed id.
        gid: Option<u32>,
    },
    /// `m`: a user made a member of a group.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// `r`: a range of ids; not heeded, as Basalt allocates in Debian's own range.
    Range,
}

/// Reads a `sysusers.d` file; `path` is named in errors.
///
/// # Errors
/// When a line is malformed, of unknown type, or holds a specifier other than `%%`.
pub fn system_users(text: &str, path: &str) -> Result<Vec<SystemUserLine>, ApplyError> {
    significant(text)
        .map(|(line, content)| {
            parse(content).map_err(|cause| ApplyError::Malformed {
                path: path.to_owned(),
                line,
                cause,
            })
        })
        .collect()
}

fn parse(line: &str) -> Result<SystemUserLine, String> {
    let mut fields = words(line)?;
    if fields.len() > 6 {
        return Err("a line has at most six fields".to_owned());
    }
    for field in &mut fields {
        *field = plain(field)?;
    }
    let field = |index: usize| {
        fields
            .get(index)
            .map(String::as_str)
            .filter(|text| !text.is_empty() && *text != "-")
    };
    let name = |index: usize| {
        field(index)
            .map(str::to_owned)
            .ok_or("a name is missing".to_owned())
            .and_then(account_name)
    };
    let number = |text: &str| {
        let none = || format!("`{text}` is no id, and ids taken from a file are not supported");
        no_leading_zero(text)?;
        let number = numeric_id(text).map_err(|error| error.to_string())?;
        number.ok_or_else(none)
    };
    let group = |text: &str| match numeric_id(text) {
        Ok(Some(_)) => no_leading_zero(text).map(|()| text.to_owned()),
        Ok(None) => account_name(text.to_owned()),
        Err(error) => Err(error.to_string()),
    };
    match field(0).unwrap_or("") {
        kind @ ("u" | "u!") => {
            let (uid, group) = match field(2) {
                None => (None, None),
                Some(id) => match id.split_once(':') {
                    None => (Some(number(id)?), None),
                    Some(("-", name)) => (None, Some(group(name)?)),
                    Some((uid, name)) => (Some(number(uid)?), Some(group(name)?)),
                },
            };
            Ok(SystemUserLine::User {
                name: name(1)?,
                uid,
                group,
                comment: field(3).unwrap_or("").to_owned(),
                home: field(4).map_or(Ok("/".to_owned()), |text| absolute(text, "home"))?,
                shell: field(5).map(|text| absolute(text, "shell")).transpose()?,
                locked: kind == "u!",
            })
        }
        "g" => Ok(SystemUserLine::Group {
            name: name(1)?,
            gid: field(2).map(number).transpose()?,
        }),
        "m" => Ok(SystemUserLine::Member {
            user: name(1)?,
            group: name(2)?,
        }),
        "r" if field(1).is_some() => Err("a line of type `r` takes no name".to_owned()),
        "r" => {
            for end in field(2).iter().flat_map(|range| range.splitn(2, '-')) {
                number(end)?;
            }
            Ok(SystemUserLine::Range)
        }
        other => Err(format!("`{other}` is none of the types u, u!, g, m, r")),
    }
}

/// A name as `systemd-sysusers` takes it: 1 to 31 letters, digits, `_` and `-`, a letter or `_` first (systemd's *User/Group Name
/// Syntax*, strict mode).
fn account_name(name: String) -> Result<String, String> {
    let is_letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    let is_valid = name.len() <= 31
        && name.starts_with(is_letter)
        && name
            .chars()
            .all(|letter| is_letter(letter) || letter.is_ascii_digit() || letter == '-');
    match is_valid {
        true => Ok(name),
        false => Err(format!("`{name}` is not a valid name of a user or group")),
    }
}

/// An id is decimal, without a zero before it.
fn no_leading_zero(text: &str) -> Result<(), String> {
    match text.len() > 1 && text.starts_with('0') {
        true => Err(format!("`{text}` is no id: it has a zero before it")),
        false => Ok(()),
    }
}

/// A path of the field `what`: absolute, without `.` and `..`; doubled slashes and one at the end go.
fn absolute(text: &str, what: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let climbs = parts.iter().any(|part| matches!(*part, "." | ".."));
    match text.starts_with('/') && !climbs {
        true => Ok(format!("/{}", parts.join("/"))),
        false => Err(format!(
            "`{text}` is no {what}: it is not an absolute path without `.` and `..`"
        )),
    }
}

/// Resolves `%%`; the other specifiers tell of a running machine.
fn plain(text: &str) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            result.push(letter);
            continue;
        }
        match letters.next() {
            Some('%') => result.push('%'),
            other => {
                let name = other.map(String::from).unwrap_or_default();
                return Err(format!(
                    "the specifier `%{name}` is only known on a running machine"
                ));
            }
        }
    }
    Ok(result)
}

/// The files of several directories by name, those of earlier directories first; links to
/// `/dev/null` hide a name.
pub(super) fn fragments(
    work: &Work<'_>,
    directories: &[&str],
    owner: &Owner,
) -> Result<BTreeMap<String, String>, ApplyError> {
    let mut files = BTreeMap::new();
    for directory in directories {
        for name in work.files_in(directory, owner)? {
            if name.ends_with(".conf") {
                let path = format!("{directory}/{name}");
                files.entry(name).or_insert(path);
            }
        }
    }
    Ok(files)
}

/// Adds the accounts of all fragments; of two lines for one name the first counts.
pub(super) fn apply(
    work: &mut Work<'_>,
    accounts: &mut Accounts,
    owner: &Owner,
) -> Result<(), ApplyError> {
    let mut lines = Vec::new();
    for path in fragments(work, &DIRECTORIES, owner)?.values() {
        let text = work.read_text(path, owner)?.unwrap_or_default();
        lines.extend(system_users(&text, path)?);
        if lines.len() > limits::MAXIMUM_SYSTEM_USERS {
            let what = "lines of sysusers.d";
            return Err(limits::too_many(path, limits::MAXIMUM_SYSTEM_USERS, what));
        }
    }
    let epoch = work.context.epoch;
    let ids = &mut work.context.ids;
    let style = Style::Sysusers { locked: false };
    for line in &lines {
        if let SystemUserLine::Group { name, gid } = line
            && accounts.gid(name).is_none()
        {
            accounts.add_group(name, *gid, None, style, ids)?;
        }
    }
    for line in &lines {
        match line {
            SystemUserLine::User {
                name,
                uid,
                group,
                comment,
                home,
                shell,
                locked,
            } if accounts.uid(name).is_none() => {
                let default = if *uid == Some(0) {
                    "/bin/sh"
                } else {
                    "/usr/sbin/nologin"
                };
                let user = NewUser {
                    name: name.clone(),
                    uid: *uid,
                    group: group.clone(),
                    comment: comment.clone(),
                    home: home.clone(),
                    shell: shell.clone().unwrap_or_else(|| default.to_owned()),
                };
                accounts.add_user(&user, Style::Sysusers { locked: *locked }, epoch, ids)?;
            }
            _ => {}
        }
    }
    for line in &lines {
        if let SystemUserLine::Member { user, group } = line {
            let implicit = NewUser {
                name: user.clone(),
                home: "/".to_owned(),
                shell: "/usr/sbin/nologin".to_owned(),
                ..NewUser::default()
            };
            accounts.add_group(group, None, None, style, ids)?;
            accounts.add_user(&implicit, style, epoch, ids)?;
            accounts.add_member(user, group);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_that_packages_bring() {
        let text = "# c\nu sshd -:nogroup \"sshd user\" /run/sshd\nu! net - \"a b\"\ng tty 5 -\n\
                    u man 6:12 - /var/cache/man /usr/sbin/nologin\nm a b\nr - 500-900\n";
        let lines = system_users(text, "x").expect("lines");
        assert_eq!(lines.len(), 6);
        let SystemUserLine::User {
            group, home, shell, ..
        } = &lines[0]
        else {
            panic!("a user")
        };
        assert_eq!(group.as_deref(), Some("nogroup"));
        assert_eq!((home.as_str(), shell.as_deref()), ("/run/sshd", None));
        assert!(matches!(
            &lines[1],
            SystemUserLine::User { locked: true, .. }
        ));
    }

    #[test]
    fn an_id_that_system_calls_read_as_none_is_refused_with_its_line() {
        for text in [
            "u q 4294967295",
            "u q 65535",
            "u! q 2147483648",
            "u q 4294967296",
            "u q 5:65535",
            "u q -:4294967295",
            "u q 65535:users",
            "g q 65535",
            "g q 4294967295",
            "r - 500-4294967295",
            "r - 65535",
        ] {
            let error = system_users(&format!("# c\n{text}\n"), "f.conf").expect_err(text);
            let error = error.to_string();
            assert!(error.starts_with("f.conf:2: "), "{error}");
            assert!(error.contains("can be the id of no user"), "{error}");
        }
        system_users("u q 65534:65536\nr - 500-900\nr - 700\n", "f").expect("these can be");
    }

    #[test]
    fn refuses_names_ids_and_homes_that_systemd_sysusers_refuses() {
        let long = format!("u {} 5", "a".repeat(32));
        for text in [
            "u a$ 500",
            "u a.b 500",
            "u 1a 500",
            "u -a 500",
            "u ä 5",
            "g a$ 5",
            "m a$ b",
            "m a b$",
            &long,
            "u a 0500",
            "u a 00",
            "g a 007",
            "u a +5",
            "u a 5:05",
            "u a 5:b.c",
            "r - 010-020",
            "r a 5",
            "u a 500 - rel",
            "u a 500 - /home/../a",
            "u a 500 - - rel",
            "u a 500 - - /bin/../sh",
        ] {
            let error = system_users(&format!("\n{text}\n"), "f.conf").expect_err(text);
            assert!(error.to_string().starts_with("f.conf:2: "), "{error}");
        }
        let text = "u _a-B9 0 - //home/a/ /bin//sh\n";
        let lines = system_users(text, "f").expect("systemd-sysusers takes it");
        let SystemUserLine::User {
            uid, home, shell, ..
        } = &lines[0]
        else {
            panic!("a user")
        };
        assert_eq!(
            (*uid, home.as_str(), shell.as_deref()),
            (Some(0), "/home/a", Some("/bin/sh"))
        );
    }

    #[test]
    fn refuses_what_only_a_running_machine_knows() {
        let error = system_users("\nu a - - /home/%H\n", "f.conf").expect_err("refused");
        assert!(
            error
                .to_string()
                .starts_with("f.conf:2: the specifier `%H`")
        );
        assert!(system_users("x a\n", "f").is_err());
        assert!(system_users("u a /path\n", "f").is_err());
    }
}
