//! What the control members of the chosen packages say.

use std::collections::BTreeMap;

use basalt_deb::deb::{self, Control};
use basalt_deb::packages::PackageRecord;
use basalt_digest::{Digest, Promise};
use basalt_effects::{Explanation, PackageScripts, Verdict};
use basalt_fetch::Request;
use basalt_lock::{LockedPackage, LockedScript};
use basalt_spec::ImageSpec;
use serde::{Deserialize, Serialize};

use crate::control::claim::Promised;
use crate::control::scripts::explain;
use crate::error::BuildError;
use crate::resolve::archives::Suite;
use crate::run::cause;
use crate::run::session::Session;
use crate::run::stage::Stage;

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

/// A package's control member, as the cache remembers it, else read from its file, of this digest.
///
/// # Errors
/// When the cache has neither, or the package is another than was promised.
pub(crate) fn control(
    session: &Session,
    record: &PackageRecord,
    digest: &Digest,
) -> Result<Control, BuildError> {
    let promised = Promised {
        name: &record.name,
        version: record.version.as_str(),
        architecture: &record.architecture,
    };
    control_of(session, &promised, digest, record.size)
}

/// As [`control`], of a package that a lock names.
pub(crate) fn locked_control(
    session: &Session,
    package: &LockedPackage,
) -> Result<Control, BuildError> {
    let promised = Promised {
        name: &package.name,
        version: &package.version,
        architecture: &package.architecture,
    };
    control_of(session, &promised, &package.sha256, package.size)
}

fn control_of(
    session: &Session,
    promised: &Promised<'_>,
    digest: &Digest,
    size: u64,
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
        let control = Control {
            stanza,
            members,
            date,
        };
        promised.check(&control)?;
        return Ok(control);
    }
    let blob = session
        .cache
        .open_verified(digest, size)?
        .ok_or(BuildError::LostBlob { digest: *digest })?;
    let control = deb::read_control(blob, &deb::Limits::default())
        .map_err(|error| cause::of_package(promised.name, promised.version, &error))?;
    let fact = Fact {
        stanza: control.stanza.clone(),
        members: control.members.clone(),
        date: control.date,
    };
    let bytes = postcard::to_stdvec(&fact).map_err(BuildError::record)?;
    session.cache.put_fact("control", digest, &bytes)?;
    promised.check(&control)?;
    Ok(control)
}

pub(crate) fn locked(
    session: &Session,
    image: &ImageSpec,
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
        image,
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
