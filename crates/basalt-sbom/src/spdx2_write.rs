//! The bill of an image as SPDX 2.3.

use std::collections::{BTreeMap, BTreeSet};

use crate::date;
use crate::licence::Extracted;
use crate::model::{FileOwner, Image, Package, Sbom, Sha1, Source, Tool};
use crate::purl;
use crate::spdx2::{
    self, Checksum, Creation, Document, ExternalReference, ExtractedLicence, File, NO_ASSERTION,
    Relationship, Text, VerificationCode,
};

/// The identifier of the document itself (6.3).
pub(crate) const DOCUMENT: &str = "SPDXRef-DOCUMENT";
/// The image of a document.
pub(crate) const IMAGE: &str = "SPDXRef-Image";
const SYSTEM: &str = "SPDXRef-OperatingSystem";

/// Words in the names of maintainers that are no persons.
const ORGANISATIONS: [&str; 9] = [
    "debian",
    "developers",
    "group",
    "maintainer",
    "maintainers",
    "packagers",
    "project",
    "team",
    "ubuntu",
];

/// The bill of one image of one architecture, as bytes.
pub fn write(sbom: &Sbom) -> Vec<u8> {
    spdx2::bytes(&document(sbom))
}

/// Where the document of this image is named.
pub(crate) fn namespace(image: &Image) -> String {
    // The base that the specification's own examples use, for documents that have no home: nothing is
    // looked for there (6.5).
    format!(
        "https://spdx.org/spdxdocs/{}-{}",
        image.name.replace(
            |one: char| !one.is_ascii_alphanumeric() && !"-._".contains(one),
            "-"
        ),
        image.digest.hex()
    )
}

pub(crate) fn creation<'a>(tool: &Tool, image: &Image) -> Creation<'a> {
    let mut creators: Vec<Text<'_>> = vec![format!("Tool: {}-{}", tool.name, tool.version).into()];
    creators.extend(
        image
            .vendor
            .as_ref()
            .map(|vendor| organisation(vendor).into()),
    );
    Creation {
        created: date(image.created).into(),
        creators,
    }
}

/// An image or an index of images, as the package that it is.
pub(crate) fn image_package<'a>(image: &'a Image, id: impl Into<Text<'a>>) -> spdx2::Package<'a> {
    spdx2::Package {
        name: image.name.as_str().into(),
        id: id.into(),
        version_info: Some(image.version.as_str().into()),
        supplier: Some(match &image.vendor {
            Some(vendor) => organisation(vendor).into(),
            None => NO_ASSERTION.into(),
        }),
        download_location: NO_ASSERTION.into(),
        checksums: vec![Checksum::new("SHA256", image.digest.hex())],
        license_concluded: Some(NO_ASSERTION.into()),
        license_declared: Some(NO_ASSERTION.into()),
        copyright_text: Some(NO_ASSERTION.into()),
        external_refs: vec![ExternalReference::purl(purl::of_image(image))],
        primary_package_purpose: Some("CONTAINER".into()),
        ..spdx2::Package::default()
    }
}

fn document(sbom: &Sbom) -> Document<'_> {
    let mut relationships = vec![
        Relationship::new(DOCUMENT, "DESCRIBES", IMAGE),
        Relationship::new(IMAGE, "CONTAINS", SYSTEM),
    ];
    let files = files(sbom, &mut relationships);
    let mut packages = Vec::with_capacity(2 * sbom.packages.len() + 2);
    packages.push(spdx2::Package {
        files_analyzed: !sbom.files.is_empty(),
        package_verification_code: verification_code(sbom.files.iter().map(|one| one.sha1)),
        ..image_package(&sbom.image, IMAGE)
    });
    packages.push(system(sbom));
    let sources = source_ids(sbom);
    let mut of_packages: Vec<Vec<Sha1>> = vec![Vec::new(); sbom.packages.len()];
    for file in &sbom.files {
        if let FileOwner::Package(place) = file.owner
            && let Some(sums) = of_packages.get_mut(place)
        {
            sums.push(file.sha1);
        }
    }
    for (package, sums) in sbom.packages.iter().zip(of_packages) {
        let id = package_id(&package.name);
        relationships.push(Relationship::new(IMAGE, "CONTAINS", id.clone()));
        for other in package
            .depends
            .iter()
            .filter_map(|place| sbom.packages.get(*place))
        {
            relationships.push(Relationship::new(
                id.clone(),
                "DEPENDS_ON",
                package_id(&other.name),
            ));
        }
        if let Some(source) = sources.get(&package.source) {
            relationships.push(Relationship::new(
                id.clone(),
                "GENERATED_FROM",
                source.clone(),
            ));
        }
        packages.push(binary(sbom, package, id, sums));
    }
    for (source, id) in &sources {
        packages.push(source_package(sbom, source, id));
    }
    Document {
        spdx_version: "SPDX-2.3".into(),
        data_license: "CC0-1.0".into(),
        id: DOCUMENT.into(),
        name: name(sbom).into(),
        document_namespace: namespace(&sbom.image).into(),
        creation_info: creation(&sbom.tool, &sbom.image),
        external_document_refs: Vec::new(),
        packages,
        files,
        relationships,
        has_extracted_licensing_infos: extracted(sbom),
    }
}

fn name(sbom: &Sbom) -> String {
    let Image {
        name,
        version,
        architecture,
        ..
    } = &sbom.image;
    format!("{name} {version} {architecture}")
}

fn system(sbom: &Sbom) -> spdx2::Package<'_> {
    let system = &sbom.system;
    spdx2::Package {
        name: system.id.as_str().into(),
        id: SYSTEM.into(),
        version_info: Some(system.version.as_str().into()),
        supplier: Some(organisation(&system.id).into()),
        download_location: NO_ASSERTION.into(),
        license_concluded: Some(NO_ASSERTION.into()),
        license_declared: Some(NO_ASSERTION.into()),
        copyright_text: Some(NO_ASSERTION.into()),
        comment: Some(format!("release {}", system.release).into()),
        primary_package_purpose: Some("OPERATING_SYSTEM".into()),
        ..spdx2::Package::default()
    }
}

fn binary<'a>(
    sbom: &'a Sbom,
    package: &'a Package,
    id: String,
    sums: Vec<Sha1>,
) -> spdx2::Package<'a> {
    let licence = match &package.licence {
        Some(licence) => licence.expression.as_str(),
        None => NO_ASSERTION,
    };
    let Package { archive, suite, .. } = package;
    spdx2::Package {
        name: package.name.as_str().into(),
        id: id.into(),
        version_info: Some(package.version.as_str().into()),
        package_file_name: Some(package.path.as_str().into()),
        supplier: Some(supplier(package).into()),
        download_location: NO_ASSERTION.into(),
        files_analyzed: !sums.is_empty(),
        package_verification_code: verification_code(sums.into_iter()),
        checksums: vec![Checksum::new("SHA256", package.sha256.hex())],
        source_info: Some(
            format!(
                "{} of the archive {archive}, suite {suite}; built from source {} {}",
                package.path, package.source.name, package.source.version
            )
            .into(),
        ),
        license_concluded: Some(NO_ASSERTION.into()),
        license_declared: Some(licence.into()),
        copyright_text: Some(NO_ASSERTION.into()),
        comment: slices(package).map(Into::into),
        external_refs: vec![ExternalReference::purl(purl::of_debian(
            package,
            &sbom.system,
        ))],
        primary_package_purpose: Some("LIBRARY".into()),
    }
}

/// What is in the image of a package that is not whole there, and what is not.
fn slices(package: &Package) -> Option<String> {
    if package.slices.is_empty() {
        return None;
    }
    let mut text = format!(
        "Of this package, these slices are in the image: {}. ",
        package.slices.join(" ")
    );
    if package.left_out.is_empty() {
        text.push_str("They leave nothing out.");
    } else {
        text.push_str("They leave out:");
        for one in &package.left_out {
            text.push('\n');
            text.push_str(&one.path);
            if let Some(digest) = one.digest {
                text.push_str(&format!(" {digest}"));
            }
        }
    }
    Some(text)
}

fn source_package<'a>(sbom: &'a Sbom, source: &'a Source, id: &str) -> spdx2::Package<'a> {
    // A source has the maintainer of its binary packages.
    let mut built = sbom.packages.iter().filter(|one| one.source == *source);
    spdx2::Package {
        name: source.name.as_str().into(),
        id: id.to_owned().into(),
        version_info: Some(source.version.as_str().into()),
        supplier: built.next().map(|package| supplier(package).into()),
        download_location: NO_ASSERTION.into(),
        license_concluded: Some(NO_ASSERTION.into()),
        license_declared: Some(NO_ASSERTION.into()),
        copyright_text: Some(NO_ASSERTION.into()),
        external_refs: vec![ExternalReference::purl(purl::of_source(
            source,
            &sbom.system,
        ))],
        primary_package_purpose: Some("SOURCE".into()),
        ..spdx2::Package::default()
    }
}

/// The files, with what relates them to packages.
fn files<'a>(sbom: &'a Sbom, relationships: &mut Vec<Relationship<'a>>) -> Vec<File<'a>> {
    let ids: Vec<String> = sbom
        .packages
        .iter()
        .map(|one| package_id(&one.name))
        .collect();
    let mut files = Vec::with_capacity(sbom.files.len());
    for (number, file) in sbom.files.iter().enumerate() {
        let id = format!("SPDXRef-File-{number}");
        let mut comments = Vec::new();
        let holder = match &file.owner {
            FileOwner::Package(place) => ids.get(*place).map_or(IMAGE, String::as_str),
            _ => {
                comments.push(format!("made by {}", sbom.owner_in_words(&file.owner)));
                IMAGE
            }
        };
        relationships.push(Relationship::new(holder.to_owned(), "CONTAINS", id.clone()));
        let effect = match &file.owner {
            FileOwner::Effect {
                package: Some(place),
                effect,
            } => Some((*place, effect.as_str())),
            _ => None,
        };
        if let Some((place, effect)) = effect
            && let Some(package) = ids.get(place)
        {
            relationships.push(Relationship {
                comment: Some(effect.into()),
                ..Relationship::new(id.clone(), "GENERATED_FROM", package.clone())
            });
        }
        if let Some(original) = &file.original {
            let name = sbom.package_name(Some(original.package));
            comments.push(format!("{name} has it as {}", original.digest));
            let is_told = effect.is_some_and(|(place, _)| place == original.package);
            if let Some(package) = ids.get(original.package).filter(|_| !is_told) {
                relationships.push(Relationship::new(
                    id.clone(),
                    "GENERATED_FROM",
                    package.clone(),
                ));
            }
        }
        if let Some(target) = &file.hard_link_to {
            comments.push(format!("a hard link to {target}"));
        }
        files.push(File {
            file_name: format!(".{}", file.path).into(),
            id: id.into(),
            checksums: vec![
                Checksum::new("SHA1", file.sha1.hex()),
                Checksum::new("SHA256", file.digest.hex()),
            ],
            comment: (!comments.is_empty()).then(|| comments.join("; ").into()),
        });
    }
    files
}

/// The code of these files (7.9): the SHA-1 of their SHA-1 digests in hex, sorted.
fn verification_code<'a>(sums: impl Iterator<Item = Sha1>) -> Option<VerificationCode<'a>> {
    let mut sums: Vec<Sha1> = sums.collect();
    if sums.is_empty() {
        return None;
    }
    sums.sort_unstable();
    let text: String = sums.iter().map(Sha1::hex).collect();
    let code = Sha1::of(text.as_bytes()).hex();
    Some(VerificationCode {
        package_verification_code_value: code.into(),
    })
}

fn extracted(sbom: &Sbom) -> Vec<ExtractedLicence<'_>> {
    let licences = sbom.packages.iter().filter_map(|one| one.licence.as_ref());
    let all: BTreeMap<&str, &Extracted> = licences
        .flat_map(|licence| &licence.extracted)
        .map(|one| (one.id.as_str(), one))
        .collect();
    all.into_values()
        .map(|one| ExtractedLicence {
            license_id: one.id.as_str().into(),
            extracted_text: one.text.as_str().into(),
            name: Some(one.name.as_str().into()),
        })
        .collect()
}

/// Names of packages hold no capital letters, which therefore stand for what identifiers may not hold.
pub(crate) fn package_id(name: &str) -> String {
    format!("SPDXRef-Package-{}", identifier(name))
}

fn identifier(name: &str) -> String {
    name.chars()
        .map(|one| match one {
            '+' => 'P',
            one if one.is_ascii_alphanumeric() || one == '-' || one == '.' => one,
            _ => 'X',
        })
        .collect()
}

/// The sources with their identifiers; a second version of one has its number.
fn source_ids(sbom: &Sbom) -> BTreeMap<&Source, String> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut ids = BTreeMap::new();
    for source in sbom.sources() {
        let name = format!("SPDXRef-Source-{}", identifier(&source.name));
        let mut id = name.clone();
        let mut number = 1;
        while !seen.insert(id.clone()) {
            number += 1;
            id = format!("{name}-V{number}");
        }
        ids.insert(source, id);
    }
    ids
}

/// An actor (7.5). Brackets would begin the address.
fn actor(kind: &str, name: &str, mail: Option<&str>) -> String {
    let plain = |text: &str| text.replace(['(', ')'], "").trim().to_owned();
    match mail {
        Some(mail) => format!("{kind}: {} ({})", plain(name), plain(mail)),
        None => format!("{kind}: {}", plain(name)),
    }
}

pub(crate) fn organisation(name: &str) -> String {
    actor("Organization", name, None)
}

fn supplier(package: &Package) -> String {
    let (name, mail) = package.supplier();
    if name.is_empty() {
        return NO_ASSERTION.to_owned();
    }
    let words = name.to_lowercase();
    let mut words = words.split(|one: char| !one.is_alphanumeric());
    let kind = match words.any(|word| ORGANISATIONS.contains(&word)) {
        true => "Organization",
        false => "Person",
    };
    actor(kind, name, mail)
}
