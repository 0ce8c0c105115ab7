//! What must be so of an image before it is used: who signed it, what is attested, by which builder, how old.

mod age;
mod judge;

use std::collections::BTreeMap;

use basalt_digest::Digest;
use schemars::JsonSchema;
use serde::Deserialize;

pub use age::Age;
pub use judge::{Evidence, Judged, Unmet, gather};

use crate::keyless::TrustedRoot;
use crate::statement::predicate_type;
use crate::verify::Authority;

/// A policy, as a person writes it in YAML. A key that is not listed is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// Who may vouch, by names of your own.
    pub signers: BTreeMap<String, SignerRule>,
    /// The authorities and logs that certificates are verified against: a file relative to the policy.
    pub trusted_root: Option<String>,
    /// How many of them must have signed the image.
    #[serde(default)]
    pub signatures: SignatureRule,
    /// What must be attested.
    #[serde(default)]
    pub attestations: Vec<AttestationRule>,
    /// Builders of whom one must have made the image, as its provenance says.
    #[serde(default)]
    pub builders: Vec<String>,
    /// Digests of base images of which it must be made, as its provenance says.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub base_images: Vec<Digest>,
    /// The provenance must say that every line of its packages' scripts is explained.
    #[serde(default)]
    pub no_unexplained_scripts: bool,
    /// The provenance must say that the spec declares no effects in place of scripts.
    #[serde(default)]
    pub no_declared_effects: bool,
}

/// Who may vouch: whoever has a key, or got a certificate of an identity from an issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignerRule {
    /// A public key: a file relative to the policy, or `env://NAME`.
    pub key: Option<String>,
    /// The identity in a certificate: an address, or the URI of a workflow.
    pub identity: Option<String>,
    /// The OIDC issuer that vouched for the identity.
    pub issuer: Option<String>,
}

/// How many signers must have signed the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignatureRule {
    /// How many different ones [default: all of them]. 0: none need be, when something is attested.
    pub threshold: Option<usize>,
    /// Which of them count [default: all].
    #[serde(default)]
    pub by: Vec<String>,
    /// How old a signature may be: `90 days`.
    pub maximum_age: Option<Age>,
}

/// What must be attested.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AttestationRule {
    /// The type of predicate: `slsaprovenance1`, `spdx`, `cyclonedx`, `openvex`, `vuln`, or a URI.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which signers count [default: all].
    #[serde(default)]
    pub by: Vec<String>,
    /// How old it may be, by the date that is signed in it.
    pub maximum_age: Option<Age>,
}

/// The signers of a policy, each once.
#[derive(Debug, Default)]
pub struct Signers {
    /// Their names, and who they are.
    pub named: Vec<(String, Authority)>,
    /// What their certificates are verified against.
    pub root: Option<TrustedRoot>,
}

/// The URI of a type of predicate that is named in short.
pub fn predicate_uri(name: &str) -> Option<&str> {
    let known = NAMES.iter().find(|(short, _)| *short == name);
    match known {
        Some((_, uri)) => Some(uri),
        None if name.contains("://") => Some(name),
        None => None,
    }
}

/// The short name of a type of predicate, or the URI itself.
pub fn predicate_name(uri: &str) -> &str {
    let known = NAMES.iter().find(|(_, known)| *known == uri);
    known.map_or(uri, |(short, _)| short)
}

/// The types of predicates that have short names: cosign's.
pub const NAMES: [(&str, &str); 10] = [
    ("slsaprovenance1", predicate_type::SLSA_V1),
    ("slsaprovenance02", predicate_type::SLSA_V0_2),
    ("spdx", predicate_type::SPDX),
    ("cyclonedx", predicate_type::CYCLONEDX),
    ("openvex", predicate_type::OPENVEX),
    ("vuln", predicate_type::VULNERABILITIES),
    ("test-result", predicate_type::TEST_RESULT),
    ("signature", predicate_type::COSIGN_SIGN),
    // cosign's other names of the same.
    ("slsaprovenance", predicate_type::SLSA_V0_2),
    ("spdxjson", predicate_type::SPDX),
];

/// The JSON Schema of a policy, for editors (draft 2020-12).
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Policy).to_value()
}

impl Policy {
    /// That all of these signers have signed the image, or as many as the threshold says.
    pub fn of_signers(names: impl IntoIterator<Item = String>, threshold: Option<usize>) -> Self {
        let named = names.into_iter().map(|name| (name, SignerRule::default()));
        Self {
            signers: named.collect(),
            signatures: SignatureRule {
                threshold,
                ..SignatureRule::default()
            },
            ..Self::default()
        }
    }

    /// Finds what its types let pass: names that nobody has, a threshold that cannot be reached, a policy that demands
    /// nothing. Returns the word it is about and what is wrong.
    pub fn check(&self) -> Result<(), (String, String)> {
        if self.signers.is_empty() {
            return Err(("signers".to_owned(), "there are no signers".to_owned()));
        }
        for (name, rule) in &self.signers {
            let is_identity = rule.identity.is_some() && rule.issuer.is_some();
            let is_whole = match &rule.key {
                Some(_) => rule.identity.is_none() && rule.issuer.is_none(),
                None => is_identity,
            };
            if !is_whole {
                let message = format!("`{name}` needs either `key`, or `identity` and `issuer`");
                return Err((name.clone(), message));
            }
            if is_identity && self.trusted_root.is_none() {
                let message = format!(
                    "`{name}` has an identity, and nothing says which authorities vouch for it: add `trusted-root: FILE`"
                );
                return Err((name.clone(), message));
            }
        }
        self.check_rules()
    }

    /// Likewise of the rules, whoever the signers are.
    pub fn check_rules(&self) -> Result<(), (String, String)> {
        let lists = self.attestations.iter().map(|rule| &rule.by);
        for name in lists.chain([&self.signatures.by]).flatten() {
            if !self.signers.contains_key(name) {
                let known: Vec<&str> = self.signers.keys().map(String::as_str).collect();
                let known = known.join(", ");
                let message = format!("there is no signer `{name}`; there are: {known}");
                return Err((name.clone(), message));
            }
        }
        let count = match self.signatures.by.len() {
            0 => self.signers.len(),
            count => count,
        };
        let threshold = self.signatures.threshold.unwrap_or(count);
        if threshold > count {
            let message = format!("{threshold} signatures are demanded of {count} signers");
            return Err(("threshold".to_owned(), message));
        }
        for rule in &self.attestations {
            if predicate_uri(&rule.kind).is_none() {
                let known: Vec<&str> = NAMES.iter().map(|(short, _)| *short).collect();
                let known = known.join(", ");
                let message = format!(
                    "`{}` is no type of predicate; there are {known}, and any URI",
                    rule.kind
                );
                return Err((rule.kind.clone(), message));
            }
        }
        if threshold == 0 && self.attestations.is_empty() && !self.asks_for_provenance() {
            let message = "a policy that demands nothing takes every image".to_owned();
            return Err(("threshold".to_owned(), message));
        }
        Ok(())
    }

    /// Whether a rule reads the provenance.
    fn asks_for_provenance(&self) -> bool {
        !self.builders.is_empty()
            || !self.base_images.is_empty()
            || self.no_unexplained_scripts
            || self.no_declared_effects
    }
}
