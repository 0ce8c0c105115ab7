//! `setcap`: capabilities of a program, in the extended attribute that the kernel reads.

use basalt_tree::Attributes;

use super::error::ApplyError;
use super::work::{Work, failed, owned, place};

/// The attribute.
const ATTRIBUTE: &str = "security.capability";

/// The second revision of its form, with the flag that what is permitted is effective too.
const REVISION_2_EFFECTIVE: u32 = 0x0200_0001;

/// All capabilities, each at the place of its number (capabilities(7)).
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// Gives the file these capabilities and no others.
pub(super) fn apply(
    work: &mut Work<'_>,
    package: &str,
    path: &str,
    permitted: &[String],
) -> Result<(), ApplyError> {
    let owner = owned(package, "capabilities");
    if work.context.partial.contains(package) && !work.exists(path) {
        return Ok(());
    }
    let value = encoded(permitted).map_err(|cause| ApplyError::Malformed {
        path: path.to_owned(),
        line: 0,
        cause,
    })?;
    let (_, file) = work
        .tree
        .file(&place(path, &owner)?)
        .map_err(|cause| failed(&owner, cause))?;
    let mut xattrs = file.entry.xattrs.clone();
    xattrs.insert(ATTRIBUTE.to_owned(), value);
    let attributes = Attributes {
        xattrs: Some(xattrs),
        ..Attributes::default()
    };
    work.attributes(path, &attributes, &owner)
}

/// The attribute's value: words of 32 bits, the lowest byte first. What is permitted stands in the second and the fourth,
/// what is inherited, which is nothing, in the third and the fifth.
fn encoded(permitted: &[String]) -> Result<Vec<u8>, String> {
    let mut bits = 0_u64;
    for name in permitted {
        let number = NAMES
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| format!("there is no capability `{name}`"))?;
        bits |= 1 << number;
    }
    let mut value = REVISION_2_EFFECTIVE.to_le_bytes().to_vec();
    let bits = bits.to_le_bytes();
    for half in bits.chunks(4) {
        value.extend_from_slice(half);
        value.extend_from_slice(&[0; 4]);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_written_as_setcap_writes_them() {
        let names = ["cap_sys_nice", "cap_net_bind_service", "cap_net_admin"];
        let names: Vec<String> = names.map(str::to_owned).to_vec();
        let value = encoded(&names).expect("they are known");
        // What setcap leaves for these three: getfattr --name=security.capability --encoding=hex.
        let expected = [
            1, 0, 0, 2, 0, 0x14, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(value, expected);
    }

    #[test]
    fn the_last_capability_stands_in_the_upper_half() {
        let value = encoded(&["cap_checkpoint_restore".to_owned()]).expect("it is known");
        assert_eq!(value[12..16], [0, 1, 0, 0]);
        assert_eq!(value[4..8], [0; 4]);
    }

    #[test]
    fn an_unknown_capability_is_an_error() {
        let error = encoded(&["cap_everything".to_owned()]).expect_err("there is none");
        assert!(error.contains("cap_everything"));
    }
}
