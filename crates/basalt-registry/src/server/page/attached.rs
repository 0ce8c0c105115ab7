//! What is attached to an image, by what it says of itself. Nothing of it is verified.

use serde_json::Value;

use super::model::{Attached, Kind};
use crate::digest::Digest;
use crate::fault::Fault;
use crate::metadata::{Metadata, ReferrerRecord};
use crate::name::{RepositoryName, Tag};
use crate::route::Reference;

/// The most referrers of one manifest that are shown.
const MAXIMUM: u64 = 200;
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// What cosign signs images with, as a statement.
const COSIGN_SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// All that is attached to a manifest: what refers to it, and what is under the tags of cosign's older format.
///
/// # Errors
/// When the metadata fail.
pub async fn to(
    metadata: &dyn Metadata,
    repository: &RepositoryName,
    subject: &Digest,
) -> Result<Vec<Attached>, Fault> {
    let (referrers, _) = metadata
        .referrers(repository, subject, None, None, MAXIMUM)
        .await?;
    let mut found: Vec<Attached> = referrers.iter().map(|one| of(one, subject)).collect();
    for (end, kind, label) in [
        ("sig", Kind::Signature, "Signature (cosign 2)"),
        ("att", Kind::Attestation, "Attestations (cosign 2)"),
        ("sbom", Kind::Sbom, "SBOM (cosign 2)"),
    ] {
        let name = format!("{}.{end}", subject.as_str().replacen(':', "-", 1));
        // Of SHA-512 it would be too long for a tag.
        let Ok(tag) = name.parse::<Tag>() else {
            continue;
        };
        let head = metadata
            .manifest_head(repository, &Reference::Tag(tag))
            .await?;
        found.extend(head.map(|head| Attached {
            kind,
            label: label.to_owned(),
            is_signed: end == "att",
            digest: head.digest.as_str().to_owned(),
            artifact_type: head.media_type,
            subject: subject.as_str().to_owned(),
        }));
    }
    found.sort_by(|left, right| (left.kind, &left.label).cmp(&(right.kind, &right.label)));
    Ok(found)
}

fn of(record: &ReferrerRecord, subject: &Digest) -> Attached {
    let artifact_type = record.artifact_type.clone().unwrap_or_default();
    let annotations: Value = serde_json::from_str(&record.annotations).unwrap_or_default();
    let annotation = |name: &str| annotations.get(name).and_then(Value::as_str);
    let predicate = annotation("dev.sigstore.bundle.predicateType")
        .or_else(|| annotation("in-toto.io/predicate-type"))
        .or_else(|| annotation("predicateType"));
    let plain = artifact_type.split(';').next().unwrap_or("");
    let is_bundle = plain.starts_with(BUNDLE);
    let (kind, label) = match plain {
        _ if is_bundle && predicate.is_none_or(|one| one == COSIGN_SIGN) => {
            (Kind::Signature, "Signature (Sigstore bundle)".to_owned())
        }
        "application/vnd.dev.cosign.artifact.sig.v1+json"
        | "application/vnd.dev.cosign.simplesigning.v1+json" => {
            (Kind::Signature, "Signature (cosign)".to_owned())
        }
        "application/vnd.cncf.notary.signature" => {
            (Kind::Signature, "Signature (Notary)".to_owned())
        }
        _ if is_bundle || plain == IN_TOTO || plain == DSSE => statement(predicate.unwrap_or("")),
        "application/spdx+json" | "text/spdx+json" => (Kind::Sbom, "SBOM (SPDX)".to_owned()),
        "application/vnd.cyclonedx+json" => (Kind::Sbom, "SBOM (CycloneDX)".to_owned()),
        "" => (Kind::Other, record.head.media_type.clone()),
        other => (Kind::Other, other.to_owned()),
    };
    Attached {
        kind,
        label,
        is_signed: is_bundle || plain == DSSE,
        digest: record.head.digest.as_str().to_owned(),
        artifact_type,
        subject: subject.as_str().to_owned(),
    }
}

/// What a statement is, by its type of predicate.
pub fn statement(predicate: &str) -> (Kind, String) {
    let known = [
        (
            "https://slsa.dev/provenance/",
            Kind::Provenance,
            "Provenance (SLSA)",
        ),
        ("https://spdx.dev/Document", Kind::Sbom, "SBOM (SPDX)"),
        ("https://cyclonedx.org/bom", Kind::Sbom, "SBOM (CycloneDX)"),
        (
            "https://in-toto.io/attestation/test-result/",
            Kind::Attestation,
            "Verdict of checks",
        ),
        (
            "https://openvex.dev/ns",
            Kind::Attestation,
            "Vulnerabilities that do not apply (OpenVEX)",
        ),
        (
            "https://cosign.sigstore.dev/attestation/vuln/",
            Kind::Attestation,
            "Vulnerability scan",
        ),
    ];
    let found = known
        .iter()
        .find(|(start, ..)| predicate.starts_with(start));
    match found {
        Some((_, kind, label)) => (*kind, (*label).to_owned()),
        None if predicate.is_empty() => (Kind::Attestation, "Attestation".to_owned()),
        None => (Kind::Attestation, format!("Attestation ({predicate})")),
    }
}

/// Whether a signature is among them.
pub fn has_signature(attached: &[Attached]) -> bool {
    attached.iter().any(|one| one.kind == Kind::Signature)
}
