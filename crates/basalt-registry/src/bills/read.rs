//! From a manifest to the documents it carries, and from a document to packages.

use basalt_manifest::{Descriptor, Kind};
use basalt_sbom::{Format, SummaryComponent};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::{Form, MAXIMUM_DOCUMENTS, MAXIMUM_PACKAGES, Package};
use crate::digest::Digest;
use crate::route::decode;

/// The longest name, version, type or source of a package that is kept, in bytes.
const MAXIMUM_TEXT: usize = 256;
/// The longest licence that is kept, in bytes; the rest of it is left out.
const MAXIMUM_LICENCE: usize = 500;
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A document that a manifest carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The image it is about.
    pub subject: Digest,
    /// The blob.
    pub document: Digest,
    /// How it is wrapped.
    pub form: Form,
}

/// The documents that a manifest of these bytes and tags carries, and for an index the manifests of attestations in it,
/// each with the image it is about.
pub fn documents(bytes: &[u8], tags: &[&str]) -> (Vec<Wanted>, Vec<(Digest, Digest)>) {
    let Ok(document) = basalt_manifest::read(bytes) else {
        return (Vec::new(), Vec::new());
    };
    if document.kind == Kind::Index {
        let manifests = &document.manifests;
        let attestations = manifests.iter().filter(|one| {
            annotation(one, "vnd.docker.reference.type") == Some("attestation-manifest")
        });
        let pairs = attestations.filter_map(|one| {
            let about: Digest = annotation(one, "vnd.docker.reference.digest")?
                .parse()
                .ok()?;
            let is_here = manifests.iter().any(|other| other.digest == about.as_str());
            is_here.then_some((one.digest.parse().ok()?, about))
        });
        return (Vec::new(), pairs.take(MAXIMUM_DOCUMENTS).collect());
    }
    let own = document.subject.and_then(|one| one.digest.parse().ok());
    let subject = own.or_else(|| tags.iter().find_map(|tag| subject_of_tag(tag)));
    let wanted = subject.map(|subject| wanted(&document.layers, &subject));
    (wanted.unwrap_or_default(), Vec::new())
}

fn annotation<'d>(descriptor: &'d Descriptor, name: &str) -> Option<&'d str> {
    descriptor.annotations.get(name).map(String::as_str)
}

impl Wanted {
    /// The documents of a manifest of attestations about an image of the same index.
    pub fn within(bytes: &[u8], subject: &Digest) -> Vec<Self> {
        match basalt_manifest::read(bytes) {
            Ok(manifest) => wanted(&manifest.layers, subject),
            Err(_) => Vec::new(),
        }
    }
}

fn wanted(layers: &[Descriptor], subject: &Digest) -> Vec<Wanted> {
    let documents = layers.iter().filter_map(|layer| {
        Some(Wanted {
            subject: subject.clone(),
            document: layer.digest.parse().ok()?,
            form: Form::of(&layer.media_type)?,
        })
    });
    documents.take(MAXIMUM_DOCUMENTS).collect()
}

/// The image that cosign's older format names by a tag: `sha256-<hex>.att`.
fn subject_of_tag(tag: &str) -> Option<Digest> {
    let name = tag
        .strip_suffix(".att")
        .or_else(|| tag.strip_suffix(".sbom"))?;
    name.replacen('-', ":", 1).parse().ok()
}

/// What an envelope, or a bundle of one, has that is of use here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: Option<String>,
    payload_type: Option<String>,
    dsse_envelope: Option<Box<Envelope>>,
}

/// The packages that a document lists, sorted, and its format; nothing when it is a statement of another kind.
///
/// # Errors
/// When it cannot be read, in words for people.
pub fn packages(bytes: &[u8], form: Form) -> Result<Option<(String, Vec<Package>)>, String> {
    let unwrapped;
    let bytes = match form {
        Form::Signed => {
            unwrapped = payload(bytes)?;
            unwrapped.as_slice()
        }
        Form::Bare | Form::Statement => bytes,
    };
    let summary = match basalt_sbom::read_summary(bytes) {
        Ok(summary) => summary,
        // Provenance, a verdict, a signature: most statements are no bills.
        Err(basalt_sbom::SbomError::Unknown) if form != Form::Bare => return Ok(None),
        Err(error) => return Err(shortened(&error.to_string(), MAXIMUM_LICENCE)),
    };
    let format = match summary.format {
        Format::Spdx | Format::Spdx3 => {
            format!("SPDX {}", summary.version.trim_start_matches("SPDX-"))
        }
        Format::CycloneDx => format!("CycloneDX {}", summary.version),
    };
    let mut packages: Vec<Package> = summary.components.into_iter().filter_map(package).collect();
    packages.sort();
    packages.dedup();
    packages.truncate(MAXIMUM_PACKAGES);
    Ok(Some((shortened(&format, 40), packages)))
}

fn payload(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let outer: Envelope =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no envelope: {error}"))?;
    let envelope = match outer.dsse_envelope {
        Some(inner) => *inner,
        None => outer,
    };
    if envelope.payload_type.as_deref() != Some(IN_TOTO) {
        return Err("its envelope holds no in-toto statement".to_owned());
    }
    let text = envelope.payload.unwrap_or_default();
    let alphabet = match text.contains(['-', '_']) {
        true => URL_SAFE,
        false => STANDARD,
    };
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet, lenient)
        .decode(text)
        .map_err(|error| format!("its envelope's payload is no base64: {error}"))
}

fn package(component: SummaryComponent) -> Option<Package> {
    // What is built from, or the image itself, is not in the image.
    if matches!(
        component.kind.as_str(),
        "source" | "container" | "operating-system" | "file"
    ) {
        return None;
    }
    let purl = component
        .purl
        .as_deref()
        .map(Purl::read)
        .unwrap_or_default();
    if purl.is_source {
        return None;
    }
    let is_sound = |text: &str| text.len() <= MAXIMUM_TEXT && !text.contains(char::is_control);
    let package = Package {
        source: match purl.source {
            source if source.is_empty() && purl.ecosystem == "deb" => component.name.clone(),
            source => source,
        },
        name: component.name,
        version: component.version,
        ecosystem: purl.ecosystem,
        licence: shortened(&component.licence.unwrap_or_default(), MAXIMUM_LICENCE),
    };
    let texts = [
        &package.name,
        &package.version,
        &package.ecosystem,
        &package.source,
    ];
    let sound = !package.name.is_empty() && texts.into_iter().all(|text| is_sound(text));
    sound.then_some(package)
}

/// What a package URL tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Purl {
    ecosystem: String,
    source: String,
    is_source: bool,
}

impl Purl {
    fn read(text: &str) -> Self {
        let Some(rest) = text.strip_prefix("pkg:") else {
            return Self::default();
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let (path, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.trim_start_matches('/');
        let mut purl = Self {
            ecosystem: path.split('/').next().unwrap_or("").to_ascii_lowercase(),
            ..Self::default()
        };
        for qualifier in qualifiers.split('&') {
            match qualifier.split_once('=') {
                Some(("upstream", value)) => {
                    let value = decode(value, false).unwrap_or_default();
                    let name = value.split('@').next().unwrap_or("");
                    purl.source = name.to_owned();
                }
                Some(("arch", "source")) => purl.is_source = true,
                _ => {}
            }
        }
        purl
    }
}

/// A text of at most so many bytes, without what no line should have.
fn shortened(text: &str, limit: usize) -> String {
    let mut kept = String::new();
    for letter in text.chars() {
        if kept.len() + letter.len_utf8() > limit {
            kept.push('…');
            break;
        }
        kept.push(if letter.is_control() { ' ' } else { letter });
    }
    kept
}
