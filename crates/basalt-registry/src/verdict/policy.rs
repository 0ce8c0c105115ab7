//! Policies with the keys that their files hold.

use std::path::Path;

use basalt_attest::policy::{Age, Policy as Signed, Signers};
use basalt_attest::{Authority, Identity, PublicKey, TrustedRoot};

use super::base::Base;
use super::rule::{Consequence, Except, IdentityRule, Occasion, Rule};
use super::signature::Signatures;
use super::vulnerability::{Source, Vulnerabilities};
use crate::access::Glob;
use crate::name::RepositoryName;
use crate::service::ServeError;

/// What must be so of the images of some repositories.
#[derive(Debug)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// What happens when it is not met.
    pub consequence: Consequence,
    /// Whom it is not for.
    pub except: Except,
    repositories: Vec<Glob>,
    on: Vec<Occasion>,
    pub(super) signatures: Option<Signatures>,
    pub(super) created_within: Option<Age>,
    pub(super) bases: Vec<Base>,
    pub(super) vulnerabilities: Option<Vulnerabilities>,
}

impl Policy {
    /// Reads the files that a rule names. `own`: the host by which clients know this registry.
    ///
    /// # Errors
    /// When one cannot be read, or holds something else.
    pub fn new(
        rule: Rule,
        own: Option<&str>,
        read: &impl Fn(&'static str, &Path) -> Result<String, ServeError>,
    ) -> Result<Self, ServeError> {
        let signatures = rule.require.signature.map(|signed| {
            let root = signed.trusted_root.as_deref();
            let signers = signers(&signed.keys, &signed.identities, root, read)?;
            let names = signers.named.iter().map(|(name, _)| name.clone());
            let mut policy = Signed::of_signers(names, signed.threshold);
            policy.signatures.maximum_age = signed.maximum_age;
            Ok::<_, ServeError>(Signatures { policy, signers })
        });
        let vulnerabilities = rule.require.no_fixable_vulnerability.map(|scanned| {
            let root = scanned.trusted_root.as_deref();
            let signers = signers(&scanned.keys, &scanned.identities, root, read)?;
            Ok::<_, ServeError>(Vulnerabilities {
                from: scanned.from,
                source: Source::Attested {
                    signers,
                    maximum_age: scanned.maximum_age,
                },
            })
        });
        let bases = rule.require.base.into_iter();
        Ok(Self {
            name: rule.name,
            consequence: rule.otherwise,
            except: rule.except,
            repositories: rule.repositories,
            on: rule.on,
            signatures: signatures.transpose()?,
            created_within: rule.require.created_within,
            bases: bases.map(|base| base.known_as(own)).collect(),
            vulnerabilities: vulnerabilities.transpose()?,
        })
    }

    /// Whether it is about a repository then.
    pub fn fits(&self, repository: &RepositoryName, occasion: Occasion) -> bool {
        let mut globs = self.repositories.iter();
        self.on.contains(&occasion) && globs.any(|glob| glob.fits(repository.as_str()))
    }

    /// The first thing that it requires, as the configuration has it.
    pub(super) fn first_requirement(&self) -> &'static str {
        match self {
            _ if self.signatures.is_some() => "signature",
            _ if self.created_within.is_some() => "created-within",
            _ if !self.bases.is_empty() => "base",
            _ => "no-fixable-vulnerability",
        }
    }
}

/// Those who may vouch, each once, by the names of their files or what their certificates say.
fn signers(
    keys: &[std::path::PathBuf],
    identities: &[IdentityRule],
    root: Option<&Path>,
    read: &impl Fn(&'static str, &Path) -> Result<String, ServeError>,
) -> Result<Signers, ServeError> {
    const KEY: &str = "the key of a policy";
    const ROOT: &str = "the trusted root of a policy";
    let unusable = |what, path: &Path, cause: String| ServeError::File {
        what,
        path: path.to_owned(),
        cause,
    };
    let mut signers = Signers::default();
    for path in keys {
        let key = PublicKey::from_pem(&read(KEY, path)?)
            .map_err(|error| unusable(KEY, path, error.to_string()))?;
        let authority = Authority::Key(key);
        if signers.named.iter().any(|(_, known)| *known == authority) {
            let cause = "the same key stands twice, and would count twice".to_owned();
            return Err(unusable(KEY, path, cause));
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        let mut name = name.to_string_lossy().into_owned();
        if signers.named.iter().any(|(known, _)| *known == name) {
            name = path.display().to_string();
        }
        signers.named.push((name, authority));
    }
    for rule in identities {
        let identity = Identity {
            subject: rule.identity.clone(),
            issuer: rule.issuer.clone(),
        };
        let name = identity.to_string();
        let authority = Authority::Identity(identity);
        if !signers.named.iter().any(|(_, known)| *known == authority) {
            signers.named.push((name, authority));
        }
    }
    if let Some(path) = root {
        let root = TrustedRoot::read(&read(ROOT, path)?)
            .map_err(|error| unusable(ROOT, path, error.to_string()))?;
        signers.root = Some(root);
    }
    Ok(signers)
}
