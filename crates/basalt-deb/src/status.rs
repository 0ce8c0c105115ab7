//! dpkg's database of installed packages: the `status` file, and `status.d` as scanners read it.

use crate::stanza::Stanza;

/// A configuration file with the MD5 digest it was installed with, as dpkg records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conffile {
    /// Its path, absolute.
    pub path: String,
    /// The hex digest.
    pub md5: String,
}

/// One line of a `conffiles` member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedConffile {
    /// Its path, absolute.
    pub path: String,
    /// Whether it is to be removed on upgrade: the package has it no more.
    pub remove_on_upgrade: bool,
}

/// What a `conffiles` member lists.
pub fn conffiles(member: &[u8]) -> Vec<ListedConffile> {
    String::from_utf8_lossy(member)
        .lines()
        .map(str::trim_ascii)
        .filter_map(|line| {
            let removed = line.strip_prefix("remove-on-upgrade ");
            let path = removed.unwrap_or(line).trim_ascii_start();
            path.starts_with('/').then(|| ListedConffile {
                path: path.to_owned(),
                remove_on_upgrade: removed.is_some(),
            })
        })
        .collect()
}

/// The lines of a `md5sums` member: digest and path, the path without a leading slash.
pub fn md5sums(member: &[u8]) -> Vec<(String, String)> {
    String::from_utf8_lossy(member)
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, path)| (digest.to_owned(), path.trim_start_matches("./").to_owned()))
        .collect()
}

/// A package's stanza of the `status` file, without a blank line at its end: the control stanza with
/// its status after the name and its configuration files where dpkg writes them.
pub fn installed(control: &str, conffiles: &[Conffile]) -> String {
    let mut text = String::with_capacity(control.len() + 64);
    let mut conffiles_written = conffiles.is_empty();
    let write_conffiles = |text: &mut String| {
        text.push_str("Conffiles:\n");
        for conffile in conffiles {
            text.push_str(&format!(" {} {}\n", conffile.path, conffile.md5));
        }
    };
    for line in control.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("Description:") && !conffiles_written {
            write_conffiles(&mut text);
            conffiles_written = true;
        }
        text.push_str(line);
        text.push('\n');
        if line.starts_with("Package:") {
            text.push_str("Status: install ok installed\n");
        }
    }
    if !conffiles_written {
        write_conffiles(&mut text);
    }
    text
}

/// The name by which dpkg files a package's records: with its architecture if several may be installed.
pub fn record_name(control: &str) -> Option<String> {
    let stanza = Stanza::parse(control).ok()?;
    let name = stanza.get("Package")?.trim_ascii();
    Some(
        match (
            stanza.get("Multi-Arch").map(str::trim_ascii),
            stanza.get("Architecture"),
        ) {
            (Some("same"), Some(architecture)) => format!("{name}:{}", architecture.trim_ascii()),
            _ => name.to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_package_is_recorded_as_dpkg_does() {
        let conffile = Conffile {
            path: "/etc/a".to_owned(),
            md5: "0cc1".to_owned(),
        };
        assert_eq!(
            installed("Package: a\nVersion: 1\nDescription: x\n y\n", &[conffile]),
            "Package: a\nStatus: install ok installed\nVersion: 1\nConffiles:\n /etc/a 0cc1\nDescription: x\n y\n"
        );
        assert_eq!(
            record_name("Package: a\nArchitecture: amd64\nMulti-Arch: same\n").as_deref(),
            Some("a:amd64")
        );
        let listed = conffiles(b"/etc/a\nremove-on-upgrade /etc/b\nx\n");
        let found: Vec<_> = listed
            .iter()
            .map(|one| (one.path.as_str(), one.remove_on_upgrade))
            .collect();
        assert_eq!(found, [("/etc/a", false), ("/etc/b", true)]);
    }
}
