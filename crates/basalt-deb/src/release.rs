//! `Release` files: what an archive says about one of its suites (Debian's repository format).

use std::collections::BTreeMap;

use basalt_digest::{Digest, DigestError, Promise, Sha512};

use crate::path;
use crate::stanza::{Field, Stanza, StanzaError};

/// The most files taken from one `Release`.
pub const MAXIMUM_FILES: usize = 100_000;

/// A file that a `Release` vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Its length in bytes.
    pub size: u64,
    /// Its digests: all strong ones that the `Release` gives.
    pub digest: Promise,
}

impl ReleaseFile {
    /// What this and another entry promise together; `None` where they contradict each other.
    fn joined(&self, other: &Self) -> Option<Self> {
        fn either<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<Option<T>> {
            match (one, other) {
                (Some(one), Some(other)) if one != other => None,
                (one, other) => Some(one.or(other)),
            }
        }
        let (one, other) = match self.size == other.size {
            true => (self.digest, other.digest),
            false => return None,
        };
        let digest = Promise::of(
            either(one.sha256(), other.sha256())?,
            either(one.sha512(), other.sha512())?,
        )?;
        Some(Self {
            size: self.size,
            digest,
        })
    }
}

/// What a `Release` file says. Texts the archive leaves out are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Who made the archive, such as `Debian`.
    pub origin: String,
    /// What it is called, such as `Debian-Security`.
    pub label: String,
    /// The suite, such as `stable`.
    pub suite: String,
    /// The codename, such as `trixie`.
    pub codename: String,
    /// The release's number, such as `13.2`.
    pub version: Option<String>,
    /// When it was made, in seconds since 1970.
    pub date: i64,
    /// Until when it may be used, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// The architectures there are indexes for.
    pub architectures: Vec<String>,
    /// The components, such as `main`.
    pub components: Vec<String>,
    /// Whether indexes can be had by their digest.
    pub acquire_by_hash: bool,
    /// Whether packages of architecture `all` are in an index of their own only for
    /// `No-Support-for-Architecture-all: Packages`: each `binary-ARCH` index then holds them too.
    pub no_support_for_architecture_all: bool,
    /// The files, by path relative to the `Release`.
    pub files: BTreeMap<String, ReleaseFile>,
}

/// A `Release` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// It is not one stanza.
    #[error("the Release file is malformed: {0}")]
    Stanza(#[from] StanzaError),
    /// A field it must have is not there.
    #[error("the Release file lacks the field `{0}`")]
    Lacks(&'static str),
    /// It vouches for its files by digests alone that can be forged, or by none.
    #[error(
        "the Release file has neither `SHA256` nor `SHA512`{}; the archive must be made anew with one of them",
        weaker(.0)
    )]
    WeakDigests(Vec<&'static str>),
    /// A field makes no sense.
    #[error("line {line} of the Release file has a bad `{field}`: {cause}")]
    Field {
        /// The line.
        line: usize,
        /// The field.
        field: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl Release {
    /// Parses the text of a `Release` file, without the signature around it.
    ///
    /// Of the file lists `SHA256` and `SHA512` are read, and a file is promised by all that name it; weaker digests are
    /// passed over.
    ///
    /// # Errors
    /// When it is not one stanza, lacks `Date` or both `SHA256` and `SHA512`, a date cannot be read, or
    /// a line of the file list is malformed, leads out of the archive, or contradicts another.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let stanza = Stanza::parse(text)?;
        let text_of = |name| stanza.get(name).unwrap_or_default().to_owned();
        let words = |name| {
            stanza
                .get(name)
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect()
        };
        let date_of = |name| {
            stanza
                .field(name)
                .map(|field| parse_date(field.value).map_err(|cause| bad(field, 0, cause)))
                .transpose()
        };
        let (sha256, sha512) = (stanza.field("SHA256"), stanza.field("SHA512"));
        if sha256.is_none() && sha512.is_none() {
            let weak = ["MD5Sum", "SHA1"].into_iter();
            let weak = weak.filter(|name| stanza.field(name).is_some());
            return Err(ReleaseError::WeakDigests(weak.collect()));
        }
        let mut files = BTreeMap::new();
        if let Some(list) = sha256 {
            add_files(&mut files, list, |hex| {
                Digest::from_hex(hex).map(Promise::from)
            })?;
        }
        if let Some(list) = sha512 {
            add_files(&mut files, list, |hex| {
                Sha512::from_hex(hex).map(Promise::from)
            })?;
        }
        Ok(Self {
            origin: text_of("Origin"),
            label: text_of("Label"),
            suite: text_of("Suite"),
            codename: text_of("Codename"),
            version: stanza.get("Version").map(str::to_owned),
            date: date_of("Date")?.ok_or(ReleaseError::Lacks("Date"))?,
            valid_until: date_of("Valid-Until")?,
            architectures: words("Architectures"),
            components: words("Components"),
            acquire_by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
            no_support_for_architecture_all: stanza
                .get("No-Support-for-Architecture-all")
                .is_some_and(|value| value.eq_ignore_ascii_case("Packages")),
            files,
        })
    }
}

fn bad(field: &Field<'_>, below: usize, cause: impl Into<String>) -> ReleaseError {
    ReleaseError::Field {
        line: field.line + below,
        field: field.name.to_owned(),
        cause: cause.into(),
    }
}

/// What the digests say that there are in place of good ones.
fn weaker(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        names => format!(
            ", only {}, which can be forged",
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(" and ")
        ),
    }
}

/// Adds the files of a list to those of other lists.
fn add_files(
    files: &mut BTreeMap<String, ReleaseFile>,
    list: &Field<'_>,
    parse_digest: impl Fn(&str) -> Result<Promise, DigestError>,
) -> Result<(), ReleaseError> {
    for (below, line) in list
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
    {
        // The value has lost the line break after the name, so its first line is the second one.
        let below = below + 1;
        let mut words = line.split_ascii_whitespace();
        let (Some(digest), Some(size), Some(path), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(bad(list, below, "a line must have digest, size and path"));
        };
        let digest = parse_digest(digest).map_err(|error| bad(list, below, error.to_string()))?;
        let size = size
            .parse()
            .map_err(|_| bad(list, below, "the size is not a number"))?;
        let path = path::normal(path).map_err(|cause| bad(list, below, cause))?;
        let file = ReleaseFile { size, digest };
        let joined = match files.get(&path) {
            None => file,
            Some(former) => former.joined(&file).ok_or_else(|| {
                let cause = format!("`{path}` stands there twice with different digests or sizes");
                bad(list, below, cause)
            })?,
        };
        files.insert(path, joined);
        if files.len() > MAXIMUM_FILES {
            return Err(bad(list, below, "it lists more than 100 000 files"));
        }
    }
    Ok(())
}

/// Parses a date such as `Sat, 21 Nov 2026 09:15:44 UTC` into seconds since 1970.
///
/// The zone may be `UTC`, `GMT`, `Z` or an offset such as `+0000`; the day of the week may be left out
/// and is not checked.
///
/// # Errors
/// When it is not such a date between the years 1970 and 9999.
pub fn parse_date(text: &str) -> Result<i64, String> {
    read_date(text).ok_or_else(|| {
        let shown: String = text.chars().take(100).collect();
        format!("`{shown}` is not a date such as `Sat, 21 Nov 2026 09:15:44 UTC`")
    })
}

fn read_date(text: &str) -> Option<i64> {
    let text = match text.split_once(',') {
        Some((_, after)) => after,
        None => text,
    };
    let mut words = text.split_ascii_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let (time, zone) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))? as i64
        + 1;
    let year = digits(year, 4..=4)?;
    let day = digits(day, 1..=2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year < 1970 || day < 1 || day > days_in_month {
        return None;
    }
    let mut clock = time.split(':').map(|part| digits(part, 1..=2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = match zone {
        "UTC" | "GMT" | "UT" | "Z" => 0,
        _ => {
            let sign = match zone.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let number = digits(&zone[1..], 4..=4)?;
            if number / 100 > 23 || number % 100 > 59 {
                return None;
            }
            sign * (number / 100 * 3600 + number % 100 * 60)
        }
    };
    // Days since 1970, with years beginning in March so that the leap day comes last.
    let (shifted_year, shifted_month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * shifted_year + shifted_year / 4 - shifted_year / 100
        + shifted_year / 400
        + (153 * shifted_month + 2) / 5
        + day
        - 1
        - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// A number of so many digits and nothing else.
fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<i64> {
    (length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Debian\nLabel: Debian\nSuite: stable\nVersion: 13.2\nCodename: trixie\n\
Date: Sat, 15 Nov 2025 09:15:44 UTC\nValid-Until: Sat, 22 Nov 2025 09:15:44 UTC\nAcquire-By-Hash: yes\n\
No-Support-for-Architecture-all: Packages\nArchitectures: all amd64 arm64\nComponents: main contrib\n\
MD5Sum:\n 0123 1 main/x\nSHA256:\n \
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages\n";

    #[test]
    fn reads_what_debian_writes() {
        let release = Release::parse(TEXT).expect("a Release");
        assert_eq!(release.codename, "trixie");
        assert_eq!(release.suite, "stable");
        assert_eq!(release.version.as_deref(), Some("13.2"));
        assert_eq!(release.date, 1_763_198_144);
        assert_eq!(release.valid_until, Some(1_763_198_144 + 7 * 86_400));
        assert!(release.acquire_by_hash && release.no_support_for_architecture_all);
        assert_eq!(release.architectures, ["all", "amd64", "arm64"]);
        assert_eq!(
            release.files["main/binary-amd64/Packages"].digest,
            Digest::of(b"").into()
        );
    }

    #[test]
    fn dates_are_seconds_since_1970() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0),
            ("1 Jan 1970 01:00:00 +0100", 0),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Fri, 31 Dec 9999 23:59:59 UTC", 253_402_300_799),
        ] {
            assert_eq!(parse_date(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "Thu, 29 Feb 2023 12:00:00 UTC",
            "Thu, 01 Jan 1970 24:00:00 UTC",
            "Thu, 01 Jan 1970 00:00:00 PST",
            "Thu, 1 Foo 1970 00:00:00 UTC",
            "Thu, 1 Jan 1969 00:00:00 UTC",
            "1 Jan 1970 00:00:00 +é00",
        ] {
            assert!(parse_date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_a_release_without_strong_digests_or_date() {
        let without = |field: &str| TEXT.replace(field, "X-Not");
        let error = Release::parse(&without("SHA256")).expect_err("MD5 alone");
        assert_eq!(error, ReleaseError::WeakDigests(vec!["MD5Sum"]));
        assert!(
            error
                .to_string()
                .contains("only `MD5Sum`, which can be forged"),
            "{error}"
        );
        assert_eq!(
            Release::parse("Date: Sat, 15 Nov 2025 09:15:44 UTC\n"),
            Err(ReleaseError::WeakDigests(Vec::new()))
        );
        assert_eq!(
            Release::parse(&without("Date")),
            Err(ReleaseError::Lacks("Date"))
        );
    }

    #[test]
    fn a_release_may_vouch_by_sha512_alone() {
        let head = "Date: Sat, 15 Nov 2025 09:15:44 UTC\n";
        let strong = format!("SHA512:\n {} 0 main/x\n", Sha512::of(b"").hex());
        let release = Release::parse(&format!("{head}{strong}")).expect("a Release");
        assert_eq!(release.files["main/x"].digest, Sha512::of(b"").into());
        // Where both are given, both are promised.
        let both = format!(
            "{head}{strong}SHA256:\n {} 0 main/x\n {} 0 main/y\n",
            Digest::of(b"").hex(),
            Digest::of(b"").hex()
        );
        let release = Release::parse(&both).expect("a Release");
        let promised = |path: &str| release.files[path].digest;
        let (sha256, sha512) = (Digest::of(b""), Sha512::of(b""));
        assert_eq!(promised("main/x"), Promise::Both(sha256, sha512));
        assert_eq!(promised("main/y"), sha256.into());
        // They must agree about the size, and each list with itself.
        let sizes = both.replace(" 0 main/x\nSHA256", " 1 main/x\nSHA256");
        let error = Release::parse(&sizes).expect_err("two sizes").to_string();
        assert!(error.contains("digests or sizes"), "{error}");
        let twice = format!("{both}SHA1:\n").replace(
            "SHA256:",
            &format!(" {} 0 main/x\nSHA256:", Sha512::of(b"x").hex()),
        );
        let error = Release::parse(&twice).expect_err("two digests").to_string();
        assert!(error.contains("different digests"), "{error}");
        // A short digest is not taken for the other one.
        let wrong = format!("{head}SHA512:\n {} 0 main/x\n", Digest::of(b"").hex());
        assert!(Release::parse(&wrong).is_err());
    }

    #[test]
    fn paths_that_are_not_normal_are_made_so() {
        for path in [
            "./main/binary-amd64/x",
            "main//binary-amd64/x",
            "main/./binary-amd64/x",
        ] {
            let release = Release::parse(&TEXT.replace("main/binary-amd64/Packages", path));
            let release = release.expect(path);
            assert!(release.files.contains_key("main/binary-amd64/x"), "{path}");
        }
    }

    #[test]
    fn refuses_paths_that_leave_the_archive_and_contradictions() {
        for path in ["../x", "/etc/passwd", "a/../../b", "a/..", "a/", "."] {
            assert!(
                Release::parse(&TEXT.replace("main/binary-amd64/Packages", path)).is_err(),
                "{path}"
            );
        }
        for path in ["main/binary-amd64/Packages", "./main/binary-amd64/Packages"] {
            let twice = format!("{TEXT} {} 1 {path}\n", Digest::of(b"x").hex());
            let error = Release::parse(&twice).expect_err("a contradiction");
            assert!(error.to_string().contains("line 16"), "{error}");
        }
    }
}
