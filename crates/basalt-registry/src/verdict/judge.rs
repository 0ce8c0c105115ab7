//! Holding policies against an image.

use serde::Serialize;

use super::image::{Subject, Target};
use super::policy::Policy;
use super::rule::{Consequence, Occasion};
use super::shelf::{MOST, Shelf};
use super::{base, created};
use crate::metadata::Moment;

/// A requirement that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmet {
    /// The manifest that it is not met for.
    pub digest: String,
    /// What is there.
    pub found: String,
    /// What would meet it.
    pub wanted: String,
}

/// A policy that an image does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Breach {
    /// The policy.
    pub policy: String,
    /// What happens.
    #[serde(rename = "else")]
    pub consequence: Consequence,
    /// Which of its requirements, as the configuration has it.
    pub requirement: &'static str,
    /// The manifest that it is not met for: the image, or one that it lists.
    pub digest: String,
    /// What is there.
    pub found: String,
    /// What would meet it.
    pub wanted: String,
}

/// Every policy of these that is not met: the first of its requirements that is not. None is for what nobody runs:
/// signatures, bills of materials, whatever else is attached.
pub(super) fn judge<'a>(
    policies: impl Iterator<Item = &'a Policy>,
    shelf: &Shelf,
    subject: &Subject,
    occasion: Occasion,
    now: Moment,
) -> Vec<Breach> {
    let Some(mut target) = Target::of(shelf, subject) else {
        return Vec::new();
    };
    let now = now.div_euclid(1000);
    let mut breaches = Vec::new();
    for policy in policies.filter(|policy| policy.fits(&subject.repository, occasion)) {
        let mut unmet = first_unmet(policy, shelf, &target, now);
        if shelf.is_exhausted() && target.problem.is_none() {
            // What was found with a part of the evidence does not count.
            target.problem = Some(format!("more is attached to it than is looked at: {MOST}"));
            unmet = first_unmet(policy, shelf, &target, now);
        }
        breaches.extend(unmet.map(|(requirement, unmet)| Breach {
            policy: policy.name.clone(),
            consequence: policy.consequence,
            requirement,
            digest: unmet.digest,
            found: unmet.found,
            wanted: unmet.wanted,
        }));
    }
    breaches
}

fn first_unmet(
    policy: &Policy,
    shelf: &Shelf,
    target: &Target,
    now: i64,
) -> Option<(&'static str, Unmet)> {
    let named = |name| move |unmet| (name, unmet);
    let signature = policy.signatures.as_ref();
    let within = policy.created_within.as_ref();
    let vulnerabilities = policy.vulnerabilities.as_ref();
    if let Some(problem) = &target.problem {
        let unmet = Unmet {
            digest: target.digest.to_string(),
            found: problem.chars().take(500).collect(),
            wanted: "an image, or an index of fewer, that every program reads alike".to_owned(),
        };
        return Some((policy.first_requirement(), unmet));
    }
    signature
        .and_then(|one| one.unmet(shelf, target, now))
        .map(named("signature"))
        .or_else(|| {
            let unmet = within.and_then(|within| created::unmet(shelf, target, within, now));
            unmet.map(named("created-within"))
        })
        .or_else(|| {
            let bases = &policy.bases;
            let unmet = match bases.is_empty() {
                true => None,
                false => base::unmet(shelf, target, bases),
            };
            unmet.map(named("base"))
        })
        .or_else(|| {
            let unmet = vulnerabilities.and_then(|one| one.unmet(shelf, target, now));
            unmet.map(named("no-fixable-vulnerability"))
        })
}
