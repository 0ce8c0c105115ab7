//! Distributions as data: a new one is a row here, not code elsewhere.

use crate::sources::Source;

/// A distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    /// Its name in a spec.
    pub name: &'static str,
    /// Its releases, the newest first.
    pub releases: &'static [Release],
}

/// A release of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Its name in a spec, such as `trixie`.
    pub codename: &'static str,
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
    /// Its folder below `dists`.
    pub name: &'static str,
    /// What its Release file must say as `Codename`.
    pub codename: &'static str,
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
        codename: name,
        security,
    }
}

const COMPONENTS: &[&str] = &["main", "contrib", "non-free", "non-free-firmware"];

/// The distributions known.
pub const DISTRIBUTIONS: &[Distribution] = &[Distribution {
    name: "debian",
    releases: &[
        Release {
            codename: "sid",
            version: "",
            suites: &[suite("debian", "sid", false)],
            components: COMPONENTS,
            keyring: "sid",
            end_of_life: None,
            end_of_long_term_support: None,
        },
        Release {
            codename: "trixie",
            version: "13",
            suites: &[
                suite("debian", "trixie", false),
                suite("debian", "trixie-updates", false),
                suite("debian-security", "trixie-security", true),
            ],
            components: COMPONENTS,
            keyring: "trixie",
            end_of_life: Some("2028-08-09"),
            end_of_long_term_support: Some("2030-06-30"),
        },
        Release {
            codename: "bookworm",
            version: "12",
            suites: &[
                suite("debian", "bookworm", false),
                suite("debian", "bookworm-updates", false),
                suite("debian-security", "bookworm-security", true),
            ],
            components: COMPONENTS,
            keyring: "bookworm",
            end_of_life: Some("2026-06-10"),
            end_of_long_term_support: Some("2028-06-30"),
        },
        Release {
            codename: "bullseye",
            version: "11",
            suites: &[
                suite("debian", "bullseye", false),
                suite("debian", "bullseye-updates", false),
                suite("debian-security", "bullseye-security", true),
            ],
            components: &["main", "contrib", "non-free"],
            keyring: "bullseye",
            end_of_life: Some("2024-08-14"),
            end_of_long_term_support: Some("2026-08-31"),
        },
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
pub fn find(distribution: &str, codename: &str) -> Option<&'static Release> {
    let row = DISTRIBUTIONS.iter().find(|row| row.name == distribution)?;
    row.releases
        .iter()
        .find(|release| release.codename == codename)
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
