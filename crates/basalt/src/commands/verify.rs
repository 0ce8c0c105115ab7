//! `basalt verify REF`.

use std::path::{Path, PathBuf};

use basalt_attest::policy::{Evidence, Judged, Policy, Signers, Unmet, gather, predicate_name};
use basalt_attest::{Authority, Form, Identity, TrustedRoot};
use basalt_oci::{Covered, Descriptor, covered};
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
    4  what is there has another content than its digest says, or could be different
       things to different programs
   10  a rule is not met")]
pub struct VerifyArguments {
    /// The image: PATH[:TAG][@DIGEST] of a layout, or HOST/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    pub reference: String,
    /// A public key whose owner must have signed the image: a file, or env://NAME; may repeat
    #[arg(long, value_name = "KEY", required_unless_present_any = ["policy", "certificate_identity"])]
    pub key: Vec<String>,
    /// An identity whose certificate must have signed the image, letter by letter: an address, or
    /// the URI of a workflow
    #[arg(long, value_name = "NAME", requires = "certificate_oidc_issuer")]
    pub certificate_identity: Option<String>,
    /// The OIDC issuer that vouched for the identity
    #[arg(long, value_name = "URL", requires_all = ["certificate_identity", "trusted_root"])]
    pub certificate_oidc_issuer: Option<String>,
    /// The authorities and logs that certificates are verified against, offline
    #[arg(long, value_name = "FILE", requires = "certificate_identity")]
    pub trusted_root: Option<PathBuf>,
    /// How many of these must have signed [default: all of them]
    #[arg(long, value_name = "N", conflicts_with = "policy")]
    pub threshold: Option<usize>,
    /// A policy: who must have signed, what must be attested, and what that must say
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "certificate_identity"])]
    pub policy: Option<PathBuf>,
    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArguments,
}

pub(super) fn run(own: &VerifyArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let (policy, signers) = match &own.policy {
        Some(path) => of_file(path)?,
        None => of_arguments(own)?,
    };
    let named = signing::image(&own.reference, &own.registries)?;
    let target = named.target()?;
    let store = named.store.as_ref();
    // Every manifest is read on the way, and so compared with its digest.
    let covered = covered(store, &target.digest)?;
    let judged = Judged {
        target: &target,
        images: covered.within(),
        uncovered: &covered.uncovered,
    };
    let evidence = gather(store, &judged, &signers)?;
    let unmet = policy.judge(&judged, &signers, &evidence, signing::now());
    let document = document(&target, &covered, &signers, &evidence, &unmet);
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
    let mut signers = Signers::default();
    if let Some(root) = &policy.trusted_root {
        signers.root = Some(trusted_root(&folder.join(root))?);
    }
    for (name, rule) in &policy.signers {
        let authority = match (&rule.key, &rule.identity, &rule.issuer) {
            (Some(key), _, _) => Authority::Key(signing::public_key(key, folder)?),
            (None, Some(subject), Some(issuer)) => Authority::Identity(Identity {
                subject: subject.clone(),
                issuer: issuer.clone(),
            }),
            // The check above leaves no other.
            _ => continue,
        };
        let same = signers.named.iter().find(|(_, known)| *known == authority);
        if let Some((other, _)) = same {
            let message = format!("`{name}` is the same as `{other}`, and would count twice");
            return Err(basalt_spec::SpecError::at_word(path, &text, name, message).into());
        }
        signers.named.push((name.clone(), authority));
    }
    Ok((policy, signers))
}

/// The authorities and logs in a file.
fn trusted_root(path: &Path) -> Result<TrustedRoot, Failure> {
    let text = fs::read_to_string(path)?;
    TrustedRoot::read(&text).map_err(|error| {
        let message = format!("{} cannot be used: {error}", path.display());
        Failure::new(Status::Usage, message)
    })
}

fn of_arguments(own: &VerifyArguments) -> Result<(Policy, Signers), Failure> {
    let mut signers = Signers::default();
    for source in &own.key {
        let authority = Authority::Key(signing::public_key(source, Path::new(""))?);
        if signers.named.iter().any(|(_, known)| *known == authority) {
            let message = format!("the key {source} is given twice, and would count twice");
            return Err(Failure::new(Status::Usage, message));
        }
        signers.named.push((source.clone(), authority));
    }
    if let (Some(subject), Some(issuer)) = (&own.certificate_identity, &own.certificate_oidc_issuer)
    {
        let identity = Identity {
            subject: subject.clone(),
            issuer: issuer.clone(),
        };
        signers
            .named
            .push((subject.clone(), Authority::Identity(identity)));
    }
    if let Some(path) = &own.trusted_root {
        signers.root = Some(trusted_root(path)?);
    }
    let names = signers.named.iter().map(|(name, _)| name.clone());
    let policy = Policy::of_signers(names, own.threshold);
    match policy.check_rules() {
        Ok(()) => Ok((policy, signers)),
        Err((_, message)) => Err(Failure::new(Status::Usage, message)),
    }
}

fn names<'a>(signers: &'a Signers, places: &[usize]) -> Vec<&'a str> {
    let known = places.iter().filter_map(|place| signers.named.get(*place));
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
    covered: &Covered,
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
                    row["by"] = json!(names(signers, &verified.signers));
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
        "images": covered.images.iter().map(|image| image.digest.to_string()).chain(covered.uncovered.iter().cloned()).collect::<Vec<_>>(),
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
                let by = names(signers, &verified.signers).join(", ");
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
