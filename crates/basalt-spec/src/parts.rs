//! The parts of a spec that have parts of their own.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::checked::{
    self, Absolute, Account, Architecture, ArchiveName, ArchiveUrl, Component, Field, FileName,
    KeptLocale, Owner, Release, SliceName, Suite, wrong,
};
use crate::values::{Mode, Size, applies};

/// An archive besides the distribution's own: a PPA, a company's archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExtraArchive {
    /// What it is called, here and in the lock.
    #[serde(deserialize_with = "checked::one::<_, ArchiveName>")]
    pub name: String,
    /// Where it is, unless `--mirror` or the environment says so; without a user name, password or token, which `--mirror`,
    /// the environment, `~/.netrc` and apt's `auth.conf` may have.
    #[serde(default, deserialize_with = "checked::option::<_, ArchiveUrl>")]
    pub url: Option<String>,
    /// The suite to take from it; one that ends in a slash (`./`, `path/`) names the folder of a flat repository.
    #[serde(deserialize_with = "checked::one::<_, Suite>")]
    pub suite: String,
    /// Its components (default: `main`); a flat repository has none.
    #[serde(default, deserialize_with = "checked::list::<_, Component>")]
    #[schemars(default = "main_component")]
    pub components: Vec<String>,
    /// What its Release file must say as `Suite`, where it calls itself neither by suite nor by codename what
    /// `suite` says; `""`: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_suite: Option<String>,
    /// What it must say as `Codename`, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_codename: Option<String>,
    /// The keyring that must have signed it: a local file, armored or binary.
    pub keyring: String,
    /// Higher goes first when the same version is in several archives; the distribution's own have 500.
    #[serde(default = "archive_priority")]
    pub priority: i32,
}

fn main_component() -> Vec<String> {
    vec!["main".to_owned()]
}

impl ExtraArchive {
    /// Whether it is a flat repository: a folder that holds the `Release` file and the index, without
    /// components (sources.list(5)).
    pub fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }
}

/// Archives, with the components that they have when none are named.
pub(crate) fn archives<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ExtraArchive>, D::Error> {
    struct Whole(ExtraArchive);

    impl<'de> Deserialize<'de> for Whole {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let mut archive = ExtraArchive::deserialize(deserializer)?;
            match (archive.is_flat(), archive.components.is_empty()) {
                (false, true) => archive.components = main_component(),
                (true, false) => {
                    return Err(D::Error::custom(wrong(
                        format_args!(
                            "the archive `{}` is a flat repository (`suite: {}`), which has no components",
                            archive.name, archive.suite
                        ),
                        "leave out `components`, or write the suite without a slash at its end",
                    )));
                }
                _ => {}
            }
            Ok(Self(archive))
        }
    }
    let whole = Vec::<Whole>::deserialize(deserializer)?;
    Ok(whole.into_iter().map(|archive| archive.0).collect())
}

fn archive_priority() -> i32 {
    500
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    /// Login name.
    #[serde(deserialize_with = "checked::one::<_, Account>")]
    pub name: String,
    /// Numeric id; allocated and kept in the lock if not given.
    #[serde(default, deserialize_with = "checked::optional_id")]
    pub uid: Option<u32>,
    /// Numeric id of its own group (default: the same as `uid`).
    #[serde(default, deserialize_with = "checked::optional_id")]
    pub gid: Option<u32>,
    /// Home directory; it is made (default: `/nonexistent`, which is not).
    #[serde(default = "nonexistent")]
    #[serde(deserialize_with = "checked::one::<_, Absolute>")]
    pub home: String,
    /// Login shell.
    #[serde(default = "nologin")]
    #[serde(deserialize_with = "checked::one::<_, Absolute>")]
    pub shell: String,
    /// Comment (the GECOS field).
    #[serde(default)]
    #[serde(deserialize_with = "checked::one::<_, Field>")]
    pub comment: String,
    /// Further groups it is in.
    #[serde(default)]
    #[serde(deserialize_with = "checked::list::<_, Account>")]
    pub groups: Vec<String>,
}

fn nonexistent() -> String {
    "/nonexistent".to_owned()
}

fn nologin() -> String {
    "/usr/sbin/nologin".to_owned()
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// Its name.
    #[serde(deserialize_with = "checked::one::<_, Account>")]
    pub name: String,
    /// Numeric id; allocated and kept in the lock if not given.
    #[serde(default, deserialize_with = "checked::optional_id")]
    pub gid: Option<u32>,
    /// Users that are in it.
    #[serde(default)]
    #[serde(deserialize_with = "checked::list::<_, Account>")]
    pub members: Vec<String>,
}

/// A path that the spec makes: exactly one of `content`, `source`, `directory`, `link`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileSpec {
    /// Where, absolute.
    #[serde(deserialize_with = "checked::one::<_, Absolute>")]
    pub path: String,
    /// The file's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// A local file, relative to the spec; its digest is pinned in the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Makes a directory.
    #[serde(default)]
    pub directory: bool,
    /// Makes a symbolic link to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Permission bits (default: `"0644"` for files, `"0755"` for directories).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Owner, by name or number (default: root).
    #[serde(default = "root")]
    #[serde(deserialize_with = "checked::one::<_, Owner>")]
    pub user: String,
    /// Group, by name or number (default: root).
    #[serde(default = "root")]
    #[serde(deserialize_with = "checked::one::<_, Owner>")]
    pub group: String,
    /// Only for these architectures.
    #[serde(default)]
    #[serde(deserialize_with = "checked::list::<_, Architecture>")]
    pub architectures: Vec<String>,
    /// Only in these releases.
    #[serde(default)]
    #[serde(deserialize_with = "checked::list::<_, Release>")]
    pub releases: Vec<String>,
}

fn root() -> String {
    "root".to_owned()
}

impl FileSpec {
    /// Whether it is wanted for an architecture of a release.
    pub fn applies(&self, architecture: &str, release: &str) -> bool {
        applies(&self.architectures, architecture) && applies(&self.releases, release)
    }
}

/// Files, each with exactly one thing that stands at its path.
pub(crate) fn files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FileSpec>, D::Error> {
    struct Whole(FileSpec);

    impl<'de> Deserialize<'de> for Whole {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let file = FileSpec::deserialize(deserializer)?;
            let ways = [
                file.content.is_some(),
                file.source.is_some(),
                file.directory,
                file.link.is_some(),
            ];
            match ways.into_iter().filter(|way| *way).count() {
                1 => Ok(Self(file)),
                count => Err(D::Error::custom(wrong(
                    match count {
                        0 => format!("nothing is said to stand at {}", file.path),
                        _ => format!("more than one thing is said to stand at {}", file.path),
                    },
                    "write one of `content`, `source`, `directory: true`, `link`",
                ))),
            }
        }
    }
    let whole = Vec::<Whole>::deserialize(deserializer)?;
    Ok(whole.into_iter().map(|file| file.0).collect())
}

/// The slices of a package that an image has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(with = "ChoiceForm")]
pub struct SliceChoice {
    /// Their names.
    pub names: Vec<String>,
    /// Only for these architectures; for all when empty.
    pub architectures: Vec<String>,
    /// Only in these releases; in all when empty.
    pub releases: Vec<String>,
}

impl SliceChoice {
    /// Whether it holds for an architecture of a release.
    pub fn applies(&self, architecture: &str, release: &str) -> bool {
        applies(&self.architectures, architecture) && applies(&self.releases, release)
    }
}

/// How slices are chosen: a list of their names, or a mapping with conditions.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum ChoiceForm {
    /// Their names.
    Short(Vec<String>),
    /// A mapping with conditions.
    Long(LongChoice),
}

/// Slices with conditions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LongChoice {
    /// The names of the slices.
    #[serde(deserialize_with = "checked::list::<_, SliceName>")]
    names: Vec<String>,
    /// Only for these architectures.
    #[serde(default, deserialize_with = "checked::list::<_, Architecture>")]
    architectures: Vec<String>,
    /// Only in these releases.
    #[serde(default, deserialize_with = "checked::list::<_, Release>")]
    releases: Vec<String>,
}

impl<'de> Deserialize<'de> for SliceChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfChoice;
        impl<'de> Visitor<'de> for OfChoice {
            type Value = SliceChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of slices, or a mapping with `names:`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<SliceChoice, A::Error> {
                let list = SeqAccessDeserializer::new(list);
                Ok(SliceChoice {
                    names: checked::list::<_, SliceName>(list)?,
                    ..SliceChoice::default()
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SliceChoice, A::Error> {
                let long = LongChoice::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SliceChoice {
                    names: long.names,
                    architectures: long.architectures,
                    releases: long.releases,
                })
            }
        }
        deserializer.deserialize_any(OfChoice)
    }
}

/// Links to one program that acts by the name it is called with, as BusyBox does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Applets {
    /// The program, absolute.
    #[serde(deserialize_with = "checked::one::<_, Absolute>")]
    pub program: String,
    /// The directory of the links.
    #[serde(deserialize_with = "checked::one::<_, Absolute>")]
    pub directory: String,
    /// Their names. One that a package already brings is left to that package.
    #[serde(deserialize_with = "checked::list::<_, FileName>")]
    pub names: Vec<String>,
}

/// Keeps only the part of packages that is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Minimize {
    /// Keeps the files that the roots reach; found when the spec is locked, and pinned in the lock.
    pub reachable: Reachable,
}

/// Which files are reached. All are absolute paths or patterns: `*` within a name, `**` across; a directory stands for all that is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reachable {
    /// Where to begin; each must match something (default: the entrypoint's program).
    #[serde(deserialize_with = "checked::list::<_, Absolute>")]
    pub roots: Vec<String>,
    /// What is kept too where it is there, with what it needs.
    #[serde(deserialize_with = "checked::list::<_, Absolute>")]
    pub keep: Vec<String>,
    /// What is not reached, whoever needs it.
    #[serde(deserialize_with = "checked::list::<_, Absolute>")]
    pub leave_out: Vec<String>,
}

/// What is kept although images do without it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keep {
    /// `/usr/share/doc`. Copyright files are kept either way, with the common licence texts that they name.
    pub documentation: bool,
    /// Manual and info pages.
    pub manuals: bool,
    /// Locales by name (`de`, `pt_BR`); `"*"` for all.
    #[serde(deserialize_with = "checked::list::<_, KeptLocale>")]
    pub locales: Vec<String>,
    /// Files that keep their set-user-ID and set-group-ID bits, absolute.
    #[serde(deserialize_with = "checked::list::<_, Absolute>")]
    pub setuid: Vec<String>,
}

/// The package database that the image carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PackageDatabase {
    /// One record per package in `/var/lib/dpkg/status.d`: what scanners read.
    #[default]
    #[serde(rename = "status.d")]
    StatusD,
    /// The whole of dpkg's database, so that apt and dpkg work in the image.
    #[serde(rename = "full")]
    Full,
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// gzip: every runtime reads it.
    #[default]
    Gzip,
    /// Zstandard: faster, smaller; not for old runtimes.
    Zstd,
    /// gzip, 4 % smaller, for an image that is built once and pulled often: takes some ten times as long.
    GzipSmallest,
    /// Zstandard, 15 % smaller, likewise.
    ZstdSmallest,
}

/// How packages are put into layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Layers {
    /// The most layers, 1 to 100 (default: 10).
    #[serde(deserialize_with = "checked::layers")]
    pub maximum: u32,
}

impl Default for Layers {
    fn default() -> Self {
        Self { maximum: 10 }
    }
}

/// What must hold of the finished image; else the build fails with the path and who brought it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Assertions {
    /// No shell is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_shell: Option<bool>,
    /// No file has set-user-ID or set-group-ID bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_setuid: Option<bool>,
    /// No package manager is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_package_manager: Option<bool>,
    /// It does not run as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_root: Option<bool>,
    /// Its layers have at most so many compressed bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<Size>,
    /// Its layers have at least so many compressed bytes: an empty image is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size: Option<Size>,
    /// Patterns of which each must match a path: `*` within a name, `**` across.
    pub must_contain: Vec<String>,
    /// Patterns that no path may match.
    pub must_not_contain: Vec<String>,
}
