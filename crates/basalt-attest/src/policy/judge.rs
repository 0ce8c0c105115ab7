//! Holding a policy against what is attached to an image.

use basalt_digest::Digest;
use basalt_oci::{Descriptor, ImageStore};
use serde_json::Value;

use super::{Age, Policy, Signers, predicate_name, predicate_uri};
use crate::attached::{Attached, attached};
use crate::claim::Claim;
use crate::error::AttestError;
use crate::provenance::Provenance;
use crate::statement::predicate_type;
use crate::verify::{Authority, Refusal, Verified, verify};

/// How far a clock may be behind the signer's, in seconds.
const CLOCK_SKEW: i64 = 300;

/// Something attached that is signed, and what became of it.
#[derive(Debug)]
pub struct Evidence {
    /// What is attached.
    pub attached: Attached,
    /// What it states and who vouches for it, or why it counts for nothing.
    pub outcome: Result<Verified, Refusal>,
}

/// A rule that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The rule's key in the policy.
    pub rule: String,
    /// The manifest it is not met for.
    pub digest: Digest,
    /// What is wrong.
    pub problem: String,
    /// What would satisfy it.
    pub remedy: String,
}

/// An image, and the images it lists if it is an index.
#[derive(Debug)]
pub struct Judged<'a> {
    /// What is judged.
    pub target: &'a Descriptor,
    /// Every manifest within that an engine could run, also in indexes within ([`basalt_oci::covered`]).
    pub images: &'a [Descriptor],
    /// The digests of those that cannot be verified by themselves: only what is said of the index covers them.
    pub uncovered: &'a [String],
}

/// The most digests that a message names.
const NAMED: usize = 5;

/// Verifies all that is signed and attached to an image or the images within it.
///
/// # Errors
/// When the place cannot be read. What is attached and not sound is evidence that counts for nothing.
pub fn gather(
    store: &dyn ImageStore,
    judged: &Judged<'_>,
    signers: &Signers,
) -> Result<Vec<Evidence>, AttestError> {
    let authorities: Vec<Authority> = signers.named.iter().map(|(_, one)| one.clone()).collect();
    let root = signers.root.as_ref();
    let mut found = Vec::new();
    for subject in std::iter::once(judged.target).chain(judged.images) {
        for attached in attached(store, subject)? {
            if attached.is_signed() {
                let bytes = attached.read(store)?;
                let outcome = verify(&attached, &bytes, &authorities, root);
                found.push(Evidence { attached, outcome });
            }
        }
    }
    Ok(found)
}

impl Policy {
    /// Every rule that is not met, given the evidence and the time (seconds since 1970). Nothing: the image is good.
    ///
    /// What is said of an index holds for the images it lists; what is said of each of these holds for the index.
    pub fn judge(
        &self,
        judged: &Judged<'_>,
        signers: &Signers,
        evidence: &[Evidence],
        now: i64,
    ) -> Vec<Unmet> {
        let case = Case {
            judged,
            signers,
            evidence,
            now,
        };
        let mut unmet = Vec::new();
        unmet.extend(self.signatures(&case));
        for rule in &self.attestations {
            let uri = predicate_uri(&rule.kind).unwrap_or(&rule.kind);
            unmet.extend(case.attestation(uri, &rule.by, rule.maximum_age.as_ref()));
        }
        if self.asks_for_provenance() {
            unmet.extend(self.provenance(&case));
        }
        unmet
    }

    fn signatures(&self, case: &Case<'_>) -> Option<Unmet> {
        let rule = &self.signatures;
        let counted: Vec<usize> = case.places(&rule.by);
        let threshold = rule.threshold.unwrap_or(counted.len());
        let kind = predicate_type::COSIGN_SIGN;
        let mut good = Vec::new();
        let mut old = false;
        for place in &counted {
            let own = [*place];
            let fresh = |subject: &Digest| {
                let mut claims = case.found(subject, kind, &own);
                claims.any(|claim| case.age(claim, rule.maximum_age.as_ref()).is_ok())
            };
            let signed = |subject: &Digest| case.found(subject, kind, &own).next().is_some();
            if case.missing(fresh).is_none() {
                good.push(*place);
            } else if case.missing(signed).is_none() {
                old = true;
            }
        }
        if good.len() >= threshold {
            return None;
        }
        let names = |places: &[usize]| {
            let names = places
                .iter()
                .filter_map(|place| case.signers.named.get(*place));
            names
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let lacking: Vec<usize> = counted
            .iter()
            .copied()
            .filter(|one| !good.contains(one))
            .collect();
        let problem = match good.len() {
            0 => format!("nobody of {} signed it", names(&lacking)),
            _ => format!("only {} signed it", names(&good)),
        };
        let age = match &rule.maximum_age {
            Some(age) if old => format!(" within the last {age}"),
            _ => String::new(),
        };
        let signed = |subject: &Digest| case.found(subject, kind, &counted).next().is_some();
        let left = case.left(signed);
        Some(Unmet {
            rule: "signatures".to_owned(),
            digest: case.judged.target.digest,
            problem: format!("{problem}{age}, where {threshold} must{left}"),
            remedy: format!("a signature by {} (`basalt sign`)", names(&lacking)),
        })
    }

    /// The rules that read the provenance: one that is signed must meet them all, for the index or for each image.
    fn provenance(&self, case: &Case<'_>) -> Vec<Unmet> {
        let kind = predicate_type::SLSA_V1;
        let by = self
            .attestations
            .iter()
            .find(|rule| predicate_uri(&rule.kind) == Some(kind));
        let places = case.places(by.map_or(&[], |rule| rule.by.as_slice()));
        let problems = |subject: &Digest| {
            let each = case
                .found(subject, kind, &places)
                .map(|claim| self.read(claim));
            each.min_by_key(Vec::len)
        };
        let Some(digest) =
            case.missing(|subject| problems(subject).is_some_and(|problems| problems.is_empty()))
        else {
            return Vec::new();
        };
        let found = problems(&digest).unwrap_or_else(|| {
            vec![(
                "attestations",
                "there is no signed provenance".to_owned(),
                "a provenance of type slsaprovenance1 (`basalt attest --provenance`)".to_owned(),
            )]
        });
        let unmet = found.into_iter().map(|(rule, problem, remedy)| Unmet {
            rule: rule.to_owned(),
            digest,
            problem,
            remedy,
        });
        unmet.collect()
    }

    /// What a provenance says against these rules.
    fn read(&self, claim: &Claim) -> Vec<(&'static str, String, String)> {
        let mut problems = Vec::new();
        let Claim::Statement(statement) = claim else {
            return problems;
        };
        let provenance: Provenance = match statement.predicate_as() {
            Ok(provenance) => provenance,
            Err(error) => {
                let problem = format!("the provenance cannot be read: {error}");
                let remedy = "a sound provenance of type slsaprovenance1".to_owned();
                return vec![("attestations", problem, remedy)];
            }
        };
        let builder = &provenance.run_details.builder.id;
        if !self.builders.is_empty() && !self.builders.contains(builder) {
            problems.push((
                "builders",
                format!("it was built by `{builder}`"),
                format!("a build by one of {}", self.builders.join(", ")),
            ));
        }
        let bases = base_images(&provenance);
        if !self.base_images.is_empty() && !bases.iter().any(|one| self.base_images.contains(one)) {
            let found = match bases.first() {
                Some(base) => format!("its base image is {base}"),
                None => "its provenance names no base image".to_owned(),
            };
            let allowed: Vec<String> = self.base_images.iter().map(Digest::to_string).collect();
            let remedy = format!("a build on one of {}", allowed.join(", "));
            problems.push(("base-images", found, remedy));
        }
        for (rule, asked, place, what) in [
            (
                "no-unexplained-scripts",
                self.no_unexplained_scripts,
                "/scripts/unexplained",
                "scripts that nothing explains",
            ),
            (
                "no-declared-effects",
                self.no_declared_effects,
                "/scripts/declaredEffects",
                "effects declared in the spec",
            ),
        ] {
            if !asked {
                continue;
            }
            let parameters = &provenance.build_definition.internal_parameters;
            let problem = match parameters.pointer(place).map(names) {
                Some(Some(names)) if names.is_empty() => continue,
                Some(Some(names)) => format!("there are {what}: {}", names.join(", ")),
                _ => format!("its provenance does not say whether there are {what}"),
            };
            problems.push((rule, problem, format!("a build without {what}")));
        }
        problems
    }
}

/// The digests of the base images that a provenance names: dependencies called `base`.
fn base_images(provenance: &Provenance) -> Vec<Digest> {
    let dependencies = &provenance.build_definition.resolved_dependencies;
    let bases = dependencies.iter().filter(|one| one.name == "base");
    bases.filter_map(|one| one.sha256()).collect()
}

/// A list of texts; anything else is none.
fn names(value: &Value) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter();
    texts.map(|one| one.as_str().map(str::to_owned)).collect()
}

/// What is judged, by what.
struct Case<'a> {
    judged: &'a Judged<'a>,
    signers: &'a Signers,
    evidence: &'a [Evidence],
    now: i64,
}

impl Case<'_> {
    /// The places of the signers of these names; all, when none is named.
    fn places(&self, names: &[String]) -> Vec<usize> {
        let named = |(place, (name, _)): (usize, &(String, Authority))| {
            (names.is_empty() || names.contains(name)).then_some(place)
        };
        self.signers
            .named
            .iter()
            .enumerate()
            .filter_map(named)
            .collect()
    }

    /// Verified claims of this kind about this manifest by one of these signers.
    fn found<'b>(
        &'b self,
        subject: &'b Digest,
        kind: &'b str,
        places: &'b [usize],
    ) -> impl Iterator<Item = &'b Claim> {
        let verified = self.evidence.iter().filter_map(|one| {
            let verified = one.outcome.as_ref().ok()?;
            (one.attached.subject == *subject).then_some(verified)
        });
        let by = |verified: &&Verified| verified.signers.iter().any(|one| places.contains(one));
        verified
            .filter(by)
            .map(|verified| &verified.claim)
            .filter(move |claim| claim.predicate_type() == kind)
    }

    /// The manifest that lacks something: none, when the target has it or each of the images within.
    fn missing(&self, has: impl Fn(&Digest) -> bool) -> Option<Digest> {
        let target = self.judged.target.digest;
        if has(&target) {
            return None;
        }
        if !self.judged.uncovered.is_empty() {
            return Some(target);
        }
        match self.judged.images.iter().find(|image| !has(&image.digest)) {
            Some(image) if self.judged.images.iter().any(|one| has(&one.digest)) => {
                Some(image.digest)
            }
            None if !self.judged.images.is_empty() => None,
            _ => Some(target),
        }
    }

    /// The manifests within that lack what others have, in words; nothing when none has it, or there are none.
    fn left(&self, has: impl Fn(&Digest) -> bool) -> String {
        let images = self.judged.images;
        let lacking = images.iter().filter(|image| !has(&image.digest));
        let mut left: Vec<String> = lacking.map(|image| image.digest.to_string()).collect();
        if left.len() == images.len() && self.judged.uncovered.is_empty() {
            return String::new();
        }
        left.extend(self.judged.uncovered.iter().cloned());
        let more = left.len().saturating_sub(NAMED);
        left.truncate(NAMED);
        match (left.is_empty(), more) {
            (true, _) => String::new(),
            (_, 0) => format!("; not covered: {}", left.join(", ")),
            _ => format!("; not covered: {}, and {more} more", left.join(", ")),
        }
    }

    fn attestation(&self, uri: &str, by: &[String], maximum: Option<&Age>) -> Option<Unmet> {
        let places = self.places(by);
        let found = |subject: &Digest| self.found(subject, uri, &places).next().is_some();
        let name = predicate_name(uri);
        let signers: Vec<&str> = places
            .iter()
            .filter_map(|place| self.signers.named.get(*place))
            .map(|(name, _)| name.as_str())
            .collect();
        let unmet = |digest, problem| Unmet {
            rule: format!("attestations: {name}"),
            digest,
            problem,
            remedy: format!(
                "an attestation of type {name} by {} (`basalt attest --type {name}`)",
                signers.join(" or ")
            ),
        };
        if let Some(digest) = self.missing(found) {
            let kinds = self.kinds(&digest);
            let problem = match kinds.is_empty() {
                true => "nothing is attested by these signers".to_owned(),
                false => format!("attested is only: {}", kinds.join(", ")),
            };
            return Some(unmet(digest, problem));
        }
        let fresh = |subject: &Digest| {
            let mut claims = self.found(subject, uri, &places);
            claims.any(|claim| self.age(claim, maximum).is_ok())
        };
        let digest = self.missing(fresh)?;
        let mut claims = self.found(&digest, uri, &places);
        let problem = claims.find_map(|claim| self.age(claim, maximum).err());
        Some(unmet(digest, problem.unwrap_or_default()))
    }

    /// The types of what is attested about a manifest, in short.
    fn kinds(&self, subject: &Digest) -> Vec<&str> {
        let here = self
            .evidence
            .iter()
            .filter(|one| one.attached.subject == *subject);
        let claims = here.filter_map(|one| one.outcome.as_ref().ok());
        let mut kinds: Vec<&str> = claims
            .map(|verified| predicate_name(verified.claim.predicate_type()))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// Whether a claim is young enough; what has no date is not.
    fn age(&self, claim: &Claim, maximum: Option<&Age>) -> Result<(), String> {
        let Some(maximum) = maximum else {
            return Ok(());
        };
        let Some(date) = claim.date() else {
            return Err(format!("it has no date, and may be at most {maximum} old"));
        };
        let shown = basalt_oci::date(date);
        if date > self.now.saturating_add(CLOCK_SKEW) {
            Err(format!("its date {shown} is to come"))
        } else if self.now.saturating_sub(date) > maximum.seconds() {
            Err(format!("it is of {shown}, more than {maximum} ago"))
        } else {
            Ok(())
        }
    }
}
