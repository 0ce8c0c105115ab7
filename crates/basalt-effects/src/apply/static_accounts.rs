//! The users and groups whose ids the Debian project allots once and for all (policy 9.2.2), as
//! base-passwd's master files have them: an image without base-passwd has few of them, yet what
//! belongs to the group `mail` must belong to 8 there too.

use super::accounts::NewUser;

/// Groups by name, with their ids. `root` is in every image.
const GROUPS: &[(&str, u32)] = &[
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("tty", 5),
    ("disk", 6),
    ("lp", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("man", 12),
    ("proxy", 13),
    ("kmem", 15),
    ("dialout", 20),
    ("fax", 21),
    ("voice", 22),
    ("cdrom", 24),
    ("floppy", 25),
    ("tape", 26),
    ("sudo", 27),
    ("audio", 29),
    ("dip", 30),
    ("www-data", 33),
    ("backup", 34),
    ("operator", 37),
    ("list", 38),
    ("irc", 39),
    ("src", 40),
    ("shadow", 42),
    ("utmp", 43),
    ("video", 44),
    ("sasl", 45),
    ("plugdev", 46),
    ("staff", 50),
    ("games", 60),
    ("users", 100),
    ("nogroup", 65_534),
];

/// One row of the users: name, id, group, comment, home.
type Row = (&'static str, u32, &'static str, &'static str, &'static str);

/// Users; `root` is in every image.
const USERS: &[Row] = &[
    ("daemon", 1, "daemon", "daemon", "/usr/sbin"),
    ("bin", 2, "bin", "bin", "/bin"),
    ("sys", 3, "sys", "sys", "/dev"),
    ("games", 5, "games", "games", "/usr/games"),
    ("man", 6, "man", "man", "/var/cache/man"),
    ("lp", 7, "lp", "lp", "/var/spool/lpd"),
    ("mail", 8, "mail", "mail", "/var/mail"),
    ("news", 9, "news", "news", "/var/spool/news"),
    ("uucp", 10, "uucp", "uucp", "/var/spool/uucp"),
    ("proxy", 13, "proxy", "proxy", "/bin"),
    ("www-data", 33, "www-data", "www-data", "/var/www"),
    ("backup", 34, "backup", "backup", "/var/backups"),
    ("list", 38, "list", "Mailing List Manager", "/var/list"),
    ("irc", 39, "irc", "ircd", "/run/ircd"),
    ("_apt", 42, "nogroup", "", "/nonexistent"),
    ("nobody", 65_534, "nogroup", "nobody", "/nonexistent"),
];

const NO_LOGIN: &str = "/usr/sbin/nologin";

/// The id that Debian allots to a group.
pub(super) fn gid(name: &str) -> Option<u32> {
    GROUPS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, gid)| *gid)
}

/// The user to whom Debian allots an id.
pub(super) fn user(name: &str) -> Option<NewUser> {
    let (name, uid, group, comment, home) = USERS.iter().find(|row| row.0 == name)?;
    Some(NewUser {
        name: (*name).to_owned(),
        uid: Some(*uid),
        group: Some((*group).to_owned()),
        comment: (*comment).to_owned(),
        home: (*home).to_owned(),
        shell: NO_LOGIN.to_owned(),
    })
}
