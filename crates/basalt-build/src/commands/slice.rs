//! What of packages their programs reach: the facts behind `basalt slice`.

use basalt_fetch::distribution;
use basalt_reach::{Reach, Wish, reach};
use basalt_tree::{Owner, Tree};

use crate::assemble::images::assemble_all;
use crate::error::BuildError;
use crate::plan::job::jobs;
use crate::plan::request::BuildRequest;
use crate::project::project::Project;
use crate::read::contents::PackageContents;
use crate::resolve::lock::resolve;
use crate::run::session::Session;
use crate::run::stage::CacheReport;

/// Directories whose programs are the roots when nobody names any.
const PROGRAMS: [&str; 3] = ["usr/bin/", "usr/sbin/", "usr/games/"];

/// What to slice.
#[derive(Debug, Clone, Default)]
pub struct SliceRequest {
    /// The packages whose programs are the roots when none are named.
    pub packages: Vec<String>,
    /// Where to begin, what to keep, which ways to leave.
    pub wish: Wish,
}

/// An image's tree, and what is reached in it.
#[derive(Debug)]
pub struct SliceOutcome {
    /// The tree, with all its packages.
    pub tree: Tree,
    /// What is reached.
    pub reach: Reach,
    /// The roots, as they were named or found.
    pub roots: Vec<String>,
}

/// Assembles the first image of a spec as a build would, without a lock or an image, and finds what is
/// reached in it.
///
/// # Errors
/// As [`crate::lock`]; when a root matches nothing, or what is reached cannot start.
pub fn slice(
    session: &Session,
    project: &Project,
    request: &SliceRequest,
) -> Result<SliceOutcome, BuildError> {
    if distribution::find(&project.spec.base.distribution, &project.spec.release).is_none() {
        return Err(BuildError::Spec(format!(
            "the release `{}` of {} is not known",
            project.spec.release, project.spec.base.distribution
        )));
    }
    let mut lock = resolve(session, project, None)?;
    lock.sort();
    let jobs = jobs(session, project, &lock, &BuildRequest::default())?;
    let wanted: Vec<_> = jobs.iter().take(1).collect();
    let mut trees = assemble_all(session, &lock, &wanted, &mut CacheReport::default())?;
    let (Some((packages, assembled)), Some(job)) = (trees.pop(), jobs.first()) else {
        return Err(BuildError::Spec("the spec has no image".to_owned()));
    };
    let mut wish = request.wish.clone();
    if wish.roots.is_empty() {
        wish.roots = programs(&assembled.tree, &request.packages);
    }
    let failed = |cause| BuildError::Reach {
        image: job.title.clone(),
        cause: Box::new(cause),
    };
    if wish.roots.is_empty() {
        return Err(failed(basalt_reach::ReachError::NoRoots));
    }
    let contents = PackageContents::new(&session.cache, &packages);
    let reach = reach(&assembled.tree, &contents, &wish).map_err(failed)?;
    Ok(SliceOutcome {
        tree: assembled.tree,
        reach,
        roots: wish.roots,
    })
}

/// The programs that packages bring.
fn programs(tree: &Tree, packages: &[String]) -> Vec<String> {
    tree.iter()
        .filter(|(path, placed)| {
            let is_program = PROGRAMS
                .iter()
                .any(|directory| path.as_str().starts_with(directory));
            let is_theirs =
                matches!(&placed.owner, Owner::Package(name) if packages.contains(name));
            is_program && is_theirs && !placed.entry.is_directory()
        })
        .map(|(path, _)| path.absolute())
        .collect()
}
