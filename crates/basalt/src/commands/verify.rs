//! `basalt verify REF`.

use std::path::{Path, PathBuf};

use basalt_attest::policy::{Evidence, Judged, Policy, Signers, Unmet, gather, predicate_name};
use basalt_attest::{Form, images};
use basalt_oci::Descriptor;
use clap::Args;
use fs_err as fs;
use serde_json::{Value, json};

use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::signing;
use crate::terminal::Terminal;

/// Most values in a policy.
const MAXIMUM_NODES: usize = 10_000;

/// What `verify` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
    0  every rule is met
    2  the command line or a key is wrong
    3  the policy is wrong
    4  what is there has another content than its digest says
   10  a rule is not met")]
pub struct VerifyArguments {
    /// The image: PATH[:TAG][@DIGEST] of a layout, or HOST/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    pub reference: String,
    /// A public key whose owner must have signed the image: a file, or env://NAME; may repeat
    #[arg(long, value_name = "KEY", required_unless_present = "policy")]
    pub key: Vec<String>,
    /// How many of the keys must have signed [default: all of them]
    #[arg(long, value_name = "N", requires = "key")]
    pub threshold: Option<usize>,
    /// A policy: who must have signed, what must be attested, and what that must say
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub policy: Option<PathBuf>,
    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArguments,
}

pub(super) fn run(own: &VerifyArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let (policy, signers) = match &own.policy {
        Some(path) => of_file(path)?,
        None => of_keys(own)?,
    };
    let named = signing::image(&own.reference, &own.registries)?;
    let target = named.target()?;
    let store = named.store.as_ref();
    let inner = images(store, &target)?;
    // The bytes of each manifest are compared with its digest, not only what is said of them.
    for image in std::iter::once(&target).chain(&inner) {
        store.manifest(&image.digest)?;
    }
    let judged = Judged {
        target: &target,
        images: &inner,
    };
    let evidence = gather(store, &judged, &signers)?;
    let unmet = policy.judge(&judged, &signers, &evidence, signing::now());
    let document = document(&target, &signers, &evidence, &unmet);
    terminal.answer(&document, || text(&target, &signers, &evidence, &unmet))?;
    match unmet.is_empty() {
        true => Ok(Status::Done),
        false => Ok(Status::Unmet),
    }
}

fn of_file(path: &Path) -> Result<(Policy, Signers), Failure> {
    let text = fs::read_to_string(path)?;
    let policy: Policy = basalt_spec::from_yaml(path, &text, MAXIMUM_NODES)?;
    policy
        .check()
        .map_err(|(word, message)| basalt_spec::SpecError::at_word(path, &text, &word, message))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut signers = Signers::new();
    for (name, rule) in &policy.signers {
        let key = signing::public_key(&rule.key, folder)?;
        if let Some((other, _)) = signers.iter().find(|(_, known)| *known == key) {
            let message = format!("`{name}` has the same key as `{other}`, and would count twice");
            return Err(basalt_spec::SpecError::at_word(path, &text, name, message).into());
        }
        signers.push((name.clone(), key));
    }
    Ok((policy, signers))
}

fn of_keys(own: &VerifyArguments) -> Result<(Policy, Signers), Failure> {
    let mut signers = Signers::new();
    for source in &own.key {
        let key = signing::public_key(source, Path::new(""))?;
        if signers.iter().any(|(_, known)| *known == key) {
            let message = format!("the key {source} is given twice, and would count twice");
            return Err(Failure::new(Status::Usage, message));
        }
        signers.push((source.clone(), key));
    }
    let names = signers.iter().map(|(name, _)| name.clone());
    let policy = Policy::of_signers(names, own.threshold);
    match policy.check() {
        Ok(()) => Ok((policy, signers)),
        Err((_, message)) => Err(Failure::new(Status::Usage, message)),
    }
}

fn names<'a>(signers: &'a Signers, places: &[usize]) -> Vec<&'a str> {
    let known = places.iter().filter_map(|place| signers.get(*place));
    known.map(|(name, _)| name.as_str()).collect()
}

/// What a form is called.
pub(super) fn form(form: Form) -> &'static str {
    match form {
        Form::Bundle => "bundle",
        Form::LegacySignature => "legacy signature",
        Form::Envelope => "legacy attestation",
        Form::Document => "unsigned",
        Form::BuildKit => "unsigned, BuildKit",
    }
}

fn document(
    target: &Descriptor,
    signers: &Signers,
    evidence: &[Evidence],
    unmet: &[Unmet],
) -> Value {
    let evidence: Vec<Value> = evidence
        .iter()
        .map(|one| {
            let mut row = json!({
                "subject": one.attached.subject,
                "manifest": one.attached.manifest,
                "layer": one.attached.layer.digest,
                "form": form(one.attached.form),
            });
            match &one.outcome {
                Ok(verified) => {
                    row["type"] = json!(verified.claim.predicate_type());
                    row["by"] = json!(names(signers, &verified.keys));
                    if let Some(date) = verified.claim.date() {
                        row["date"] = json!(basalt_oci::date(date));
                    }
                }
                Err(refusal) => row["refused"] = json!(refusal.to_string()),
            }
            row
        })
        .collect();
    let unmet: Vec<Value> = unmet
        .iter()
        .map(|one| {
            json!({
                "rule": one.rule,
                "digest": one.digest,
                "problem": one.problem,
                "remedy": one.remedy,
            })
        })
        .collect();
    json!({
        "digest": target.digest,
        "verified": unmet.is_empty(),
        "unmet": unmet,
        "evidence": evidence,
    })
}

fn text(target: &Descriptor, signers: &Signers, evidence: &[Evidence], unmet: &[Unmet]) -> String {
    let mut text = match unmet.is_empty() {
        true => format!("verified {}\n", target.digest),
        false => format!("NOT verified {}\n", target.digest),
    };
    for one in evidence {
        let form = form(one.attached.form);
        let about = match one.attached.subject == target.digest {
            true => String::new(),
            false => format!(" of {}", one.attached.subject),
        };
        let line = match &one.outcome {
            Ok(verified) => {
                let by = names(signers, &verified.keys).join(", ");
                let kind = predicate_name(verified.claim.predicate_type());
                let date = verified.claim.date().map(basalt_oci::date);
                let date = date.map_or_else(String::new, |date| format!(", {date}"));
                format!("  good     {kind} by {by} ({form}{date}){about}\n")
            }
            Err(refusal) => format!(
                "  refused  {} ({form}){about}: {refusal}\n",
                one.attached.layer.digest
            ),
        };
        text.push_str(&line);
    }
    for one in unmet {
        text.push_str(&format!(
            "rule {} is not met by {}: {}\n    would be met by {}\n",
            one.rule, one.digest, one.problem, one.remedy
        ));
    }
    text
}
