//! Distributions as data: a new one is a row here, not code elsewhere.

use crate::sources::Source;

/// A distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    /// Its name in a spec.
    pub name: &'static str,
    /// Its releases, the newest first, then those named by their place.
    pub releases: &'static [Release],
}

/// A release of a distribution, by its codename or by its place among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Its name in a spec: a codename such as `trixie`, or a suite such as `stable`.
    pub name: &'static str,
    /// Whether the name is that of a suite, which comes to another codename with the next release.
    pub moves: bool,
    /// Its version as `os-release` gives it, such as `13`; empty when it has none.
    pub version: &'static str,
    /// Where its packages are.
    pub suites: &'static [Suite],
    /// Its components.
    pub components: &'static [&'static str],
    /// The name of its compiled-in keyring.
    pub keyring: &'static str,
    /// The last day of regular support, as year-month-day.
    pub end_of_life: Option<&'static str>,
    /// The last day of long-term support, as year-month-day.
    pub end_of_long_term_support: Option<&'static str>,
}

/// A suite: one `dists/…/InRelease` of one archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// The archive that has it.
    pub archive: &'static str,
    /// Its folder below `dists`, and what its Release file must say: as `Suite` where the release's name
    /// moves, else as `Suite` or `Codename`.
    pub name: &'static str,
    /// Whether packages of it are security updates.
    pub security: bool,
}

/// An archive that several releases share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    /// Its name in specs, locks and environment variables.
    pub name: &'static str,
    /// Its URL when nobody names a nearer one.
    pub default_mirror: &'static str,
    /// Where its former states are kept, as [`crate::Snapshots::At`] has it.
    pub snapshots: &'static str,
}

const fn suite(archive: &'static str, name: &'static str, security: bool) -> Suite {
    Suite {
        archive,
        name,
        security,
    }
}

/// A release with updates and security updates, named by the three suites that it has.
const fn release(
    name: &'static str,
    version: &'static str,
    keyring: &'static str,
    suites: &'static [Suite],
) -> Release {
    Release {
        name,
        moves: false,
        version,
        suites,
        components: COMPONENTS,
        keyring,
        end_of_life: None,
        end_of_long_term_support: None,
    }
}

/// A release that is named by its place among the others.
const fn moving(name: &'static str, keyring: &'static str, suites: &'static [Suite]) -> Release {
    Release {
        moves: true,
        ..release(name, "", keyring, suites)
    }
}

/// The suites of a release.
macro_rules! suites {
    ($name:literal) => {
        &[
            suite("debian", $name, false),
            suite("debian", concat!($name, "-updates"), false),
            suite("debian-security", concat!($name, "-security"), true),
        ]
    };
}

const COMPONENTS: &[&str] = &["main", "contrib", "non-free", "non-free-firmware"];

/// The distributions known.
pub const DISTRIBUTIONS: &[Distribution] = &[Distribution {
    name: "debian",
    releases: &[
        release("sid", "", "sid", &[suite("debian", "sid", false)]),
        release("forky", "", "forky", suites!("forky")),
        Release {
            end_of_life: Some("2028-08-09"),
            end_of_long_term_support: Some("2030-06-30"),
            ..release("trixie", "13", "trixie", suites!("trixie"))
        },
        Release {
            end_of_life: Some("2026-06-10"),
            end_of_long_term_support: Some("2028-06-30"),
            ..release("bookworm", "12", "bookworm", suites!("bookworm"))
        },
        Release {
            components: &["main", "contrib", "non-free"],
            end_of_life: Some("2024-08-14"),
            end_of_long_term_support: Some("2026-08-31"),
            ..release("bullseye", "11", "bullseye", suites!("bullseye"))
        },
        moving("unstable", "sid", &[suite("debian", "unstable", false)]),
        moving("testing", "testing", suites!("testing")),
        moving("stable", "stable", suites!("stable")),
        moving("oldstable", "oldstable", suites!("oldstable")),
    ],
}];

const SNAPSHOTS: &str = "https://snapshot.debian.org/archive/{archive}/{date}";

/// The archives known.
pub const ARCHIVES: &[Archive] = &[
    Archive {
        name: "debian",
        default_mirror: "http://ftp.debian.org/debian",
        snapshots: SNAPSHOTS,
    },
    Archive {
        name: "debian-security",
        default_mirror: "http://security.debian.org/debian-security",
        snapshots: SNAPSHOTS,
    },
];

/// The row of a release.
pub fn find(distribution: &str, name: &str) -> Option<&'static Release> {
    let row = DISTRIBUTIONS.iter().find(|row| row.name == distribution)?;
    row.releases.iter().find(|release| release.name == name)
}

/// Where an archive is when nobody names a nearer mirror.
pub fn default_mirror(archive: &str) -> Option<&'static str> {
    let row = ARCHIVES.iter().find(|row| row.name == archive)?;
    Some(row.default_mirror)
}

/// Where an archive's former states are kept.
pub(crate) fn snapshots(archive: &str) -> Option<&'static str> {
    let row = ARCHIVES.iter().find(|row| row.name == archive)?;
    Some(row.snapshots)
}

/// Which of our archives an apt source is a mirror of. Other archives also end in `/debian`;
/// those have other components or name a keyring of their own.
pub fn archive_of(source: &Source) -> Option<&'static str> {
    let foreign = source
        .signed_by
        .as_ref()
        .is_some_and(|key| !key.contains("debian-archive-"));
    if foreign
        || !source
            .components
            .iter()
            .any(|component| component == "main")
    {
        return None;
    }
    let security = |suite: &String| suite.ends_with("-security") || suite.ends_with("/updates");
    let uri = source.uri.trim_end_matches('/');
    if source.suites.iter().any(security) {
        return uri.contains("security").then_some("debian-security");
    }
    uri.ends_with("/debian").then_some("debian")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_known_by_its_codename_and_by_its_place() {
        let suites = |name: &str| -> Vec<&str> {
            let row = find("debian", name).expect(name);
            row.suites.iter().map(|suite| suite.name).collect()
        };
        assert_eq!(
            suites("trixie"),
            ["trixie", "trixie-updates", "trixie-security"]
        );
        assert_eq!(
            suites("stable"),
            ["stable", "stable-updates", "stable-security"]
        );
        assert_eq!(suites("unstable"), ["unstable"]);
        for name in ["testing", "stable", "oldstable", "unstable"] {
            assert!(find("debian", name).is_some_and(|row| row.moves), "{name}");
        }
        for name in ["sid", "forky", "trixie", "bookworm", "bullseye"] {
            assert!(find("debian", name).is_some_and(|row| !row.moves), "{name}");
        }
        assert_eq!(find("debian", "experimental"), None);
    }
}
