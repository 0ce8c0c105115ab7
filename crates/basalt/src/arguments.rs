//! Arguments that more than one command takes.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use basalt_oci::Platform;
use clap::{Args, Parser, ValueEnum};

use crate::commands::Command;

/// Exit codes, shown under `--help`.
const EXIT_CODES: &str = "\
Exit codes:
    0  all is well
    1  something failed
    2  the command line is wrong
    3  the image spec or the lock is wrong
    4  what came is not to be trusted: signature, digest, date, or a package made to harm
    5  no set of packages meets the wishes
    6  a maintainer script is not explained
    7  an assertion of the spec does not hold
    8  differences were found
    9  a mirror or registry cannot be reached or does not deliver
   10  a rule of `verify` is not met
  129  the terminal was closed
  130  interrupted (Ctrl-C)
  143  ended by SIGTERM";

/// Hardened, minimal, reproducible container base images from signed packages.
#[derive(Debug, Parser)]
#[command(
    name = "basalt",
    version,
    about,
    after_help = EXIT_CODES,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalArguments,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct GlobalArguments {
    /// Show no progress and no summary, only errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Write one JSON document to the standard output at the end
    #[arg(long, global = true)]
    pub json: bool,
    /// The cache folder
    ///
    /// Default: `basalt` in the user's cache folder.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "BASALT_CACHE",
        hide_env_values = true
    )]
    pub cache: Option<PathBuf>,
}

/// Which images, and where packages come from.
#[derive(Debug, Clone, Args)]
pub struct SourceArguments {
    /// The image spec
    #[arg(value_name = "SPEC")]
    pub spec: PathBuf,
    /// Release of the distribution, in place of the spec's (`bookworm`)
    #[arg(long, value_name = "NAME")]
    pub release: Option<String>,
    /// Where packages come from.
    #[command(flatten)]
    pub archives: ArchiveArguments,
}

/// Where packages come from, and how they are fetched.
#[derive(Debug, Clone, Args)]
pub struct ArchiveArguments {
    /// Use no network: the cache and the vendor folder must hold everything
    #[arg(long)]
    pub offline: bool,
    /// Mirror of an archive; may repeat
    #[arg(long, value_name = "ARCHIVE=URL")]
    pub mirror: Vec<String>,
    /// Seconds that a mirror may be silent or slower than 1 kB/s [default: 30, 15 to connect]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "BASALT_TIMEOUT",
        hide_env_values = true,
        value_parser = clap::value_parser!(u16).range(1..=3600)
    )]
    pub timeout: Option<u16>,
    /// Folder made by `basalt vendor`; looked into before the network
    #[arg(long, value_name = "DIR")]
    pub vendor: Option<PathBuf>,
    /// Look for packages that no mirror has any more among the archive's former states: the
    /// distribution's, or those at a URL with {archive} and {date} in it
    #[arg(
        long,
        value_name = "URL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    pub snapshots: Option<String>,
    /// The moment that is judged by.
    #[command(flatten)]
    pub clock: ClockArguments,
    /// Threads [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Our certificate, with its chain (PEM), for mirrors that want one
    ///
    /// It is shown to the mirrors' own hosts, not to those that they redirect to. One host's own is found in
    /// ~/.config/basalt/certs.d/HOST[:PORT]/NAME.cert, its key in NAME.key.
    #[arg(
        long,
        value_name = "FILE",
        env = "BASALT_CLIENT_CERT",
        hide_env_values = true
    )]
    pub client_cert: Option<PathBuf>,
    /// The key of our certificate (PEM) [default: in the same file]
    #[arg(
        long,
        value_name = "FILE",
        env = "BASALT_CLIENT_KEY",
        hide_env_values = true,
        requires = "client_cert"
    )]
    pub client_key: Option<PathBuf>,
    /// Which hosts are trusted, and how.
    #[command(flatten)]
    pub hosts: HostArguments,
}

impl ArchiveArguments {
    /// How registries are reached where packages are fetched too: likewise.
    pub fn registries(&self) -> RegistryArguments {
        RegistryArguments {
            hosts: self.hosts.clone(),
            timeout: self.timeout,
        }
    }
}

/// The moment that is judged by: this machine's clock, or one of the past.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ClockArguments {
    /// Judge signatures, keys and dates as of this moment of the past, not of today: `2026-11-01` (its
    /// end, in UTC) or `2026-11-01T12:00:00Z`
    ///
    /// For archives as they once were, whose Valid-Until is over. What was made after the moment does not
    /// count. It is recorded in the lock.
    #[arg(long, value_name = "DATE", value_parser = moment)]
    pub as_of: Option<i64>,
}

impl ClockArguments {
    /// The clock.
    pub fn clock(self) -> basalt_build::Clock {
        match self.as_of {
            Some(moment) => basalt_build::Clock::as_of(moment),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                let seconds = since
                    .ok()
                    .and_then(|since| i64::try_from(since.as_secs()).ok());
                basalt_build::Clock::present(seconds.unwrap_or(0))
            }
        }
    }
}

/// Whether a text has the form of a moment of RFC 3339 (section 5.6): the parser takes more of ISO 8601. Leap seconds are not
/// taken: the clock that counts seconds since 1970 has none.
fn is_rfc_3339(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    let Some((moment, rest)) = bytes.split_at_checked(FORM.len()) else {
        return false;
    };
    let fits = |bytes: &[u8], form: &[u8]| {
        bytes.len() == form.len()
            && bytes.iter().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte.eq_ignore_ascii_case(form),
            })
    };
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            match digits {
                0 => return false,
                digits => &fraction[digits..],
            }
        }
        None => rest,
    };
    let is_offset = match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', offset @ ..] => {
            fits(offset, b"00:00") && two_digits(offset, 0) < 24 && two_digits(offset, 3) < 60
        }
        _ => false,
    };
    fits(moment, FORM)
        && two_digits(moment, 11) < 24
        && two_digits(moment, 14) < 60
        && two_digits(moment, 17) < 60
        && is_offset
}

/// The number of two digits at a place.
fn two_digits(bytes: &[u8], at: usize) -> u8 {
    let digit = |at: usize| bytes.get(at).map_or(0, |byte| byte.wrapping_sub(b'0'));
    digit(at).wrapping_mul(10).wrapping_add(digit(at + 1))
}

/// Reads a date or a moment of RFC 3339, not in the future; in seconds since 1970.
fn moment(text: &str) -> Result<i64, String> {
    let wrong =
        || "write a date as 2026-11-01, or a moment as 2026-11-01T12:00:00Z (RFC 3339)".to_owned();
    let text = match text.len() {
        // A date stands for its end.
        10 => format!("{text}T23:59:59Z"),
        _ => text.to_owned(),
    };
    if !is_rfc_3339(&text) {
        return Err(wrong());
    }
    let moment: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    // The end of today is still to come, and today may be asked for.
    let latest = jiff::Timestamp::now()
        .as_second()
        .saturating_add(24 * 60 * 60);
    match moment.as_second() {
        seconds if seconds < 0 => Err(wrong()),
        seconds if seconds > latest => Err("it is in the future".to_owned()),
        seconds => Ok(seconds),
    }
}

/// Which hosts are trusted, and how.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Hosts")]
pub struct HostArguments {
    /// Take any certificate from this host; a registry may speak plain HTTP there; may repeat
    ///
    /// Registries on this machine itself (localhost, 127.0.0.1) may without being asked for.
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        env = "BASALT_INSECURE",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub insecure: Vec<String>,
    /// File of CAs (PEM) to trust beside the usual ones; may repeat
    ///
    /// The usual ones are those of SSL_CERT_FILE and SSL_CERT_DIR if either is set, else the system's, else Mozilla's.
    #[arg(long, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
}

/// How registries are reached.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryArguments {
    /// Which are trusted, and how.
    #[command(flatten)]
    pub hosts: HostArguments,
    /// Seconds that a registry may be silent or slower than 1 kB/s [default: 30, 15 to connect]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "BASALT_TIMEOUT",
        hide_env_values = true,
        value_parser = clap::value_parser!(u16).range(1..=3600)
    )]
    pub timeout: Option<u16>,
}

impl RegistryArguments {
    /// As the environment has them, for a command that takes none of its own.
    pub fn of_environment() -> Self {
        let value = |name: &str| std::env::var(name).unwrap_or_default();
        let insecure = value("BASALT_INSECURE");
        let hosts = insecure.split(',').filter(|host| !host.is_empty());
        Self {
            hosts: HostArguments {
                insecure: hosts.map(str::to_owned).collect(),
                ca: Vec::new(),
            },
            timeout: value("BASALT_TIMEOUT").parse().ok(),
        }
    }
}

/// What is copied of an image, and how.
#[derive(Debug, Clone, Args)]
pub struct CopyArguments {
    /// Only the image of this platform: `amd64`, `linux/arm64`, `linux/arm/v7`
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub platform: Option<Platform>,
    /// Leave out what refers to the image: signatures, SBOMs, attestations
    #[arg(long)]
    pub no_referrers: bool,
    /// So many blobs at once
    #[arg(long, short, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
}

/// What is made of an image.
#[derive(Debug, Clone, Args)]
pub struct OutputArguments {
    /// Only these of the spec's architectures
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub arch: Vec<String>,
    /// The layout's folder [default: out/NAME]
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// The variant [default: the image without one]
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Fail when the lock is missing or the spec has moved since
    #[arg(long)]
    pub locked: bool,
    /// URI that names who builds, for the provenance [default: someone with this program]
    #[arg(
        long,
        value_name = "URI",
        env = "BASALT_BUILDER_ID",
        hide_env_values = true
    )]
    pub builder_id: Option<String>,
    /// How layers are compressed [default: the spec's, else gzip]
    #[arg(long, value_name = "CODEC")]
    pub compression: Option<Compression>,
    /// Also write an archive: `oci-archive=FILE` or `docker-archive=FILE`; may repeat
    #[arg(long, value_name = "FORM=FILE", value_parser = archive)]
    pub archive: Vec<(Format, PathBuf)>,
    /// Hand the image to an engine
    #[arg(long, value_name = "ENGINE")]
    pub load: Option<Engine>,
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// Every runtime reads it.
    Gzip,
    /// Smaller and faster; needs a runtime of 2021 or later.
    Zstd,
    /// gzip that is smaller, and takes some ten times as long: for what is pulled often.
    GzipSmallest,
    /// Likewise.
    ZstdSmallest,
}

/// A form in which an image is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The layout as one tar file.
    OciArchive,
    /// What `docker load` takes.
    DockerArchive,
}

/// What runs containers on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Docker, by `docker load`.
    Docker,
    /// Podman, by `podman load`.
    Podman,
    /// Containerd, by `ctr images import`.
    Containerd,
}

/// Splits `FORM=FILE`.
fn archive(text: &str) -> Result<(Format, PathBuf), String> {
    let wrong = || "write it as oci-archive=FILE or docker-archive=FILE".to_owned();
    let (form, file) = text.split_once('=').ok_or_else(wrong)?;
    let form = Format::from_str(form, false).map_err(|_| wrong())?;
    match file.is_empty() {
        true => Err(wrong()),
        false => Ok((form, PathBuf::from(file))),
    }
}

/// Reads `OS/ARCHITECTURE[/VARIANT]`, or an architecture of Linux.
fn platform(text: &str) -> Result<Platform, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (os, architecture, variant) = match parts.as_slice() {
        [architecture] => ("linux", *architecture, None),
        [os, architecture] => (*os, *architecture, None),
        [os, architecture, variant] => (*os, *architecture, Some((*variant).to_owned())),
        _ => ("", "", None),
    };
    if os.is_empty() || architecture.is_empty() || variant.as_deref() == Some("") {
        return Err("write it as OS/ARCHITECTURE, such as linux/arm64".to_owned());
    }
    Ok(Platform {
        architecture: architecture.to_owned(),
        os: os.to_owned(),
        os_version: None,
        variant,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_one_of_rfc_3339_and_nothing_else_of_iso_8601() {
        // By `date -u -d TEXT +%s`.
        for (text, seconds) in [
            ("2025-11-05", 1_762_387_199),
            ("2025-11-05T00:00:00Z", 1_762_300_800),
            ("2025-11-05t00:00:00z", 1_762_300_800),
            ("2025-11-05T00:00:00.5Z", 1_762_300_800),
            ("2025-11-05T01:30:00+01:30", 1_762_300_800),
            ("2025-11-04T23:00:00-01:00", 1_762_300_800),
            ("2025-11-05T00:00:00-00:00", 1_762_300_800),
        ] {
            assert_eq!(moment(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "2025-11",
            "2025-11-05T00:00Z",
            "2025-11-05T00Z",
            "2025-11-05T00:00:00",
            "2025-11-05T00:00:00.Z",
            "2025-11-05T00:00:00,5Z",
            "2025-11-05T00:00:00+24:00",
            "2025-11-05T00:00:00+23:60",
            "2025-11-05T00:00:00+01",
            "2025-11-05T00:00:00+0100",
            "2025-11-05T00:00:00+01:00:00",
            "2025-11-05T00:00:00Z[UTC]",
            "2025-11-05T23:59:60Z",
            "2025-11-05T24:00:00Z",
            "2025-11-31T00:00:00Z",
            "2025-11-05 00:00:00Z",
            "20251105T000000Z",
            "+002025-11-05T00:00:00Z",
            "2025-11-05T00:00:00é",
            "202511050",
            "2025-W45-1",
            " 2025-11-05",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
