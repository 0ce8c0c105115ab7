//! The archives of a spec: their signed Release files verified, their indexes opened.

use std::path::Path;

use basalt_deb::compression::Compression;
use basalt_deb::packages::{self, CompiledIndex};
use basalt_deb::release::Release;
use basalt_digest::Digest;
use basalt_fetch::{ReleaseFile, ReleaseText, Request, distribution};
use basalt_lock::{ArchiveSnapshot, Lock};
use basalt_spec::{ImageSpec, LoadedSpec};
use basalt_trust::{Expectation, Keyring, ReleaseFacts, Verified};
use rayon::prelude::*;

use crate::BuildError;
use crate::blame;
use crate::read::chain;
use crate::report::Stage;
use crate::session::Session;

/// Changes whenever the same index compiles to other bytes.
const INDEX_GENERATION: u32 = 1;

/// The component taken of a distribution's own archives.
const COMPONENT: &str = "main";

/// A suite that a spec takes packages from.
struct Source {
    archive: String,
    suite: String,
    /// What its Release file must call itself.
    codename: String,
    components: Vec<String>,
    priority: i32,
    keyring: Keyring,
}

/// A suite as it is now, verified.
pub(crate) struct Suite {
    pub archive: String,
    pub suite: String,
    pub priority: i32,
    pub snapshot: ArchiveSnapshot,
    components: Vec<String>,
    release: Release,
}

/// One index, opened.
pub(crate) struct Index {
    /// Which of the suites it is of.
    pub suite: usize,
    /// The architecture it is for.
    pub architecture: String,
    pub index: CompiledIndex,
}

/// The suites that a spec takes packages from.
fn sources(spec: &LoadedSpec) -> Result<Vec<Source>, BuildError> {
    let ImageSpec {
        distribution,
        archives,
        ..
    } = &spec.base;
    let row = distribution::find(distribution, &spec.release).ok_or_else(|| {
        let known: Vec<&str> = distribution::DISTRIBUTIONS
            .iter()
            .filter(|row| row.name == distribution)
            .flat_map(|row| row.releases.iter().map(|release| release.codename))
            .collect();
        BuildError::Spec(format!(
            "{}: the release `{}` of `{distribution}` is not known; known are: {}",
            spec.path.display(),
            spec.release,
            known.join(", ")
        ))
    })?;
    let keyring = |archive: &str, suite: &str| {
        Keyring::debian(row.keyring).map_err(|cause| trust(archive, suite, cause))
    };
    let mut sources = Vec::new();
    for suite in row.suites {
        sources.push(Source {
            archive: suite.archive.to_owned(),
            suite: suite.name.to_owned(),
            codename: suite.codename.to_owned(),
            components: vec![COMPONENT.to_owned()],
            priority: 500,
            keyring: keyring(suite.archive, suite.name)?,
        });
    }
    for archive in archives {
        let path = spec.folder.join(Path::new(&archive.keyring));
        let bytes = fs_err::read(&path).map_err(|cause| BuildError::LocalFile { path, cause })?;
        sources.push(Source {
            archive: archive.name.clone(),
            suite: archive.suite.clone(),
            codename: archive.suite.clone(),
            components: archive.components.clone(),
            priority: archive.priority,
            keyring: Keyring::from_bytes(&bytes)
                .map_err(|cause| trust(&archive.name, &archive.suite, cause))?,
        });
    }
    Ok(sources)
}

fn trust(archive: &str, suite: &str, cause: basalt_trust::TrustError) -> BuildError {
    BuildError::Trust {
        archive: archive.to_owned(),
        suite: suite.to_owned(),
        cause: Box::new(cause),
    }
}

/// Fetches and verifies the Release file of each suite.
pub(crate) fn suites(
    session: &Session,
    spec: &LoadedSpec,
    former: Option<&Lock>,
) -> Result<Vec<Suite>, BuildError> {
    let sources = sources(spec)?;
    session.stage(Stage::Archives, sources.len() as u64, || {
        let suites: Vec<Suite> = sources
            .par_iter()
            .map(|source| suite(session, source, former))
            .collect::<Result<_, _>>()?;
        let newest = suites
            .iter()
            .map(|suite| suite.snapshot.date)
            .max()
            .unwrap_or(0);
        let result = format!(
            "{} suites verified, the newest of {}",
            suites.len(),
            basalt_oci::date(newest)
        );
        Ok((suites, result))
    })
}

fn suite(session: &Session, source: &Source, former: Option<&Lock>) -> Result<Suite, BuildError> {
    let Source { archive, suite, .. } = source;
    let file = session
        .fetcher
        .release_file(archive, suite, !session.options.offline)?;
    let (verified, digest) = verify(session, source, &file)?;
    let release = Release::parse(&verified.text).map_err(|error| BuildError::Malformed {
        archive: archive.clone(),
        suite: suite.clone(),
        cause: error.to_string(),
    })?;
    let facts = ReleaseFacts {
        suite: release.suite.clone(),
        codename: release.codename.clone(),
        date: release.date,
        valid_until: release.valid_until,
    };
    let is_suite = release.codename != source.codename && release.suite == source.codename;
    let expectation = Expectation {
        suite: is_suite.then(|| source.codename.clone()),
        codename: (!is_suite).then(|| source.codename.clone()),
        oldest_date: former
            .and_then(|lock| lock.snapshot(archive, suite))
            .map(|snapshot| snapshot.date),
        now: session.options.now,
    };
    basalt_trust::check_release(&facts, &expectation).map_err(|cause| BuildError::Freshness {
        archive: archive.clone(),
        suite: suite.clone(),
        cause,
    })?;
    session.fetcher.remember_release(&file)?;
    session.observer.step(Stage::Archives, suite);
    let mut signers: Vec<String> = verified
        .signers
        .into_iter()
        .map(|signer| signer.fingerprint)
        .collect();
    signers.sort();
    signers.dedup();
    Ok(Suite {
        archive: archive.clone(),
        suite: suite.clone(),
        priority: source.priority,
        snapshot: ArchiveSnapshot {
            archive: archive.clone(),
            suite: suite.clone(),
            date: release.date,
            release: digest,
            signers,
        },
        components: source.components.clone(),
        release,
    })
}

fn verify(
    session: &Session,
    source: &Source,
    file: &ReleaseFile,
) -> Result<(Verified, Digest), BuildError> {
    let now = session.options.now;
    let (verified, digest) = match &file.text {
        ReleaseText::Inline(bytes) => (
            basalt_trust::verify_inline(bytes, &source.keyring, now),
            Digest::of(bytes),
        ),
        ReleaseText::Detached { release, signature } => (
            basalt_trust::verify_detached(release, signature, &source.keyring, now),
            Digest::of(release),
        ),
    };
    let verified = verified.map_err(|cause| trust(&source.archive, &source.suite, cause))?;
    Ok((verified, digest))
}

/// Opens the indexes of all suites for these architectures.
pub(crate) fn indexes(
    session: &Session,
    suites: &[Suite],
    architectures: &[String],
) -> Result<Vec<Index>, BuildError> {
    let mut wanted = Vec::new();
    for (number, suite) in suites.iter().enumerate() {
        for component in &suite.components {
            for architecture in architectures {
                wanted.push((
                    number,
                    suite,
                    component.as_str(),
                    architecture.as_str(),
                    architecture.as_str(),
                ));
                if !suite.release.no_support_for_architecture_all
                    && suite.release.architectures.iter().any(|one| one == "all")
                {
                    wanted.push((
                        number,
                        suite,
                        component.as_str(),
                        architecture.as_str(),
                        "all",
                    ));
                }
            }
        }
    }
    wanted
        .par_iter()
        .map(|(number, suite, component, architecture, folder)| {
            let index = index(session, suite, component, architecture, folder)?;
            Ok(Index {
                suite: *number,
                architecture: (*architecture).to_owned(),
                index,
            })
        })
        .collect()
}

fn index(
    session: &Session,
    suite: &Suite,
    component: &str,
    architecture: &str,
    folder: &str,
) -> Result<CompiledIndex, BuildError> {
    let fail = |cause: String| BuildError::Archive {
        archive: suite.archive.clone(),
        suite: suite.suite.clone(),
        cause,
    };
    let folder = format!("{component}/binary-{folder}");
    let (path, file) = ["Packages.xz", "Packages.gz", "Packages"]
        .iter()
        .map(|name| format!("{folder}/{name}"))
        .find_map(|path| suite.release.files.get(&path).map(|file| (path, *file)))
        .ok_or_else(|| {
            fail(format!(
                "it has no index for {component} and {architecture}; it has: {}",
                suite.release.architectures.join(", ")
            ))
        })?;
    let key = postcard::to_stdvec(&(INDEX_GENERATION, file.sha256, architecture))
        .map_err(BuildError::record)?;
    let key = Digest::of(&key);
    if let Some(fact) = session.cache.fact("index", &key)?
        && let Ok(compiled) = <[u8; 32]>::try_from(fact.as_slice())
        && let Some(bytes) = session.cache.get(&Digest::from_bytes(compiled))?
        && let Ok(index) = CompiledIndex::open(bytes)
    {
        return Ok(index);
    }
    let blob = session.fetcher.open(&Request {
        archive: suite.archive.clone(),
        path: format!("dists/{}/{path}", suite.suite),
        digest: file.sha256,
        size: file.size,
        by_hash: suite.release.acquire_by_hash,
        state: None,
    })?;
    let plain = Compression::of_name(&path).reader(blob)?;
    let compiled = packages::compile(plain, architecture).map_err(|error| {
        let cause = format!("{path}: {}", chain(&error));
        if blame::is_of_this_machine(&error) {
            return fail(cause);
        }
        BuildError::Malformed {
            archive: suite.archive.clone(),
            suite: suite.suite.clone(),
            cause,
        }
    })?;
    let digest = session.cache.put(&compiled)?;
    session.cache.put_fact("index", &key, digest.as_bytes())?;
    CompiledIndex::open(compiled).map_err(|error| fail(error.to_string()))
}
