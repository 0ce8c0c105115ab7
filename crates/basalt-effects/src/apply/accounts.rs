//! The account files as data: passwd(5), group(5), shadow(5) and gshadow(5).

use basalt_tree::{check_id, numeric_id};

use super::error::ApplyError;
use super::identities::Ids;

/// Seconds of a day: shadow(5) counts changes in days since 1970.
const DAY: i64 = 86_400;

/// The longest name `useradd` takes.
const MAXIMUM_NAME: usize = 32;

/// A user that is to be added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// A fixed id, else that of the lock, else the lowest free one of the system range.
    pub uid: Option<u32>,
    /// Primary group by name or number, if not one of its own.
    pub group: Option<String>,
    /// Comment.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// How a program that adds accounts fills the password fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As `useradd --system` and `groupadd` do.
    Useradd,
    /// As `systemd-sysusers` does; a locked account is also expired.
    Sysusers { locked: bool },
}

impl Style {
    /// Whether passwords go into shadow files even where there are none yet.
    fn makes_shadow(self) -> bool {
        matches!(self, Self::Sysusers { .. })
    }

    fn password(self) -> &'static str {
        match self {
            Self::Useradd => "!",
            Self::Sysusers { .. } => "!*",
        }
    }

    fn expires(self) -> &'static str {
        match self {
            Self::Sysusers { locked: true } => "1",
            _ => "",
        }
    }
}

/// Ages of passwords in days, from login.defs(5), as `pwconv` writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ages {
    minimum: String,
    maximum: String,
    warning: String,
}

impl Ages {
    /// Reads `PASS_MIN_DAYS`, `PASS_MAX_DAYS` and `PASS_WARN_AGE`. `passwd` is the version of the package with `pwconv`: from
    /// 4.20 on it writes no shortest age.
    pub fn parse(definitions: &str, passwd: Option<&str>) -> Self {
        let value = |key: &str| {
            super::lines::significant(definitions)
                .filter_map(|(_, line)| line.split_once(char::is_whitespace))
                .filter(|(name, _)| *name == key)
                .filter_map(|(_, value)| value.trim().parse::<u32>().ok())
                .last()
                .map_or(String::new(), |days| days.to_string())
        };
        let has_minimum = passwd
            .and_then(major_and_minor)
            .is_none_or(|version| version < (4, 20));
        Self {
            minimum: match has_minimum {
                true => value("PASS_MIN_DAYS"),
                false => String::new(),
            },
            maximum: value("PASS_MAX_DAYS"),
            warning: value("PASS_WARN_AGE"),
        }
    }
}

/// The first two numbers of a package's version, without its epoch: 4 and 20 of `1:4.20.3-1`.
fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let (major, rest) = upstream.split_once('.')?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit());
    let minor = rest.get(..end.unwrap_or(rest.len()))?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

type Row = Vec<String>;

/// The four account files. Lines that are no account (NIS' `+`) are kept as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    passwd: Vec<Row>,
    group: Vec<Row>,
    shadow: Option<Vec<Row>>,
    gshadow: Option<Vec<Row>>,
}

// Not `lines()`, which would take a carriage return off the last field: it belongs to the field, as for glibc.
fn rows(text: &str) -> Vec<Row> {
    text.split('\n')
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split(':').map(str::to_owned).collect())
        .collect()
}

fn text(rows: &[Row]) -> String {
    rows.iter().map(|row| row.join(":") + "\n").collect()
}

fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter()
        .find(|row| row.len() > 1 && row.first().is_some_and(|first| first == name))
}

/// The number in a row's third field.
fn id(row: &Row) -> Option<u32> {
    row.get(2)?.parse().ok()
}

fn check(what: &'static str, name: &str) -> Result<(), ApplyError> {
    let fail = |cause| {
        Err(ApplyError::Name {
            what,
            name: name.chars().take(100).collect(),
            cause,
        })
    };
    if name.is_empty() || name.len() > MAXIMUM_NAME {
        return fail("a name has 1 to 32 characters");
    }
    let body = name.strip_suffix('$').unwrap_or(name);
    if !body.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        return fail("a name begins with a letter or `_`");
    }
    if !body
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    {
        return fail("a name has only letters, digits, `_`, `.` and `-`");
    }
    Ok(())
}

/// Whether an account may have this id, be it given or kept in the lock.
fn usable(what: &'static str, name: &str, id: u32) -> Result<(), ApplyError> {
    check_id(id).map(drop).map_err(|cause| ApplyError::Id {
        what,
        name: name.to_owned(),
        cause,
    })
}

impl Accounts {
    /// Reads the texts of `/etc/passwd`, `/etc/group`, `/etc/shadow` and `/etc/gshadow`.
    pub fn parse(passwd: &str, group: &str, shadow: Option<&str>, gshadow: Option<&str>) -> Self {
        Self {
            passwd: rows(passwd),
            group: rows(group),
            shadow: shadow.map(rows),
            gshadow: gshadow.map(rows),
        }
    }

    /// Accounts of an image without base-passwd: only root.
    pub fn minimal() -> Self {
        Self::parse(
            "root:x:0:0:root:/root:/sbin/nologin\n",
            "root:x:0:\n",
            None,
            None,
        )
    }

    /// The text of `/etc/passwd`.
    pub fn passwd(&self) -> String {
        text(&self.passwd)
    }

    /// The text of `/etc/group`.
    pub fn group(&self) -> String {
        text(&self.group)
    }

    /// The text of `/etc/shadow`, if there is one.
    pub fn shadow(&self) -> Option<String> {
        self.shadow.as_deref().map(text)
    }

    /// The text of `/etc/gshadow`, if there is one.
    pub fn gshadow(&self) -> Option<String> {
        self.gshadow.as_deref().map(text)
    }

    /// The id of a user, by its name.
    pub fn uid(&self, name: &str) -> Option<u32> {
        find(&self.passwd, name).and_then(id)
    }

    /// The id of a group, by its name.
    pub fn gid(&self, name: &str) -> Option<u32> {
        find(&self.group, name).and_then(id)
    }

    /// The primary group of a user, by its name.
    pub(super) fn primary_gid(&self, name: &str) -> Option<u32> {
        find(&self.passwd, name)?.get(3)?.parse().ok()
    }

    fn user_of(&self, uid: u32) -> Option<&str> {
        let row = self.passwd.iter().find(|row| id(row) == Some(uid))?;
        row.first().map(String::as_str)
    }

    fn group_of(&self, gid: u32) -> Option<&str> {
        let row = self.group.iter().find(|row| id(row) == Some(gid))?;
        row.first().map(String::as_str)
    }

    fn is_taken(&self, id: u32) -> bool {
        self.user_of(id).is_some() || self.group_of(id).is_some()
    }

    /// Moves passwords into shadow files, as `pwconv` and `grpconv` do. `epoch` stands for today.
    pub(super) fn shadow_passwords(&mut self, epoch: i64, ages: &Ages) {
        let day = epoch.div_euclid(DAY).to_string();
        let shadow = self.shadow.get_or_insert_default();
        for row in self.passwd.iter_mut().filter(|row| row.len() == 7) {
            let hidden = std::mem::replace(&mut row[1], "x".to_owned());
            if find(shadow, &row[0]).is_none() {
                shadow.push(vec![
                    row[0].clone(),
                    if hidden == "x" {
                        "*".to_owned()
                    } else {
                        hidden
                    },
                    day.clone(),
                    ages.minimum.clone(),
                    ages.maximum.clone(),
                    ages.warning.clone(),
                    String::new(),
                    String::new(),
                    String::new(),
                ]);
            }
        }
        let gshadow = self.gshadow.get_or_insert_default();
        for row in self.group.iter_mut().filter(|row| row.len() == 4) {
            let hidden = std::mem::replace(&mut row[1], "x".to_owned());
            if find(gshadow, &row[0]).is_none() {
                let hidden = if hidden == "x" {
                    "*".to_owned()
                } else {
                    hidden
                };
                gshadow.push(vec![row[0].clone(), hidden, String::new(), row[3].clone()]);
            }
        }
    }

    /// Adds a group unless it is there; returns its gid. An id not given is that of the lock, else
    /// `preferred` if free, else the lowest free one, and is recorded.
    pub(super) fn add_group(
        &mut self,
        name: &str,
        fixed: Option<u32>,
        preferred: Option<u32>,
        style: Style,
        ids: &mut Ids,
    ) -> Result<u32, ApplyError> {
        check("group", name)?;
        let taken = |id, cause| ApplyError::IdTaken {
            what: "group",
            name: name.to_owned(),
            id,
            cause,
        };
        if let Some(there) = self.gid(name) {
            return match fixed {
                Some(gid) if gid != there => Err(taken(gid, format!("it already has {there}"))),
                _ => Ok(there),
            };
        }
        let gid = match fixed.or_else(|| ids.groups.get(name).copied()) {
            Some(gid) => gid,
            None => preferred
                .filter(|gid| self.group_of(*gid).is_none())
                .or_else(|| ids.lowest_free(|id| self.is_taken(id)))
                .ok_or_else(|| ApplyError::NoFreeId {
                    what: "group",
                    name: name.to_owned(),
                })?,
        };
        usable("group", name, gid)?;
        if let Some(other) = self.group_of(gid) {
            return Err(taken(gid, format!("the group `{other}` has it")));
        }
        if fixed.is_none() {
            ids.groups.insert(name.to_owned(), gid);
        }
        if style.makes_shadow() {
            self.gshadow.get_or_insert_default();
        }
        let password = match self.gshadow {
            Some(_) => "x",
            None => style.password(),
        };
        self.group.push(vec![
            name.to_owned(),
            password.to_owned(),
            gid.to_string(),
            String::new(),
        ]);
        if let Some(gshadow) = &mut self.gshadow
            && find(gshadow, name).is_none()
        {
            let row = [name, style.password(), "", ""];
            gshadow.push(row.map(str::to_owned).to_vec());
        }
        Ok(gid)
    }

    /// Adds a user unless it is there, and its own group unless `group` names another that exists;
    /// returns its uid.
    pub(super) fn add_user(
        &mut self,
        user: &NewUser,
        style: Style,
        epoch: i64,
        ids: &mut Ids,
    ) -> Result<u32, ApplyError> {
        check("user", &user.name)?;
        let taken = |id, cause| ApplyError::IdTaken {
            what: "user",
            name: user.name.clone(),
            id,
            cause,
        };
        let texts = [&user.comment, &user.home, &user.shell];
        if texts
            .iter()
            .any(|text| text.contains(|letter: char| letter == ':' || letter.is_control()))
        {
            return Err(ApplyError::Name {
                what: "user",
                name: user.name.clone(),
                cause: "its comment, home and shell may not have a colon or a control character",
            });
        }
        if let Some(there) = self.uid(&user.name) {
            return match user.uid {
                Some(uid) if uid != there => Err(taken(uid, format!("it already has {there}"))),
                _ => Ok(there),
            };
        }
        let own_group = self.gid(&user.name);
        let uid = match user.uid.or_else(|| ids.users.get(&user.name).copied()) {
            Some(uid) => uid,
            // A group made before for this user lends its number, so both are alike.
            None => own_group
                .filter(|gid| *gid >= 100 && self.user_of(*gid).is_none())
                .or_else(|| ids.lowest_free(|id| self.is_taken(id)))
                .ok_or_else(|| ApplyError::NoFreeId {
                    what: "user",
                    name: user.name.clone(),
                })?,
        };
        usable("user", &user.name, uid)?;
        if let Some(other) = self.user_of(uid) {
            return Err(taken(uid, format!("the user `{other}` has it")));
        }
        let gid = match &user.group {
            Some(group) => self
                .gid(group)
                .map(Ok)
                .or_else(|| numeric_id(group).transpose())
                .transpose()
                .map_err(|cause| ApplyError::Id {
                    what: "user",
                    name: user.name.clone(),
                    cause,
                })?
                .ok_or_else(|| ApplyError::Unknown {
                    wanted_by: format!("the user `{}`", user.name),
                    what: "group",
                    name: group.clone(),
                })?,
            None => {
                // With a fixed uid the group's id is as fixed.
                let fixed = match own_group {
                    None => user.uid.filter(|uid| self.group_of(*uid).is_none()),
                    Some(_) => None,
                };
                self.add_group(&user.name, fixed, Some(uid), style, ids)?
            }
        };
        if user.uid.is_none() {
            ids.users.insert(user.name.clone(), uid);
        }
        if style.makes_shadow() {
            self.shadow.get_or_insert_default();
        }
        let password = match self.shadow {
            Some(_) => "x",
            None => style.password(),
        };
        self.passwd.push(vec![
            user.name.clone(),
            password.to_owned(),
            uid.to_string(),
            gid.to_string(),
            user.comment.clone(),
            user.home.clone(),
            user.shell.clone(),
        ]);
        if let Some(shadow) = &mut self.shadow
            && find(shadow, &user.name).is_none()
        {
            let day = epoch.div_euclid(DAY).to_string();
            let expires = style.expires();
            let row = [
                &user.name,
                style.password(),
                &day,
                "",
                "",
                "",
                "",
                expires,
                "",
            ];
            shadow.push(row.map(str::to_owned).to_vec());
        }
        Ok(uid)
    }

    /// Makes a user a member of a group; false when there is no such group.
    pub(super) fn add_member(&mut self, user: &str, group: &str) -> bool {
        let add = |rows: &mut Vec<Row>| {
            let row = rows
                .iter_mut()
                .find(|row| row.len() == 4 && row.first().is_some_and(|name| name == group));
            let Some(members) = row.and_then(|row| row.last_mut()) else {
                return false;
            };
            if !members.split(',').any(|member| member == user) {
                if !members.is_empty() {
                    members.push(',');
                }
                members.push_str(user);
            }
            true
        };
        if let Some(gshadow) = &mut self.gshadow {
            add(gshadow);
        }
        add(&mut self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534::/:/nologin\n";
    const GROUP: &str = "root:*:0:\nusers:*:100:\nnogroup:*:65534:\n";

    fn user(name: &str) -> NewUser {
        NewUser {
            name: name.to_owned(),
            home: "/run/x".to_owned(),
            shell: "/usr/sbin/nologin".to_owned(),
            ..NewUser::default()
        }
    }

    #[test]
    fn a_new_user_gets_the_lowest_free_id_and_its_group_the_same() {
        let mut accounts = Accounts::parse(PASSWD, GROUP, None, None);
        let mut ids = Ids::default();
        let uid = accounts
            .add_user(&user("sshd"), Style::Useradd, 0, &mut ids)
            .expect("added");
        assert_eq!(uid, 101, "100 is the group users");
        assert_eq!(accounts.gid("sshd"), Some(101));
        assert_eq!(ids.users["sshd"], 101);
        assert!(
            accounts
                .passwd()
                .ends_with("sshd:!:101:101::/run/x:/usr/sbin/nologin\n")
        );
    }

    #[test]
    fn an_id_of_the_lock_is_kept() {
        let mut accounts = Accounts::parse(PASSWD, GROUP, None, None);
        let mut ids = Ids::default();
        ids.users.insert("sshd".to_owned(), 150);
        ids.groups.insert("sshd".to_owned(), 151);
        accounts
            .add_user(&user("sshd"), Style::Useradd, 0, &mut ids)
            .expect("added");
        assert_eq!(
            (accounts.uid("sshd"), accounts.gid("sshd")),
            (Some(150), Some(151))
        );
        accounts
            .add_user(&user("other"), Style::Useradd, 0, &mut ids)
            .expect("added");
        assert_eq!(accounts.uid("other"), Some(101));
    }

    #[test]
    fn adding_twice_changes_nothing() {
        let mut accounts = Accounts::parse(PASSWD, GROUP, Some(""), Some(""));
        let mut ids = Ids::default();
        let add = |accounts: &mut Accounts, ids: &mut Ids| {
            accounts
                .add_user(&user("a"), Style::Useradd, 0, ids)
                .expect("added");
            assert!(accounts.add_member("a", "users"));
        };
        add(&mut accounts, &mut ids);
        let once = accounts.clone();
        add(&mut accounts, &mut ids);
        assert_eq!(accounts, once);
    }

    #[test]
    fn passwords_move_into_the_shadow_files() {
        let mut accounts = Accounts::parse(PASSWD, GROUP, None, None);
        let definitions = "#\nPASS_MAX_DAYS\t99999\nPASS_MIN_DAYS 0\nPASS_WARN_AGE 7\n";
        let newer = Ages::parse(definitions, Some("1:4.20.3-1"));
        let mut without = accounts.clone();
        without.shadow_passwords(20_780 * DAY + 5, &newer);
        let shadow = without.shadow().expect("a shadow file");
        assert!(shadow.starts_with("root:*:20780::99999:7:::\n"), "{shadow}");
        for older in [None, Some("1:4.17.4-2"), Some("1:4.19.3-2"), Some("odd")] {
            let ages = Ages::parse(definitions, older);
            assert_ne!(ages, newer, "{older:?}");
        }
        let ages = Ages::parse(definitions, Some("1:4.17.4-2"));
        accounts.shadow_passwords(20_780 * DAY + 5, &ages);
        assert!(accounts.passwd().starts_with("root:x:0:0:"));
        let shadow = accounts.shadow().expect("a shadow file");
        assert!(
            shadow.starts_with("root:*:20780:0:99999:7:::\n"),
            "{shadow}"
        );
        assert!(accounts.gshadow().expect("one").starts_with("root:*::\n"));
        let uid = accounts.add_user(
            &user("messagebus"),
            Style::Sysusers { locked: true },
            20_780 * DAY,
            &mut Ids::default(),
        );
        assert_eq!(uid.expect("added"), 101);
        let shadow = accounts.shadow().expect("a shadow file");
        assert!(shadow.ends_with("messagebus:!*:20780:::::1:\n"), "{shadow}");
    }

    #[test]
    fn what_is_read_is_written_back() {
        let odd = "root:*:0:0:root:/root:/bin/bash\r\n+\n:::\nx:\r\r\n";
        let accounts = Accounts::parse(odd, odd, Some(odd), Some(odd));
        for text in [Some(accounts.passwd()), accounts.shadow()] {
            assert_eq!(text.as_deref(), Some(odd));
        }
        let unended = Accounts::parse("a:b\n\nc:d\r", "", None, None);
        assert_eq!(unended.passwd(), "a:b\nc:d\r\n");
    }

    #[test]
    fn an_id_that_system_calls_read_as_none_is_given_to_nobody() {
        for id in [65_535, 2_147_483_648, u32::MAX] {
            let mut accounts = Accounts::parse(PASSWD, GROUP, None, None);
            let before = accounts.clone();
            let of_lock = Ids {
                users: [("a".to_owned(), id)].into(),
                groups: [("a".to_owned(), id)].into(),
            };
            let fixed = NewUser {
                uid: Some(id),
                ..user("a")
            };
            let in_group = NewUser {
                group: Some(id.to_string()),
                ..user("a")
            };
            for (user, ids) in [
                (&fixed, &Ids::default()),
                (&in_group, &Ids::default()),
                (&user("a"), &of_lock),
            ] {
                let error = accounts.add_user(user, Style::Useradd, 0, &mut ids.clone());
                assert!(matches!(error, Err(ApplyError::Id { .. })), "{error:?}");
            }
            for (fixed, ids) in [(Some(id), &Ids::default()), (None, &of_lock)] {
                let error = accounts.add_group("a", fixed, None, Style::Useradd, &mut ids.clone());
                assert!(matches!(error, Err(ApplyError::Id { .. })), "{error:?}");
            }
            assert_eq!(accounts, before);
        }
    }

    #[test]
    fn refuses_an_id_that_another_has_and_names_that_break_the_file() {
        let mut accounts = Accounts::parse(PASSWD, GROUP, None, None);
        let mut ids = Ids::default();
        let taken = NewUser {
            uid: Some(0),
            ..user("evil")
        };
        let error = accounts.add_user(&taken, Style::Useradd, 0, &mut ids);
        assert!(matches!(error, Err(ApplyError::IdTaken { .. })));
        for name in ["", "a:b", "a\nb", "-a", "0"] {
            let error = accounts.add_user(&user(name), Style::Useradd, 0, &mut ids);
            assert!(matches!(error, Err(ApplyError::Name { .. })), "{name:?}");
        }
        let comment = NewUser {
            comment: "x\nroot2::0:0".to_owned(),
            ..user("fine")
        };
        assert!(
            accounts
                .add_user(&comment, Style::Useradd, 0, &mut ids)
                .is_err()
        );
    }
}
