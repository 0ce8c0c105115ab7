//! The account files of the tree: base-passwd's masters, shadow files, users, groups, members.

use basalt_tree::{Attributes, Owner, numeric_id};

use super::accounts::{Accounts, Ages, NewUser, Style};
use super::error::ApplyError;
use super::runs;
use super::static_accounts;
use super::sysusers;
use super::work::{Step, Work, owned};
use crate::effect::{Effect, Writer};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const SHADOW: &str = "/etc/shadow";
const GSHADOW: &str = "/etc/gshadow";

/// Reads the account files; `None` when there is no `/etc/passwd`.
pub(super) fn load(work: &Work<'_>, owner: &Owner) -> Result<Option<Accounts>, ApplyError> {
    let Some(passwd) = work.read_text(PASSWD, owner)? else {
        return Ok(None);
    };
    let group = work.read_text(GROUP, owner)?.unwrap_or_default();
    check_ids(PASSWD, &passwd, &[2, 3])?;
    check_ids(GROUP, &group, &[2])?;
    let shadow = work.read_text(SHADOW, owner)?;
    let gshadow = work.read_text(GSHADOW, owner)?;
    Ok(Some(Accounts::parse(
        &passwd,
        &group,
        shadow.as_deref(),
        gshadow.as_deref(),
    )))
}

/// Refuses an account file that has an id which no account can have in one of these fields.
fn check_ids(path: &str, text: &str, fields: &[usize]) -> Result<(), ApplyError> {
    for (index, line) in text.split('\n').enumerate() {
        for field in fields
            .iter()
            .filter_map(|field| line.split(':').nth(*field))
        {
            numeric_id(field).map_err(|error| ApplyError::Malformed {
                path: path.to_owned(),
                line: index + 1,
                cause: error.to_string(),
            })?;
        }
    }
    Ok(())
}

/// Writes the account files. Shadow files that are there keep their attributes.
fn store(work: &mut Work<'_>, accounts: &Accounts, owner: &Owner) -> Result<(), ApplyError> {
    work.write(PASSWD, accounts.passwd().into_bytes(), 0o644, owner)?;
    work.write(GROUP, accounts.group().into_bytes(), 0o644, owner)?;
    let secret = Attributes {
        mode: Some(0o640),
        uid: Some(0),
        gid: accounts
            .gid("shadow")
            .or_else(|| static_accounts::gid("shadow")),
        ..Attributes::default()
    };
    for (path, text) in [(SHADOW, accounts.shadow()), (GSHADOW, accounts.gshadow())] {
        if let Some(text) = text {
            let is_new = !work.exists(path);
            work.write(path, text.into_bytes(), 0o640, owner)?;
            if is_new {
                work.attributes(path, &secret, owner)?;
            }
        }
    }
    Ok(())
}

/// Applies all effects that are about accounts. Those of sysusers.d come after the scripts' own,
/// members last, so that each finds the groups it names whatever its package is called.
pub(super) fn apply(work: &mut Work<'_>, steps: &[Step<'_>]) -> Result<(), ApplyError> {
    if let Some(package) = runs(steps, Writer::PasswdMaster) {
        masters(work, &owned(package, "passwd master"))?;
    }
    if let Some(package) = runs(steps, Writer::Shadow) {
        let owner = owned(package, "shadow passwords");
        if let Some(mut accounts) = load(work, &owner)? {
            let definitions = work.read_text("/etc/login.defs", &owner)?;
            let passwd = work.context.versions.get("passwd").map(String::as_str);
            let ages = Ages::parse(&definitions.unwrap_or_default(), passwd);
            accounts.shadow_passwords(work.context.epoch, &ages);
            store(work, &accounts, &owner)?;
        }
    }
    for step in steps {
        if let Effect::Group { name, gid } = step.effect {
            let owner = owned(step.package, format!("group {name}"));
            add_group(work, name, *gid, &[], &owner)?;
        }
    }
    for step in steps {
        if let Effect::User {
            name,
            uid,
            group,
            home,
            shell,
            comment,
            make_home,
        } = step.effect
        {
            let owner = owned(step.package, format!("user {name}"));
            let user = NewUser {
                name: name.clone(),
                uid: *uid,
                group: group.clone(),
                comment: comment.clone(),
                home: home.clone(),
                shell: shell.clone(),
            };
            let uid = add_user(work, &user, &owner)?;
            // As adduser, which leaves a home that is there as it is.
            if *make_home && !work.exists(home) {
                let gid = load(work, &owner)?.and_then(|accounts| accounts.primary_gid(name));
                let attributes = Attributes {
                    mode: Some(0o755),
                    uid: Some(uid),
                    gid,
                    ..Attributes::default()
                };
                work.directory(home, &attributes, &owner)?;
            }
        }
    }
    if let Some(package) = runs(steps, Writer::SystemUsers) {
        let owner = owned(package, "system users");
        let mut accounts = load(work, &owner)?.unwrap_or_else(Accounts::minimal);
        sysusers::apply(work, &mut accounts, &owner)?;
        let had = [SHADOW, GSHADOW].map(|path| work.exists(path));
        store(work, &accounts, &owner)?;
        // systemd-sysusers gives those that it makes to nobody but root.
        let closed = Attributes {
            mode: Some(0),
            uid: Some(0),
            gid: Some(0),
            ..Attributes::default()
        };
        for (path, had) in [SHADOW, GSHADOW].into_iter().zip(had) {
            if !had && work.exists(path) {
                work.attributes(path, &closed, &owner)?;
            }
        }
    }
    for step in steps {
        if let Effect::Member { user, group } = step.effect {
            let owner = owned(step.package, format!("member {user} of {group}"));
            add_members(work, group, std::slice::from_ref(user), &owner)?;
        }
    }
    Ok(())
}

/// base-passwd's first configuration: its masters copied where nothing is yet, empty files of
/// subordinate ids.
fn masters(work: &mut Work<'_>, owner: &Owner) -> Result<(), ApplyError> {
    for (path, master) in [(PASSWD, "passwd.master"), (GROUP, "group.master")] {
        if work.exists(path) {
            continue;
        }
        let from = format!("/usr/share/base-passwd/{master}");
        let Some(bytes) = work.read(&from, owner)? else {
            return Err(ApplyError::Malformed {
                path: from,
                line: 0,
                cause: format!("it is not in the image, so {path} cannot be made"),
            });
        };
        work.write(path, bytes, 0o644, owner)?;
    }
    for path in ["/etc/subuid", "/etc/subgid"] {
        if !work.exists(path) {
            work.write(path, Vec::new(), 0o644, owner)?;
        }
    }
    Ok(())
}

/// Adds a user to the tree's account files; see [`super::add_user`].
pub(super) fn add_user(
    work: &mut Work<'_>,
    user: &NewUser,
    owner: &Owner,
) -> Result<u32, ApplyError> {
    if let Some(group) = &user.group {
        allotted_group(work, group, owner)?;
    }
    let mut accounts = load(work, owner)?.unwrap_or_else(Accounts::minimal);
    let epoch = work.context.epoch;
    let uid = accounts.add_user(user, Style::Useradd, epoch, &mut work.context.ids)?;
    store(work, &accounts, owner)?;
    Ok(uid)
}

/// Adds a group to the tree's account files; see [`super::add_group`].
pub(super) fn add_group(
    work: &mut Work<'_>,
    name: &str,
    gid: Option<u32>,
    members: &[String],
    owner: &Owner,
) -> Result<u32, ApplyError> {
    let mut accounts = load(work, owner)?.unwrap_or_else(Accounts::minimal);
    let open = accounts.gid(name).is_none() && !work.context.ids.groups.contains_key(name);
    let gid = gid.or_else(|| static_accounts::gid(name).filter(|_| open));
    let gid = accounts.add_group(name, gid, None, Style::Useradd, &mut work.context.ids)?;
    store(work, &accounts, owner)?;
    add_members(work, name, members, owner)?;
    Ok(gid)
}

fn add_members(
    work: &mut Work<'_>,
    group: &str,
    members: &[String],
    owner: &Owner,
) -> Result<(), ApplyError> {
    if members.is_empty() {
        return Ok(());
    }
    let mut accounts = load(work, owner)?.unwrap_or_else(Accounts::minimal);
    for user in members {
        if accounts.uid(user).is_none() {
            return Err(unknown(owner, "user", user));
        }
        if !accounts.add_member(user, group) {
            return Err(unknown(owner, "group", group));
        }
    }
    store(work, &accounts, owner)
}

/// The uid of a user that an effect names, by name or number. One whose id Debian allots is added
/// when the image lacks it.
pub(super) fn uid(work: &mut Work<'_>, name: &str, owner: &Owner) -> Result<u32, ApplyError> {
    if let Some(uid) = known(work, name, owner, Accounts::uid)? {
        return Ok(uid);
    }
    match static_accounts::user(name) {
        Some(user) => add_user(work, &user, owner),
        None => Err(unknown(owner, "user", name)),
    }
}

/// The gid of a group that an effect names, by name or number. One whose id Debian allots is added
/// when the image lacks it.
pub(super) fn gid(work: &mut Work<'_>, name: &str, owner: &Owner) -> Result<u32, ApplyError> {
    allotted_group(work, name, owner)?;
    known(work, name, owner, Accounts::gid)?.ok_or_else(|| unknown(owner, "group", name))
}

/// Adds a group whose id Debian allots, if the image lacks it.
fn allotted_group(work: &mut Work<'_>, name: &str, owner: &Owner) -> Result<(), ApplyError> {
    match static_accounts::gid(name) {
        Some(gid) if known(work, name, owner, Accounts::gid)?.is_none() => {
            add_group(work, name, Some(gid), &[], owner).map(drop)
        }
        _ => Ok(()),
    }
}

fn known(
    work: &Work<'_>,
    name: &str,
    owner: &Owner,
    find: impl Fn(&Accounts, &str) -> Option<u32>,
) -> Result<Option<u32>, ApplyError> {
    if name == "root" {
        return Ok(Some(0));
    }
    let number = numeric_id(name).map_err(|cause| ApplyError::Owner {
        wanted_by: owner.to_string(),
        cause,
    })?;
    if number.is_some() {
        return Ok(number);
    }
    Ok(load(work, owner)?.and_then(|accounts| find(&accounts, name)))
}

fn unknown(owner: &Owner, what: &'static str, name: &str) -> ApplyError {
    ApplyError::Unknown {
        wanted_by: owner.to_string(),
        what,
        name: name.to_owned(),
    }
}
