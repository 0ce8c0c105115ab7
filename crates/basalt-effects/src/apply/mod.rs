//! Effects applied to a tree: what maintainer scripts and triggers would have done, done to data.
//!
//! The order is fixed: conditions are asked of the tree as packages and spec made it, then users and groups, diversions, paths, alternatives, shells, then the native
//! writers, the linker cache last. Applying the same effects twice changes nothing.

mod accounts;
mod alternatives;
mod capabilities;
mod certificate_name;
mod certificates;
mod conditions;
mod desktop;
mod error;
mod identities;
mod keystore;
mod limits;
mod lines;
mod linker;
mod locales;
mod markup;
mod pam;
mod paths;
mod patterns;
mod php;
mod shells;
mod static_accounts;
mod sysusers;
mod tmpfiles;
mod ucf;
mod users;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use basalt_tree::{Contents, Tree};

pub use accounts::{Accounts, NewUser};
pub use certificate_name::subject_hash;
pub use certificates::{certificates_of, pem_blocks};
pub use error::ApplyError;
pub use identities::Ids;
pub use keystore::keystore;
pub use pam::{Profile, profile};
pub use sysusers::{SystemUserLine, system_users};
pub use tmpfiles::{TemporaryFileLine, temporary_files};

use crate::effect::{Effect, Writer};
use work::{Step, Work};

/// What applying effects needs to know besides the tree.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The image's architecture in Debian's words: `amd64`.
    pub architecture: String,
    /// Time of everything generated, seconds since 1970.
    pub epoch: i64,
    /// Ids of users and groups: those of the lock on entry, all allocated ones after.
    pub ids: Ids,
    /// Versions of the packages of the image by name.
    pub versions: BTreeMap<String, String>,
    /// Answers to debconf questions by name: `ca-certificates/trust_new_crts`.
    pub answers: BTreeMap<String, String>,
    /// Packages of which only slices are in the image: what their scripts do to files that were
    /// sliced away is not done.
    pub partial: BTreeSet<String>,
    /// Whether what packages bring into a directory that a script makes a link goes where the link leads:
    /// from compatibility 4 on. Before, it was lost.
    pub fills_links: bool,
}

/// Applies each package's effects to the tree, then runs the native writers they ask for.
///
/// Packages are taken by name, whatever their order in `wanted`, so ids do not depend on it.
///
/// # Errors
/// When an effect names something that the tree does not have, a file cannot be understood, or the
/// tree cannot hold the result; the tree is then half changed and must be thrown away.
pub fn apply(
    tree: &mut Tree,
    contents: &dyn Contents,
    wanted: &[(String, Vec<Effect>)],
    context: &mut Context,
) -> Result<(), ApplyError> {
    let mut work = Work::new(tree, contents, context);
    let mut steps = conditions::settle(&work, wanted)?;
    // Stable, so a package's effects keep the order of its script.
    steps.sort_by(|a, b| a.package.cmp(b.package));
    limits::check(&steps)?;
    users::apply(&mut work, &steps)?;
    paths::divert(&mut work, &steps)?;
    paths::apply(&mut work, &steps)?;
    alternatives::apply(&mut work, &steps)?;
    shells::apply(&mut work, &steps)?;
    if let Some(package) = runs(&steps, Writer::TemporaryFiles) {
        tmpfiles::apply(&mut work, package)?;
    }
    if let Some(package) = runs(&steps, Writer::SgmlCatalogs) {
        markup::sgml(&mut work, package)?;
    }
    if let Some(package) = runs(&steps, Writer::XmlCatalogs) {
        markup::xml(&mut work, package)?;
    }
    if let Some(package) = runs(&steps, Writer::Locales) {
        locales::apply(&mut work, package)?;
    }
    if let Some(package) = runs(&steps, Writer::PhpModules) {
        php::apply(&mut work, package)?;
    }
    if let Some(package) = runs(&steps, Writer::CertificateBundle) {
        certificates::apply(&mut work, package)?;
    }
    if let Some(package) = runs(&steps, Writer::JavaKeystore) {
        keystore::apply(&mut work, package)?;
    }
    if let Some(package) = runs(&steps, Writer::PamCommon) {
        pam::apply(&mut work, package)?;
    }
    desktop::apply(&mut work, &steps)?;
    // Last, as the writers before may bring libraries or their configuration.
    if let Some(package) = runs(&steps, Writer::LinkerCache) {
        linker::apply(&mut work, package)?;
    }
    Ok(())
}

/// Adds a user of the spec to the tree's account files, making minimal ones when there are none.
/// A group of the same name is made unless `group` names one that exists. Returns its uid.
///
/// # Errors
/// When the name or an id is taken by another, or the account files cannot be understood.
pub fn add_user(
    tree: &mut Tree,
    contents: &dyn Contents,
    user: &NewUser,
    owner: &basalt_tree::Owner,
    context: &mut Context,
) -> Result<u32, ApplyError> {
    let mut work = Work::new(tree, contents, context);
    users::add_user(&mut work, user, owner)
}

/// Adds a group of the spec to the tree's account files, making minimal ones when there are none.
/// Returns its gid.
///
/// # Errors
/// As [`add_user`].
pub fn add_group(
    tree: &mut Tree,
    contents: &dyn Contents,
    name: &str,
    gid: Option<u32>,
    members: &[String],
    owner: &basalt_tree::Owner,
    context: &mut Context,
) -> Result<u32, ApplyError> {
    let mut work = Work::new(tree, contents, context);
    users::add_group(&mut work, name, gid, members, owner)
}

/// The package that asks for a writer: the one whose name comes first, when several do.
fn runs<'a>(steps: &[Step<'a>], wanted: Writer) -> Option<&'a str> {
    steps.iter().find_map(|step| match step.effect {
        Effect::Run { writer } if *writer == wanted => Some(step.package),
        _ => None,
    })
}
