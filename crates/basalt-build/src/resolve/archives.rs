//! The archives of a spec: their signed Release files verified, their indexes opened.

use std::io::{self, Read};

use basalt_deb::compression::Compression;
use basalt_deb::packages::{self, CompiledIndex};
use basalt_deb::release::Release;
use basalt_digest::Digest;
use basalt_fetch::{ReleaseFile, ReleaseText, Request, distribution};
use basalt_lock::{ArchiveSnapshot, Lock};
use basalt_spec::{ExtraArchive, ImageSpec, LoadedSpec};
use basalt_trust::{Expectation, FreshnessError, Keyring, ReleaseFacts, Verified};
use rayon::prelude::*;

use crate::error::BuildError;
use crate::project::project::Project;
use crate::run::cause::{self, chain};
use crate::run::session::Session;
use crate::run::stage::Stage;

/// Changes whenever the same index compiles to other bytes.
const INDEX_GENERATION: u32 = 3;

/// The names that an index may have, the best first: small ones that are decoded fast before others.
const INDEX_NAMES: [&str; 6] = [
    "Packages.xz",
    "Packages.zst",
    "Packages.lzma",
    "Packages.bz2",
    "Packages.gz",
    "Packages",
];

/// The most bytes that an index unfolds to, where the Release file does not say how many there are.
const MAXIMUM_INDEX: u64 = 4 << 30;

/// The component taken of a distribution's own archives.
const COMPONENT: &str = "main";

/// A suite that a spec takes packages from.
struct Source {
    archive: String,
    suite: String,
    /// What its Release file must call itself.
    expected: Expected,
    /// None of a flat repository.
    components: Vec<String>,
    priority: i32,
    keyring: Keyring,
}

/// What a Release file must call itself.
enum Expected {
    /// The suite, or a codename: by one of its two names, what was asked for.
    Either(String),
    /// Exactly this suite, whose codename moves with each release.
    Suite(String),
    /// What the spec says in so many words.
    Said {
        suite: Option<String>,
        codename: Option<String>,
    },
    /// A flat repository, of which the spec says nothing.
    Anything,
}

impl Expected {
    /// What an archive that a spec adds is expected to call itself.
    fn of(archive: &ExtraArchive) -> Self {
        match (&archive.expect_suite, &archive.expect_codename) {
            (None, None) if archive.is_flat() => Self::Anything,
            (None, None) => Self::Either(archive.suite.clone()),
            (suite, codename) => Self::Said {
                suite: suite.clone(),
                codename: codename.clone(),
            },
        }
    }

    /// As the check of a Release file takes it.
    fn expectation(&self, release: &Release) -> Expectation {
        let mut expectation = Expectation::default();
        match self {
            Self::Either(name) => {
                // `bookworm/updates` may call itself `bookworm`, as apt has it.
                let whole = [&release.suite, &release.codename].contains(&name);
                let short = name
                    .rsplit_once('/')
                    .map_or(name.as_str(), |(short, _)| short);
                let name = if whole { name.as_str() } else { short };
                expectation.either = Some(name.to_owned());
            }
            Self::Suite(suite) => expectation.suite = Some(suite.clone()),
            Self::Said { suite, codename } => {
                expectation.suite.clone_from(suite);
                expectation.codename.clone_from(codename);
            }
            Self::Anything => {}
        }
        expectation
    }
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
    /// Its path below the Release file.
    pub path: String,
    pub index: CompiledIndex,
}

/// The suites that a spec takes packages from.
fn sources(project: &Project) -> Result<Vec<Source>, BuildError> {
    let spec = &project.spec;
    let ImageSpec {
        distribution,
        archives,
        ..
    } = &spec.base;
    let row = distribution::find(distribution, &spec.release).ok_or_else(|| {
        let known: Vec<&str> = distribution::DISTRIBUTIONS
            .iter()
            .filter(|row| row.name == distribution)
            .flat_map(|row| row.releases.iter().map(|release| release.name))
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
            expected: match row.moves {
                true => Expected::Suite(suite.name.to_owned()),
                false => Expected::Either(suite.name.to_owned()),
            },
            components: vec![COMPONENT.to_owned()],
            priority: 500,
            keyring: keyring(suite.archive, suite.name)?,
        });
    }
    for archive in archives {
        let keyring = project.file(&archive.keyring)?;
        sources.push(Source {
            archive: archive.name.clone(),
            suite: archive.suite.clone(),
            expected: Expected::of(archive),
            components: archive.components.clone(),
            priority: archive.priority,
            keyring: Keyring::from_bytes(&keyring.content)
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
    project: &Project,
    former: Option<&Lock>,
) -> Result<Vec<Suite>, BuildError> {
    let sources = sources(project)?;
    if session.options.clock.as_of {
        not_before_lock(session, project, former)?;
    }
    session.stage(Stage::Archives, sources.len() as u64, || {
        let suites: Vec<Suite> = sources
            .par_iter()
            .map(|source| suite(session, source, former))
            .collect::<Result<_, _>>()?;
        of_one_release(&project.spec, &suites)?;
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
    let snapshot = former.and_then(|lock| lock.snapshot(archive, suite));
    let expectation = Expectation {
        locked_codename: snapshot.and_then(|snapshot| snapshot.codename.clone()),
        oldest_date: snapshot.map(|snapshot| snapshot.date),
        clock: session.options.clock,
        ..source.expected.expectation(&release)
    };
    basalt_trust::check_release(&facts, &expectation).map_err(|cause| BuildError::Freshness {
        archive: archive.clone(),
        suite: suite.clone(),
        cause,
    })?;
    // One of the past must not come back as the newest that is known.
    if !session.options.clock.as_of {
        session.fetcher.remember_release(&file)?;
    }
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
            codename: Some(release.codename.clone())
                .filter(|codename| !codename.is_empty() && codename != suite),
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
    let clock = session.options.clock;
    let (verified, digest) = match &file.text {
        ReleaseText::Inline(bytes) => (
            basalt_trust::verify_inline(bytes, &source.keyring, clock),
            Digest::of(bytes),
        ),
        ReleaseText::Detached { release, signature } => (
            basalt_trust::verify_detached(release, signature, &source.keyring, clock),
            Digest::of(release),
        ),
    };
    let verified = verified.map_err(|cause| trust(&source.archive, &source.suite, cause))?;
    Ok((verified, digest))
}

/// A lock only goes forward: one of the past cannot be made over a newer one.
fn not_before_lock(
    session: &Session,
    project: &Project,
    former: Option<&Lock>,
) -> Result<(), BuildError> {
    let now = session.options.clock.now;
    let newer = former
        .into_iter()
        .flat_map(|lock| &lock.archives)
        .find(|snapshot| snapshot.date > now);
    match newer {
        None => Ok(()),
        Some(snapshot) => Err(BuildError::Spec(format!(
            "the lock {} has the archive {}, suite {}, of {}, after the moment asked for ({}): a lock never goes back by itself; move it away, or lock a copy of the spec",
            project.lock_path.display(),
            snapshot.archive,
            snapshot.suite,
            basalt_oci::date(snapshot.date),
            basalt_oci::date(now)
        ))),
    }
}

/// Of a release that is named by a suite, such as `stable`, all suites must be of one codename: on the day
/// of a release a mirror may have the new one of some, and the former of others.
fn of_one_release(spec: &LoadedSpec, suites: &[Suite]) -> Result<(), BuildError> {
    let name = &spec.release;
    let row = distribution::find(&spec.base.distribution, name).filter(|row| row.moves);
    let codename = |suite: &Suite| suite.release.codename.clone();
    let Some((row, main)) = row.zip(suites.iter().find(|suite| suite.suite == *name)) else {
        return Ok(());
    };
    for suite in suites.iter().take(row.suites.len()) {
        let more = suite.suite.strip_prefix(name.as_str()).unwrap_or_default();
        let expected = format!("{}{more}", codename(main));
        if codename(suite) != expected {
            return Err(BuildError::Freshness {
                archive: suite.archive.clone(),
                suite: suite.suite.clone(),
                cause: FreshnessError::WrongCodename {
                    expected,
                    found: codename(suite),
                },
            });
        }
    }
    Ok(())
}

/// An index of a suite that is wanted for an architecture.
struct Wanted<'s> {
    suite: usize,
    architecture: &'s str,
    /// The folder below the Release file, with a slash at its end unless it is the same.
    folder: String,
}

/// Opens the indexes of all suites for these architectures. A suite that has none for one of them has no
/// packages for it.
pub(crate) fn indexes(
    session: &Session,
    suites: &[Suite],
    architectures: &[String],
) -> Result<Vec<Index>, BuildError> {
    let mut wanted = Vec::new();
    for (number, suite) in suites.iter().enumerate() {
        for architecture in architectures {
            for folder in suite.index_folders(architecture)? {
                wanted.push(Wanted {
                    suite: number,
                    architecture,
                    folder,
                });
            }
        }
    }
    wanted
        .par_iter()
        .map(|one| index(session, &suites[one.suite], one))
        .collect()
}

impl Suite {
    fn fails(&self, cause: String) -> BuildError {
        BuildError::Archive {
            archive: self.archive.clone(),
            suite: self.suite.clone(),
            cause,
        }
    }

    fn is_malformed(&self, cause: String) -> BuildError {
        BuildError::Malformed {
            archive: self.archive.clone(),
            suite: self.suite.clone(),
            cause,
        }
    }

    /// Whether the Release file names an index in this folder, in whatever compression.
    fn has_index(&self, folder: &str) -> bool {
        let prefix = format!("{folder}Packages");
        let from = self.release.files.range(prefix.clone()..);
        from.take_while(|(path, _)| path.starts_with(&prefix))
            .any(|(path, _)| matches!(path.as_bytes().get(prefix.len()), None | Some(b'.')))
    }

    /// The folders whose indexes have packages for an architecture.
    fn index_folders(&self, architecture: &str) -> Result<Vec<String>, BuildError> {
        if self.suite.ends_with('/') {
            return match self.has_index("") {
                true => Ok(vec![String::new()]),
                false => {
                    Err(self
                        .is_malformed("its Release file names no `Packages` beside it".to_owned()))
                }
            };
        }
        let mut folders = Vec::new();
        for component in &self.components {
            let folder = |architecture: &str| format!("{component}/binary-{architecture}/");
            let (own, all) = (folder(architecture), folder("all"));
            let has_own = self.has_index(&own);
            // Where each architecture's index holds the packages for all of them too, theirs adds nothing.
            let lists_all = !self.release.no_support_for_architecture_all
                && self.release.architectures.iter().any(|one| one == "all");
            if self.has_index(&all) && (lists_all || !has_own) {
                folders.push(all);
            }
            if has_own {
                folders.push(own);
            } else if !self.has_component(component) {
                return Err(self.fails(format!(
                    "it has no component `{component}`; it has: {}",
                    self.release.components.join(", ")
                )));
            }
        }
        Ok(folders)
    }

    /// Whether the Release file knows a component, by name or by an index of any architecture.
    fn has_component(&self, component: &str) -> bool {
        let prefix = format!("{component}/binary-");
        let short = component.rsplit('/').next();
        let named = self.release.components.iter();
        named
            .map(String::as_str)
            .any(|one| one == component || Some(one) == short)
            || self
                .release
                .files
                .range(prefix.clone()..)
                .next()
                .is_some_and(|(path, _)| path.starts_with(&prefix))
    }
}

fn index(session: &Session, suite: &Suite, wanted: &Wanted<'_>) -> Result<Index, BuildError> {
    let architecture = wanted.architecture;
    let found = INDEX_NAMES
        .iter()
        .map(|name| format!("{}{name}", wanted.folder))
        .find_map(|path| suite.release.files.get(&path).map(|file| (path, *file)));
    let Some((path, file)) = found else {
        return Err(suite.is_malformed(format!(
            "it has `{}Packages` only in forms that are not read; read are: {}",
            wanted.folder,
            INDEX_NAMES.join(", ")
        )));
    };
    let opened = |index| Index {
        suite: wanted.suite,
        architecture: architecture.to_owned(),
        path: path.clone(),
        index,
    };
    let key = postcard::to_stdvec(&(INDEX_GENERATION, file.digest.to_string(), architecture))
        .map_err(BuildError::record)?;
    let key = Digest::of(&key);
    if let Some(fact) = session.cache.fact("index", &key)?
        && let Ok(compiled) = <[u8; 32]>::try_from(fact.as_slice())
        && let Some(bytes) = session.cache.get(&Digest::from_bytes(compiled))?
        && let Ok(index) = CompiledIndex::open(bytes)
    {
        return Ok(opened(index));
    }
    let blob = session.fetcher.open(&Request {
        archive: suite.archive.clone(),
        path: format!("{}{path}", basalt_fetch::suite_folder(&suite.suite)),
        digest: file.digest,
        size: file.size,
        by_hash: suite.release.acquire_by_hash,
        state: None,
    })?;
    let unfolded = suite
        .release
        .files
        .get(&format!("{}Packages", wanted.folder));
    let plain = Unfolding {
        reader: Compression::of_name(&path).reader(blob)?,
        left: unfolded.map_or(MAXIMUM_INDEX, |file| file.size),
    };
    let compiled = packages::compile(plain, architecture).map_err(|error| {
        let cause = format!("{path}: {}", chain(&error));
        match cause::is_of_this_machine(&error) {
            true => suite.fails(cause),
            false => suite.is_malformed(cause),
        }
    })?;
    let digest = session.cache.put(&compiled)?;
    session.cache.put_fact("index", &key, digest.as_bytes())?;
    CompiledIndex::open(compiled)
        .map(opened)
        .map_err(|error| suite.fails(error.to_string()))
}

/// Gives what an index unfolds to, and fails when that is more than was promised.
struct Unfolding<R> {
    reader: R,
    /// How many bytes may still come.
    left: u64,
}

impl<R: Read> Read for Unfolding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it unfolds to more than its Release file says",
                ));
            }
        }
        Ok(count)
    }
}
