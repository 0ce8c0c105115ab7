//! From a spec and archives to a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use basalt_deb::deb::{self, Control};
use basalt_deb::packages::PackageRecord;
use basalt_digest::{Digest, Promise};
use basalt_effects::apply::{self, Context, Ids};
use basalt_effects::{Effect, Explanation, PackageScripts, Verdict};
use basalt_fetch::Request;
use basalt_lock::{
    COMPATIBILITY, FORMAT, Lock, LockDifference, LockedPackage, LockedScript, difference,
};
use basalt_spec::{ImageSpec, LoadedSpec};
use basalt_tree::{Contents, Tree, TreePath};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::BuildError;
use crate::archives::{self, Suite};
use crate::blame;
use crate::claim::Promised;
use crate::closures::{Solved, architectures, solve_all, solve_below};
use crate::layering::{self, Level};
use crate::lock_file::{local_files, lock_path, read_lock, write_lock};
use crate::minimize;
use crate::report::Stage;
use crate::session::Session;
use crate::slices;

/// How many downloads go on at once.
const PARALLEL_DOWNLOADS: usize = 8;

/// What became of a lock.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockOutcome {
    /// The lock's file.
    pub path: PathBuf,
    /// What moved since the former lock; nothing when there was none.
    pub difference: Option<LockDifference>,
    /// How many packages it names.
    pub packages: usize,
    /// Time by stage.
    pub stages: Vec<crate::report::StageTime>,
}

/// What an image is called in messages.
pub(crate) fn title(spec: &LoadedSpec, architecture: &str, variant: &str) -> String {
    let name = &spec.base.name;
    match variant {
        "" => format!("{name} for {architecture}"),
        variant => format!("{name}, variant {variant}, for {architecture}"),
    }
}

/// Resolves a spec against its archives as they are now, and writes the lock beside it.
///
/// # Errors
/// When an archive is refused, the spec cannot be solved, a package cannot be fetched or read, or a
/// maintainer script has lines that nothing explains.
pub fn lock(session: &Session, spec: &LoadedSpec) -> Result<(Lock, LockOutcome), BuildError> {
    let former = read_lock(spec)?;
    let mut lock = resolve(session, spec, former.as_ref())?;
    lock.sort();
    minimize::pin(session, spec, &mut lock)?;
    let path = lock_path(spec);
    let text = lock.render().map_err(|cause| BuildError::Lock {
        path: path.clone(),
        cause,
    })?;
    write_lock(&path, text.as_bytes())?;
    let outcome = LockOutcome {
        difference: former.as_ref().map(|former| difference(former, &lock)),
        packages: lock.packages.len(),
        stages: session.times(),
        path,
    };
    Ok((lock, outcome))
}

/// The lock of a spec by its archives as they are now; nothing is written.
pub(crate) fn resolve(
    session: &Session,
    spec: &LoadedSpec,
    former: Option<&Lock>,
) -> Result<Lock, BuildError> {
    // What is on this machine comes first: what is wrong with it is known before anything is fetched.
    let files = local_files(spec)?;
    let library = slices::library(spec)?;
    let suites = archives::suites(session, spec, former)?;
    let (solved, below) = session.stage(Stage::Solve, 0, || {
        let indexes = archives::indexes(session, &suites, &architectures(spec))?;
        let solved = solve_all(spec, &suites, &indexes, &library)?;
        let count: BTreeSet<&String> = solved
            .iter()
            .flat_map(|image| image.packages.keys())
            .collect();
        let result = format!("{} packages for {} images", count.len(), solved.len());
        let below: Vec<Vec<Solved>> = spec
            .below
            .iter()
            .map(|below| solve_below(spec, below, &suites, &indexes, &library))
            .collect();
        Ok(((solved, below), result))
    })?;
    slices::warn_of_malformed(&library, session);
    let mut records: BTreeMap<(&str, &str), (&PackageRecord, &Suite)> = BTreeMap::new();
    for (record, suite) in solved.iter().flat_map(|image| image.packages.values()) {
        records.insert(
            (&record.name, &record.architecture),
            (record, &suites[*suite]),
        );
    }
    let requests: Vec<Request> = records
        .values()
        .map(|(record, suite)| request(record, suite))
        .collect();
    fetch(session, &requests)?;
    let controls = session.stage(Stage::Explain, records.len() as u64, || {
        let controls: Vec<(LockedPackage, Explanation)> = records
            .par_iter()
            .map(|(_, (record, suite))| locked(session, spec, record, suite))
            .collect::<Result<_, BuildError>>()?;
        refuse_unexplained(controls.iter().map(|(_, explanation)| explanation))?;
        let scripts: usize = controls
            .iter()
            .map(|(_, explanation)| explanation.scripts.len())
            .sum();
        Ok((controls, format!("{scripts} scripts explained")))
    })?;
    let ids = allocate(spec, former, &controls)?;
    let mut levels = Vec::with_capacity(below.len());
    for (spec, solved) in spec.below.iter().zip(&below) {
        // Its own plan, if it has one, so that both come to the same layers.
        let former = read_lock(spec)?;
        levels.push(Level::new(spec, solved, former.as_ref()));
    }
    let clock = session.options.clock;
    let images = layering::plan(&levels, &Level::new(spec, &solved, former));
    Ok(Lock {
        format: FORMAT,
        compatibility: COMPATIBILITY,
        name: spec.base.name.clone(),
        release: spec.release.clone(),
        as_of: clock.as_of.then_some(clock.now),
        spec: spec.digest(),
        archives: suites.into_iter().map(|suite| suite.snapshot).collect(),
        packages: controls.into_iter().map(|(package, _)| package).collect(),
        images,
        users: ids.users,
        groups: ids.groups,
        files,
        slice_definitions: slices::digests(&library, solved.iter().map(|image| &image.slices)),
    })
}

pub(crate) fn request(record: &PackageRecord, suite: &Suite) -> Request {
    Request {
        archive: suite.archive.clone(),
        path: record.filename.clone(),
        digest: record.digest,
        size: record.size,
        by_hash: false,
        state: None,
    }
}

/// Downloads what the cache does not have.
pub(crate) fn fetch(session: &Session, requests: &[Request]) -> Result<(), BuildError> {
    let mut missing: Vec<Request> = Vec::new();
    for request in requests {
        if !session.fetcher.seems_to_have(request)? {
            missing.push(request.clone());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    session.stage(Stage::Fetch, missing.len() as u64, || {
        session.fetcher.fetch_many(&missing, PARALLEL_DOWNLOADS)?;
        let bytes: u64 = missing.iter().map(|request| request.size).sum();
        let result = format!("{} packages, {:.1} MB", missing.len(), bytes as f64 / 1e6);
        Ok(((), result))
    })
}

/// A package's control member, as the cache remembers it, else read from its file, of this digest.
pub(crate) fn control(
    session: &Session,
    record: &PackageRecord,
    digest: &Digest,
) -> Result<Control, BuildError> {
    let control = control_of(session, record, digest)?;
    let promised = Promised {
        name: &record.name,
        version: record.version.as_str(),
        architecture: &record.architecture,
    };
    promised.check(&control)?;
    Ok(control)
}

fn control_of(
    session: &Session,
    record: &PackageRecord,
    digest: &Digest,
) -> Result<Control, BuildError> {
    #[derive(Serialize, Deserialize)]
    struct Fact {
        stanza: String,
        members: BTreeMap<String, Vec<u8>>,
        date: i64,
    }
    if let Some(bytes) = session.cache.fact("control", digest)?
        && let Ok(Fact {
            stanza,
            members,
            date,
        }) = postcard::from_bytes(&bytes)
    {
        return Ok(Control {
            stanza,
            members,
            date,
        });
    }
    let blob = session
        .cache
        .open_verified(digest, record.size)?
        .ok_or(BuildError::LostBlob { digest: *digest })?;
    let control = deb::read_control(blob, &deb::Limits::default())
        .map_err(|error| blame::of_package(&record.name, &record.version.to_string(), &error))?;
    let fact = Fact {
        stanza: control.stanza.clone(),
        members: control.members.clone(),
        date: control.date,
    };
    let bytes = postcard::to_stdvec(&fact).map_err(BuildError::record)?;
    session.cache.put_fact("control", digest, &bytes)?;
    Ok(control)
}

fn locked(
    session: &Session,
    spec: &LoadedSpec,
    record: &PackageRecord,
    suite: &Suite,
) -> Result<(LockedPackage, Explanation), BuildError> {
    let digest = session.fetcher.digest_of(&request(record, suite))?;
    let control = control(session, record, &digest)?;
    let explanation = explain(
        &PackageScripts {
            package: &record.name,
            version: record.version.as_str(),
            architecture: &record.architecture,
            members: &control.members,
            paths: &[],
        },
        &spec.base,
    );
    let scripts = explanation
        .scripts
        .iter()
        .filter(|script| script.name != "triggers" || script.verdict == Verdict::Declared)
        .map(|script| {
            let effects = match script.verdict {
                Verdict::NothingToDo => 0,
                _ => explanation.effects.len() as u32,
            };
            let locked = LockedScript {
                digest: script.digest,
                verdict: script.verdict.to_string(),
                effects,
            };
            (script.name.clone(), locked)
        })
        .collect();
    session.observer.step(Stage::Explain, &record.name);
    let package = LockedPackage {
        name: record.name.clone(),
        version: record.version.to_string(),
        architecture: record.architecture.clone(),
        source: record.source.clone(),
        source_version: record.source_version.to_string(),
        archive: suite.archive.clone(),
        suite: suite.suite.clone(),
        path: record.filename.clone(),
        size: record.size,
        sha256: digest,
        sha512: match record.digest {
            Promise::Sha512(promised) => Some(promised),
            Promise::Sha256(_) | Promise::Both(..) => None,
        },
        date: control.date,
        scripts,
    };
    Ok((package, explanation))
}

/// Explains a package's scripts, with what the spec declares about it.
pub(crate) fn explain(scripts: &PackageScripts<'_>, image: &ImageSpec) -> Explanation {
    let declared = image.effects.get(scripts.package).map(Vec::as_slice);
    basalt_effects::explain_answered(scripts, &image.debconf, declared)
}

/// Fails when any script has lines that nothing explains.
pub(crate) fn refuse_unexplained<'e>(
    explanations: impl Iterator<Item = &'e Explanation>,
) -> Result<(), BuildError> {
    let texts: Vec<String> = explanations
        .filter_map(Explanation::unexplained)
        .map(|unexplained| unexplained.to_string())
        .collect();
    match texts.is_empty() {
        true => Ok(()),
        false => Err(BuildError::Unexplained(texts.join("\n"))),
    }
}

/// A tree without packages has no content to read.
struct NoContents;

impl Contents for NoContents {
    fn read(&self, package: &str, _: &TreePath) -> std::io::Result<Vec<u8>> {
        Err(std::io::Error::other(format!("{package} is not there")))
    }
}

/// Allocates the ids that packages' scripts and the spec ask for; those of the former lock stay.
fn allocate(
    spec: &LoadedSpec,
    former: Option<&Lock>,
    controls: &[(LockedPackage, Explanation)],
) -> Result<Ids, BuildError> {
    let mut context = Context {
        ids: former.map_or_else(Ids::default, |lock| Ids {
            users: lock.users.clone(),
            groups: lock.groups.clone(),
        }),
        ..Context::default()
    };
    // Fixed ids need no allocation; a user with one may name a group that only the image has.
    // What stands under a condition gets its id all the same: which side counts, each image decides.
    let is_account = |effect: &Effect| {
        matches!(
            effect,
            Effect::User { uid: None, .. } | Effect::Group { gid: None, .. }
        )
    };
    let mut wanted: Vec<(String, Vec<Effect>)> = controls
        .iter()
        .map(|(package, explanation)| {
            let mut accounts = Vec::new();
            for effect in &explanation.effects {
                effect.each(&mut |one| {
                    if is_account(one) {
                        accounts.push(one.clone());
                    }
                });
            }
            (package.name.clone(), accounts)
        })
        .collect();
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    wanted.dedup_by(|a, b| a.0 == b.0);
    fix(spec, &wanted, &mut context.ids);
    wanted.insert(0, (String::new(), groups_of_others(&wanted)));
    let mut tree = Tree::new(0);
    apply::apply(&mut tree, &NoContents, &wanted, &mut context).map_err(|cause| {
        BuildError::Effects {
            image: spec.base.name.clone(),
            cause: Box::new(cause),
        }
    })?;
    Ok(context.ids)
}

/// Gives the users and groups that scripts make, and that the spec gives a number, that number.
fn fix(spec: &LoadedSpec, wanted: &[(String, Vec<Effect>)], ids: &mut Ids) {
    for effect in wanted.iter().flat_map(|(_, effects)| effects) {
        for (_, image) in spec.images() {
            let user = |name: &str| image.users.iter().find(|user| user.name == name);
            let group = |name: &str| {
                let own = image.groups.iter().find(|group| group.name == name);
                let of_user = user(name).and_then(|user| user.gid.or(user.uid));
                own.and_then(|group| group.gid).or(of_user)
            };
            if let Effect::User { name, .. } = effect
                && let Some(uid) = user(name).and_then(|user| user.uid)
            {
                ids.users.insert(name.clone(), uid);
            }
            if let Effect::User {
                name, group: None, ..
            }
            | Effect::Group { name, .. } = effect
                && let Some(gid) = group(name)
            {
                ids.groups.insert(name.clone(), gid);
            }
        }
    }
}

/// The groups that users are put into and no effect makes: those of base-passwd. They stand in with
/// fixed ids above the range that is allocated from, and are not recorded. The one that base-passwd
/// has within that range stands in with its own.
fn groups_of_others(wanted: &[(String, Vec<Effect>)]) -> Vec<Effect> {
    let effects = || wanted.iter().flat_map(|(_, effects)| effects);
    let made: BTreeSet<&String> = effects()
        .filter_map(|effect| match effect {
            Effect::Group { name, .. } => Some(name),
            _ => None,
        })
        .collect();
    let named: BTreeSet<&String> = effects()
        .filter_map(|effect| match effect {
            Effect::User { group, .. } => group.as_ref(),
            _ => None,
        })
        .collect();
    let within = ("users".to_owned(), 100);
    let stand_in = |(name, gid): (String, u32)| Effect::Group {
        name,
        gid: Some(gid),
    };
    let others = named.difference(&made).map(|name| (*name).clone());
    let others = others.filter(|name| *name != within.0).zip(60_000..);
    let within_too = (!made.contains(&within.0)).then(|| within.clone());
    others.chain(within_too).map(stand_in).collect()
}
