//! What commands begin with that need packages: the spec, and a session for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use basalt_build::{Options, Project, Session};
use basalt_fetch::{Identity, Mirror, MirrorOptions, Snapshots, Trust};
use basalt_spec::LoadedSpec;

use crate::arguments::{ArchiveArguments, GlobalArguments, SourceArguments};
use crate::failure::{Failure, Status};
use crate::interruption;
use crate::terminal::{Progress, Terminal};

/// Loads the spec with the files that it names, and opens a session.
pub(super) fn open(
    source: &SourceArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<(Project, Session, Arc<Progress>), Failure> {
    let spec = basalt_spec::load(&source.spec, source.release.as_deref())?;
    interruption::writes(&basalt_build::lock_path(&spec));
    let (session, progress) = open_for(&spec, &source.archives, global, terminal)?;
    Ok((Project::open(spec)?, session, progress))
}

/// Opens a session for a spec that is loaded.
pub(super) fn open_for(
    spec: &LoadedSpec,
    source: &ArchiveArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<(Session, Arc<Progress>), Failure> {
    open_dated(spec, source, source_date_epoch()?, global, terminal)
}

/// As [`open_for`], with the date of everything generated, whatever `SOURCE_DATE_EPOCH` says.
pub(super) fn open_dated(
    spec: &LoadedSpec,
    source: &ArchiveArguments,
    date: Option<i64>,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<(Session, Arc<Progress>), Failure> {
    let mut mirrors = MirrorOptions::default();
    for argument in &source.mirror {
        let (archive, mirror) = mirror(argument)?;
        mirrors.explicit.entry(archive).or_default().push(mirror);
    }
    let options = Options {
        cache: global.cache.clone(),
        mirrors,
        snapshots: snapshots(source.snapshots.as_deref())?,
        offline: source.offline,
        patience: source
            .timeout
            .map(|seconds| Duration::from_secs(seconds.into())),
        vendor: source.vendor.clone(),
        trust: trust(source)?,
        jobs: source.jobs.map_or(0, usize::from),
        source_date_epoch: date,
        clock: source.clock.clock(),
    };
    let cache = match &options.cache {
        Some(folder) => folder.clone(),
        None => basalt_fetch::Cache::default_path()?,
    };
    interruption::writes_into(&cache);
    interruption::watch(terminal.json())?;
    let progress = Arc::new(terminal.progress());
    let session = Session::open(options, spec, progress.clone())?;
    Ok((session, progress))
}

/// Splits `ARCHIVE=URL`. What is wrong is said without the URL, which may hold a password.
fn mirror(argument: &str) -> Result<(String, Mirror), Failure> {
    let wrong = |cause: String| Failure::new(Status::Usage, cause);
    match argument.split_once('=') {
        Some((archive, url)) if !archive.is_empty() && !archive.contains([':', '/', '@']) => url
            .parse::<Mirror>()
            .map(|mirror| (archive.to_owned(), mirror))
            .map_err(|error| wrong(format!("--mirror {archive}: {error}"))),
        _ => Err(wrong(
            "--mirror: write it as ARCHIVE=URL, such as debian=http://mirror.example/debian"
                .to_owned(),
        )),
    }
}

/// Which certificates mirrors are judged by, and which one they are shown.
fn trust(source: &ArchiveArguments) -> Result<Trust, Failure> {
    let identity = source.client_cert.clone().map(|certificate| Identity {
        key: source
            .client_key
            .clone()
            .unwrap_or_else(|| certificate.clone()),
        certificate,
    });
    let hosts = source.hosts.insecure.iter();
    let unverified = hosts.map(|host| basalt_client::host(host));
    let trust = Trust {
        authorities: source.hosts.ca.clone(),
        identity,
        folders: Trust::folders_of_environment(),
        unverified: unverified
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(Status::Usage, format!("--insecure: {error}")))?,
    };
    trust
        .check()
        .map_err(|error| Failure::new(Status::Usage, error))?;
    Ok(trust)
}

fn snapshots(argument: Option<&str>) -> Result<Snapshots, Failure> {
    match argument {
        None => Ok(Snapshots::Never),
        Some("") => Ok(Snapshots::OfDistribution),
        Some(url) => url
            .parse()
            .map_err(|error| Failure::new(Status::Usage, format!("--snapshots: {error}"))),
    }
}

/// `SOURCE_DATE_EPOCH` of the Reproducible Builds specification, if it is set.
pub(crate) fn source_date_epoch() -> Result<Option<i64>, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().map(Some).map_err(|_| {
            Failure::new(
                Status::Usage,
                format!("SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds"),
            )
        }),
        Err(_) => Ok(None),
    }
}

/// Debian's name of this machine's architecture.
pub(super) fn host() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Where a layout goes when nobody says so: `out/NAME`, `out/NAME-VARIANT`.
pub(super) fn default_output(spec: &LoadedSpec, variant: &str) -> PathBuf {
    let name = &spec.base.name;
    PathBuf::from("out").join(match variant {
        "" => name.clone(),
        variant => format!("{name}-{variant}"),
    })
}
