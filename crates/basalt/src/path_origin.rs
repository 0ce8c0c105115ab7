//! Where a path of an image is from, by the documents that the image carries: its bill of materials, and its provenance
//! for the signed Release files. In a layout the file itself is looked at, too.

use std::fmt;

use basalt_attest::provenance::Provenance;
use basalt_digest::Digest;
use basalt_oci::{ContentLimits, Descriptor, FileKind, Index, Layout, filesystem};
use basalt_sbom::Format;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attached_provenance::provenance;
use crate::bills;
use crate::failure::{Failure, Status};
use crate::reference::{Named, Reference};

/// Where a path is from.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PathOrigin {
    /// The path.
    pub path: String,
    /// The image's manifest.
    pub image: String,
    /// Who brought it, in words.
    pub by: String,
    /// Digest of the content, as the bill has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Digest of the content in the package, where an effect or the spec changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// The file it is a link to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_to: Option<String>,
    /// The package that has it, or whose effect made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageFact>,
    /// The Release file that vouched for the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vouched: Option<ReleaseFact>,
    /// Whether it is not in the image, because slices leave it out.
    pub left_out: bool,
    /// Whether the image has this content: looked at in a layout only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

/// A package as the documents have it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageFact {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its source package, with its version.
    pub source: String,
    /// Its package URL.
    pub purl: String,
    /// Digest of the package file, in hex digits.
    pub sha256: String,
    /// Archive, suite and path, as the provenance has them; the path alone without one.
    pub place: String,
}

/// A signed Release file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReleaseFact {
    /// `debian/trixie Release`.
    pub name: String,
    /// Its date.
    pub date: String,
    /// Its digest, in hex digits.
    pub sha256: String,
    /// Fingerprints of the keys that signed it.
    pub signers: Vec<String>,
}

/// What is read of a CycloneDX document.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Component {
    name: String,
    version: String,
    purl: String,
    hashes: Vec<Hash>,
    properties: Vec<Property>,
    components: Vec<Component>,
    pedigree: Pedigree,
    #[serde(rename = "externalReferences")]
    external_references: Vec<ExternalReference>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Pedigree {
    ancestors: Vec<Component>,
}

#[derive(Deserialize)]
struct ExternalReference {
    url: String,
}

#[derive(Deserialize)]
struct Hash {
    content: String,
}

#[derive(Deserialize)]
struct Property {
    name: String,
    #[serde(default)]
    value: String,
}

impl Component {
    fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().find(|one| one.name == name);
        found.map(|one| one.value.as_str())
    }

    fn sha256(&self) -> Option<&str> {
        self.hashes.first().map(|hash| hash.content.as_str())
    }
}

impl PathOrigin {
    /// Finds a path in what is attached to an image.
    ///
    /// # Errors
    /// When there is no bill of materials, it does not have the path, or the image has another content than it says.
    pub fn find(
        named: &Named,
        image: &Descriptor,
        beside: Option<&Index>,
        path: &str,
    ) -> Result<Self, Failure> {
        let store = named.store.as_ref();
        let bills = bills::of(store, image, beside)?;
        let bill = bills.iter().find(|bill| bill.format == Format::CycloneDx);
        let Some(bill) = bill else {
            let message = format!("no CycloneDX document is attached to {}", image.digest);
            return Err(Failure::new(Status::Failed, message)
                .help("`basalt build` attaches one; `basalt attestations` lists what is there"));
        };
        let document: Document = bills::parse(&bill.read(store)?, &bill.layer)?;
        let mut origin = document.origin(path).ok_or_else(|| {
            let message = format!("nothing stands at {path} in the image");
            Failure::new(Status::Failed, message).help(
                "directories are no one's; `basalt sbom --format cyclonedx` lists files and links",
            )
        })?;
        origin.image = image.digest.to_string();
        if let Some(provenance) = provenance(store, image)? {
            origin.add_release(&provenance);
        }
        if !origin.left_out {
            origin.look(named, image)?;
        }
        Ok(origin)
    }

    /// Adds where the package was taken from, and who vouched for it.
    fn add_release(&mut self, provenance: &Provenance) {
        let Some(package) = &mut self.package else {
            return;
        };
        let dependencies = &provenance.build_definition.resolved_dependencies;
        let hex = |digest: Option<Digest>| digest.map(|digest| digest.hex()).unwrap_or_default();
        let found = dependencies
            .iter()
            .find(|one| one.name == package.name && hex(one.sha256()) == package.sha256);
        let Some(found) = found else {
            return;
        };
        let text = |key: &str| {
            found
                .annotations
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or("")
        };
        let (archive, suite) = (text("archive"), text("suite"));
        package.place = format!("{archive} {suite}, {}", text("path"));
        let name = format!("{archive}/{suite} Release");
        self.vouched = dependencies.iter().find(|one| one.name == name).map(|one| {
            let signers = one.annotations.get("signers").and_then(Value::as_array);
            let date = one.annotations.get("date").and_then(Value::as_str);
            ReleaseFact {
                name,
                date: date.unwrap_or_default().to_owned(),
                sha256: hex(one.sha256()),
                signers: signers
                    .into_iter()
                    .flatten()
                    .filter_map(|one| one.as_str().map(str::to_owned))
                    .collect(),
            }
        });
    }

    /// Compares the file in the layers of a layout with what the bill says of it.
    fn look(&mut self, named: &Named, image: &Descriptor) -> Result<(), Failure> {
        let Reference::Layout { path: folder, .. } = &named.reference else {
            return Ok(());
        };
        let layout = Layout::open(folder)?;
        let images = layout.images()?;
        let Some(image) = images
            .iter()
            .find(|one| one.descriptor.digest == image.digest)
        else {
            return Ok(());
        };
        let content = filesystem(&layout, image, ContentLimits::default(), |_| false)?;
        let there = |path: &str| {
            content
                .files
                .get(path.trim_start_matches('/'))
                .map(|fact| &fact.kind)
        };
        let mut kind = there(&self.path);
        if let Some(FileKind::Hardlink { target }) = kind {
            kind = there(target);
        }
        let is_so = match (kind, &self.content, &self.link_to) {
            (Some(FileKind::File { digest, .. }), Some(said), _) => digest.to_string() == *said,
            (Some(FileKind::Symlink { target }), None, Some(said)) => target == said,
            _ => false,
        };
        if !is_so {
            let message = format!(
                "{} is not in the image as its bill of materials says: the bill is of another image, or was changed",
                self.path
            );
            return Err(Failure::new(Status::Trust, message));
        }
        self.verified = Some(true);
        Ok(())
    }
}

impl Document {
    fn origin(&self, path: &str) -> Option<PathOrigin> {
        for holder in &self.components {
            if holder.name == path {
                let maker = holder.property("basalt:package");
                let package = maker.and_then(|name| self.package(name));
                return Some(origin_of(holder, package));
            }
            if let Some(file) = holder.components.iter().find(|one| one.name == path) {
                return Some(origin_of(file, Some(holder)));
            }
            let left_out = holder.properties.iter().find(|one| {
                one.name == "basalt:left-out" && one.value.split(" sha256:").next() == Some(path)
            });
            if let Some(left_out) = left_out {
                let digest = left_out.value.rsplit_once(' ').map(|(_, digest)| digest);
                return Some(PathOrigin {
                    path: path.to_owned(),
                    by: format!("slices of {} leave it out", holder.name),
                    original: digest
                        .filter(|one| one.starts_with("sha256:"))
                        .map(str::to_owned),
                    package: Some(fact(holder)),
                    left_out: true,
                    ..PathOrigin::default()
                });
            }
        }
        None
    }

    fn package(&self, name: &str) -> Option<&Component> {
        let packages = self.components.iter();
        packages
            .filter(|one| !one.purl.is_empty())
            .find(|one| one.name == name)
    }
}

fn origin_of(file: &Component, package: Option<&Component>) -> PathOrigin {
    let by = if let Some(effect) = file.property("basalt:effect") {
        format!("effect: {effect}")
    } else if let Some(place) = file.property("basalt:spec") {
        format!("the spec: {place}")
    } else if let Some(what) = file.property("basalt:builder") {
        format!("basalt: {what}")
    } else {
        "its package, as it is there".to_owned()
    };
    let link = file
        .property("basalt:symbolic-link")
        .or_else(|| file.property("basalt:hard-link"));
    PathOrigin {
        path: file.name.clone(),
        by,
        content: file.sha256().map(|hex| format!("sha256:{hex}")),
        original: file
            .property("basalt:original")
            .and_then(|text| text.rsplit_once(' '))
            .map(|(_, digest)| digest.to_owned()),
        link_to: link.map(str::to_owned),
        package: package.map(fact),
        ..PathOrigin::default()
    }
}

fn fact(package: &Component) -> PackageFact {
    let source = package.pedigree.ancestors.first();
    let place = package.external_references.first();
    PackageFact {
        name: package.name.clone(),
        version: package.version.clone(),
        source: source.map_or_else(String::new, |one| format!("{} {}", one.name, one.version)),
        purl: package.purl.clone(),
        sha256: package.sha256().unwrap_or_default().to_owned(),
        place: place.map_or_else(String::new, |one| one.url.clone()),
    }
}

impl fmt::Display for PathOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path)?;
        let mut row = |name: &str, value: &str| writeln!(f, "  {name:<9}{value}");
        row("by", &self.by)?;
        if let Some(content) = &self.content {
            let verified = match self.verified {
                Some(true) => " (compared with the image)",
                _ => "",
            };
            row("content", &format!("{content}{verified}"))?;
        }
        if let Some(original) = &self.original {
            row("there", original)?;
        }
        if let Some(target) = &self.link_to {
            row("link to", target)?;
        }
        if let Some(package) = &self.package {
            row("package", &format!("{} {}", package.name, package.version))?;
            row("source", &package.source)?;
            row(
                "from",
                &format!("{} (sha256:{})", package.place, package.sha256),
            )?;
        }
        if let Some(release) = &self.vouched {
            let ReleaseFact {
                name, date, sha256, ..
            } = release;
            row("vouched", &format!("{name} of {date} (sha256:{sha256})"))?;
            row("signed", &release.signers.join(", "))?;
        }
        row("image", &self.image)
    }
}
