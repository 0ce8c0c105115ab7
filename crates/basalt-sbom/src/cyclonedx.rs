//! The bill of an image as CycloneDX 1.6 in JSON (ECMA-424).

use std::borrow::Cow;
use std::collections::BTreeMap;

use basalt_digest::Digest;
use serde::Serialize;

use crate::date;
use crate::model::{File, FileOwner, Image, Link, Package, Sbom, Source, Tool};
use crate::purl;
use crate::spdx2::bytes;

type Text<'a> = Cow<'a, str>;

/// A document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Component<'a>>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    timestamp: String,
    tools: Tools<'a>,
    component: Component<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<Organisation<'a>>,
}

#[derive(Serialize)]
struct Tools<'a> {
    components: [Component<'a>; 1],
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Component<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier: Option<Organisation<'a>>,
    pub name: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<LicenceChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pedigree: Option<Pedigree<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_references: Vec<ExternalReference<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Organisation<'a> {
    pub name: Text<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<Contact<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Contact<'a> {
    pub email: Text<'a>,
}

#[derive(Serialize)]
pub(crate) struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
pub(crate) struct LicenceChoice<'a> {
    expression: Text<'a>,
}

#[derive(Serialize)]
pub(crate) struct Pedigree<'a> {
    ancestors: Vec<Component<'a>>,
}

#[derive(Serialize)]
pub(crate) struct ExternalReference<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub url: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<Hash>,
}

#[derive(Serialize)]
pub(crate) struct Property<'a> {
    name: &'static str,
    value: Text<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dependency {
    #[serde(rename = "ref")]
    pub reference: String,
    pub depends_on: Vec<String>,
}

impl Hash {
    pub(crate) fn sha256(digest: &Digest) -> Self {
        Self {
            alg: "SHA-256",
            content: digest.hex(),
        }
    }
}

fn property<'a>(name: &'static str, value: impl Into<Text<'a>>) -> Property<'a> {
    Property {
        name,
        value: value.into(),
    }
}

/// The bill of one image of one architecture, as bytes.
pub fn write(sbom: &Sbom) -> Vec<u8> {
    let purls: Vec<String> = sbom
        .packages
        .iter()
        .map(|one| purl::of_debian(one, &sbom.system))
        .collect();
    let mut held: Vec<Vec<Component<'_>>> = Vec::new();
    held.resize_with(sbom.packages.len(), Vec::new);
    let mut unowned = Vec::new();
    let mut hold = |owner: &FileOwner, component| match owner {
        FileOwner::Package(place) if *place < held.len() => held[*place].push(component),
        _ => unowned.push(component),
    };
    for file in &sbom.files {
        hold(&file.owner, file_component(sbom, file));
    }
    for link in &sbom.links {
        hold(&link.owner, link_component(sbom, link));
    }
    let system = &sbom.system;
    let mut components = vec![Component {
        kind: "operating-system",
        reference: Some(system_reference(sbom).into()),
        supplier: Some(organisation(&system.id)),
        name: system.id.as_str().into(),
        version: Some(system.version.as_str().into()),
        properties: vec![property("basalt:release", system.release.as_str())],
        ..Component::default()
    }];
    for ((package, purl), files) in sbom.packages.iter().zip(&purls).zip(held) {
        components.push(package_component(sbom, package, purl, files));
    }
    components.append(&mut unowned);
    document(
        &sbom.tool,
        &sbom.image,
        components,
        dependencies(sbom, &purls),
    )
}

/// A document about an image or an index.
pub(crate) fn document(
    tool: &Tool,
    image: &Image,
    components: Vec<Component<'_>>,
    dependencies: Vec<Dependency>,
) -> Vec<u8> {
    bytes(&Document {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{}", uuid(&image.digest)),
        version: 1,
        metadata: Metadata {
            timestamp: date(image.created),
            tools: Tools {
                components: [Component {
                    kind: "application",
                    name: tool.name.as_str().into(),
                    version: Some(tool.version.as_str().into()),
                    ..Component::default()
                }],
            },
            component: image_component(image, Vec::new()),
            supplier: image.vendor.as_deref().map(organisation),
        },
        components,
        dependencies,
    })
}

/// An image or an index, as the container that it is.
pub(crate) fn image_component<'a>(
    image: &'a Image,
    external_references: Vec<ExternalReference<'a>>,
) -> Component<'a> {
    Component {
        kind: "container",
        reference: Some(purl::of_image(image).into()),
        supplier: image.vendor.as_deref().map(organisation),
        name: image.name.as_str().into(),
        version: Some(image.version.as_str().into()),
        hashes: vec![Hash::sha256(&image.digest)],
        purl: Some(purl::of_image(image)),
        external_references,
        ..Component::default()
    }
}

/// The same for the same image: a UUID of version 8 (RFC 9562, 5.8), whose bits are those of the digest.
pub(crate) fn uuid(digest: &Digest) -> String {
    let mut hex: Vec<u8> = digest.hex().into_bytes();
    hex.truncate(32);
    hex[12] = b'8';
    hex[16] = match hex[16] {
        b'0' | b'4' | b'8' | b'c' => b'8',
        b'1' | b'5' | b'9' | b'd' => b'9',
        b'2' | b'6' | b'a' | b'e' => b'a',
        _ => b'b',
    };
    let text = String::from_utf8_lossy(&hex);
    let mut parts = Vec::with_capacity(5);
    let mut at = 0;
    for length in [8, 4, 4, 4, 12] {
        parts.push(&text[at..at + length]);
        at += length;
    }
    parts.join("-")
}

fn system_reference(sbom: &Sbom) -> String {
    format!("os:{}-{}", sbom.system.id, sbom.system.version)
}

fn organisation(name: &str) -> Organisation<'_> {
    Organisation {
        name: name.into(),
        contact: Vec::new(),
    }
}

fn supplier(package: &Package) -> Option<Organisation<'_>> {
    let (name, mail) = package.supplier();
    // The schema wants an address with an `@`.
    let mail = mail.filter(|mail| mail.contains('@') && !mail.contains(' '));
    (!name.is_empty()).then(|| Organisation {
        name: name.into(),
        contact: mail
            .map(|mail| Contact { email: mail.into() })
            .into_iter()
            .collect(),
    })
}

fn package_component<'a>(
    sbom: &'a Sbom,
    package: &'a Package,
    purl: &str,
    components: Vec<Component<'a>>,
) -> Component<'a> {
    let mut properties: Vec<Property<'_>> = package
        .slices
        .iter()
        .map(|slice| property("basalt:slice", slice.as_str()))
        .collect();
    for one in &package.left_out {
        properties.push(match one.digest {
            Some(digest) => property("basalt:left-out", format!("{} {digest}", one.path)),
            None => property("basalt:left-out", one.path.as_str()),
        });
    }
    let Package { archive, suite, .. } = package;
    Component {
        kind: "library",
        reference: Some(purl.to_owned().into()),
        supplier: supplier(package),
        name: package.name.as_str().into(),
        version: Some(package.version.as_str().into()),
        hashes: vec![Hash::sha256(&package.sha256)],
        licenses: package
            .licence
            .iter()
            .map(|licence| LicenceChoice {
                expression: licence.expression.as_str().into(),
            })
            .collect(),
        purl: Some(purl.to_owned()),
        pedigree: Some(Pedigree {
            ancestors: vec![source_component(sbom, &package.source)],
        }),
        external_references: vec![ExternalReference {
            kind: "distribution",
            url: reference(&package.path).into(),
            comment: Some(format!("within the archive {archive}, suite {suite}")),
            hashes: Vec::new(),
        }],
        properties,
        components,
    }
}

/// A path as a relative reference (RFC 3986, 4.2).
fn reference(path: &str) -> String {
    let mut text = String::new();
    for character in path.chars() {
        if character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=@/".contains(character) {
            text.push(character);
        } else {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

fn source_component<'a>(sbom: &Sbom, source: &'a Source) -> Component<'a> {
    Component {
        kind: "library",
        name: source.name.as_str().into(),
        version: Some(source.version.as_str().into()),
        purl: Some(purl::of_source(source, &sbom.system)),
        ..Component::default()
    }
}

fn file_component<'a>(sbom: &'a Sbom, file: &'a File) -> Component<'a> {
    let mut properties = of_owner(sbom, &file.owner);
    if let Some(original) = &file.original {
        let name = sbom.package_name(Some(original.package));
        properties.push(property(
            "basalt:original",
            format!("{name} {}", original.digest),
        ));
    }
    if let Some(target) = &file.hard_link_to {
        properties.push(property("basalt:hard-link", target.as_str()));
    }
    Component {
        kind: "file",
        name: file.path.as_str().into(),
        hashes: vec![Hash::sha256(&file.digest)],
        properties,
        ..Component::default()
    }
}

fn link_component<'a>(sbom: &'a Sbom, link: &'a Link) -> Component<'a> {
    let mut properties = of_owner(sbom, &link.owner);
    properties.push(property("basalt:symbolic-link", link.target.as_str()));
    Component {
        kind: "file",
        name: link.path.as_str().into(),
        properties,
        ..Component::default()
    }
}

/// Who brought a path, unless it stands in the component of its package.
fn of_owner<'a>(sbom: &'a Sbom, owner: &'a FileOwner) -> Vec<Property<'a>> {
    match owner {
        FileOwner::Package(_) => Vec::new(),
        FileOwner::Effect { package, effect } => vec![
            property("basalt:effect", effect.as_str()),
            property("basalt:package", sbom.package_name(*package)),
        ],
        FileOwner::Spec(place) => vec![property("basalt:spec", place.as_str())],
        FileOwner::Builder(what) => vec![property("basalt:builder", what.as_str())],
    }
}

fn dependencies(sbom: &Sbom, purls: &[String]) -> Vec<Dependency> {
    let of = |places: &[usize]| {
        places
            .iter()
            .filter_map(|place| purls.get(*place).cloned())
            .collect()
    };
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut whole: Vec<String> = purls.to_vec();
    whole.push(system_reference(sbom));
    all.insert(purl::of_image(&sbom.image), whole);
    all.insert(system_reference(sbom), Vec::new());
    for (package, purl) in sbom.packages.iter().zip(purls) {
        all.insert(purl.clone(), of(&package.depends));
    }
    all.into_iter()
        .map(|(reference, mut depends_on)| {
            depends_on.sort();
            depends_on.dedup();
            Dependency {
                reference,
                depends_on,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_a_uuid_of_version_8() {
        let uuid = uuid(&Digest::of(b"abc"));
        assert_eq!(uuid, "ba7816bf-8f01-8fea-8141-40de5dae2223");
    }
}
