//! Where a path of an image is from, as the CycloneDX document of it says: what [`crate::cyclonedx`] writes, read again.

use serde::{Deserialize, Serialize};

use crate::summary::{SbomError, bounded};

/// What a bill says of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PathRecord {
    /// The path.
    pub path: String,
    /// Who brought it, in words.
    pub by: String,
    /// Digest of the content.
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
    pub package: Option<PackageRecord>,
    /// Whether it is not in the image, because slices leave it out.
    pub left_out: bool,
}

/// What a bill says of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageRecord {
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
    /// Where it is within its archive.
    pub place: String,
}

/// What a CycloneDX document that Basalt wrote says of a path; nothing if it does not have it.
///
/// # Errors
/// When it is too long, or no CycloneDX document.
pub fn path_record(bytes: &[u8], path: &str) -> Result<Option<PathRecord>, SbomError> {
    let document: Document = bounded(bytes, "CycloneDX document")?;
    Ok(document.origin(path))
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

impl Component {
    fn left_out(&self, path: &str) -> Option<PathRecord> {
        let found = self.properties.iter().find(|one| {
            one.name == "basalt:left-out" && one.value.split(" sha256:").next() == Some(path)
        })?;
        let digest = found.value.rsplit_once(' ').map(|(_, digest)| digest);
        Some(PathRecord {
            path: path.to_owned(),
            by: format!("slices of {} leave it out", self.name),
            original: digest
                .filter(|one| one.starts_with("sha256:"))
                .map(str::to_owned),
            package: Some(fact(self)),
            left_out: true,
            ..PathRecord::default()
        })
    }
}

impl Document {
    fn origin(&self, path: &str) -> Option<PathRecord> {
        // What one package's slices leave out, another may have, or an effect or the spec make.
        let mut holders = self.components.iter();
        let present = holders.find_map(|holder| self.present(holder, path));
        present.or_else(|| self.components.iter().find_map(|one| one.left_out(path)))
    }

    fn present(&self, holder: &Component, path: &str) -> Option<PathRecord> {
        if holder.name == path {
            let maker = holder.property("basalt:package");
            let package = maker.and_then(|name| self.package(name));
            return Some(origin_of(holder, package));
        }
        let file = holder.components.iter().find(|one| one.name == path)?;
        Some(origin_of(file, Some(holder)))
    }

    fn package(&self, name: &str) -> Option<&Component> {
        let packages = self.components.iter();
        packages
            .filter(|one| !one.purl.is_empty())
            .find(|one| one.name == name)
    }
}

fn origin_of(file: &Component, package: Option<&Component>) -> PathRecord {
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
    PathRecord {
        path: file.name.clone(),
        by,
        content: file.sha256().map(|hex| format!("sha256:{hex}")),
        original: file
            .property("basalt:original")
            .and_then(|text| text.rsplit_once(' '))
            .map(|(_, digest)| digest.to_owned()),
        link_to: link.map(str::to_owned),
        package: package.map(fact),
        ..PathRecord::default()
    }
}

fn fact(package: &Component) -> PackageRecord {
    let source = package.pedigree.ancestors.first();
    let place = package.external_references.first();
    PackageRecord {
        name: package.name.clone(),
        version: package.version.clone(),
        source: source.map_or_else(String::new, |one| format!("{} {}", one.name, one.version)),
        purl: package.purl.clone(),
        sha256: package.sha256().unwrap_or_default().to_owned(),
        place: place.map_or_else(String::new, |one| one.url.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"components": [
        {"name": "libc6", "version": "2", "purl": "pkg:deb/debian/libc6@2",
         "properties": [{"name": "basalt:left-out", "value": "/etc/x sha256:00"},
                        {"name": "basalt:left-out", "value": "/etc/y sha256:01"}]},
        {"name": "/etc/x", "hashes": [{"alg": "SHA-256", "content": "02"}],
         "properties": [{"name": "basalt:spec", "value": "files[0]"}]}
    ]}"#;

    fn record(path: &str) -> Option<PathRecord> {
        path_record(DOCUMENT.as_bytes(), path).expect("it is read")
    }

    #[test]
    fn what_slices_leave_out_and_the_spec_makes_is_there() {
        let record = record("/etc/x").expect("it is there");
        assert!(!record.left_out);
        assert_eq!(record.by, "the spec: files[0]");
        assert_eq!(record.content.as_deref(), Some("sha256:02"));
    }

    #[test]
    fn what_slices_leave_out_is_told_with_its_package() {
        let record = record("/etc/y").expect("it is known");
        assert!(record.left_out);
        assert_eq!(record.original.as_deref(), Some("sha256:01"));
        assert_eq!(record.package.expect("a package").name, "libc6");
    }
}
