//! Where a path of an image is from, by the documents that the image carries: its bill of materials, and its provenance
//! for the signed Release files. In a layout the file itself is looked at, too.

use std::fmt;

use basalt_attest::provenance::Provenance;
use basalt_digest::Digest;
use basalt_oci::{ContentLimits, Descriptor, FileKind, Layout, filesystem};
use basalt_sbom::{Format, PathRecord, path_record};
use serde::Serialize;
use serde_json::Value;

use crate::attached_provenance::provenance;
use crate::bills;
use crate::failure::{Failure, Status};
use crate::reference::{Named, Reference};

/// Where a path is from.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PathOrigin {
    /// What the bill says of it; of the package, the place as the provenance has it.
    #[serde(flatten)]
    pub record: PathRecord,
    /// The image's manifest.
    pub image: String,
    /// The Release file that vouched for the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vouched: Option<ReleaseFact>,
    /// Whether the image has this content: looked at in a layout only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
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

impl PathOrigin {
    /// Finds a path in what is attached to an image.
    ///
    /// # Errors
    /// When there is no bill of materials, it does not have the path, or the image has another content than it says.
    pub fn find(
        named: &Named,
        image: &Descriptor,
        target: &Descriptor,
        path: &str,
    ) -> Result<Self, Failure> {
        let store = named.store.as_ref();
        let bills = bills::of(store, image, target)?;
        let bill = bills.iter().find(|bill| bill.format == Format::CycloneDx);
        let Some(bill) = bill else {
            let message = format!("no CycloneDX document is attached to {}", image.digest);
            return Err(Failure::new(Status::Failed, message)
                .help("`basalt build` attaches one; `basalt attestations` lists what is there"));
        };
        let record = path_record(&bill.read(store)?, path)
            .map_err(|error| Failure::new(Status::Failed, error))?;
        let record = record.ok_or_else(|| {
            let message = format!("nothing stands at {path} in the image");
            Failure::new(Status::Failed, message).help(
                "directories are no one's; `basalt sbom --format cyclonedx` lists files and links",
            )
        })?;
        let mut origin = Self {
            record,
            image: image.digest.to_string(),
            vouched: None,
            verified: None,
        };
        if let Some(provenance) = provenance(store, image)? {
            origin.add_release(&provenance);
        }
        if !origin.record.left_out {
            origin.look(named, image)?;
        }
        Ok(origin)
    }

    /// Adds where the package was taken from, and who vouched for it.
    fn add_release(&mut self, provenance: &Provenance) {
        let Some(package) = &mut self.record.package else {
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
        let mut kind = there(&self.record.path);
        if let Some(FileKind::Hardlink { target }) = kind {
            kind = there(target);
        }
        let is_so = match (kind, &self.record.content, &self.record.link_to) {
            (Some(FileKind::File { digest, .. }), Some(said), _) => digest.to_string() == *said,
            (Some(FileKind::Symlink { target }), None, Some(said)) => target == said,
            _ => false,
        };
        if !is_so {
            let message = format!(
                "{} is not in the image as its bill of materials says: the bill is of another image, or was changed",
                self.record.path
            );
            return Err(Failure::new(Status::Trust, message));
        }
        self.verified = Some(true);
        Ok(())
    }
}

impl fmt::Display for PathOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = basalt_escape::line;
        writeln!(f, "{}", line(&self.record.path))?;
        let mut row = |name: &str, value: &str| writeln!(f, "  {name:<9}{}", line(value));
        row("by", &self.record.by)?;
        if let Some(content) = &self.record.content {
            let verified = match self.verified {
                Some(true) => " (compared with the image)",
                _ => "",
            };
            row("content", &format!("{content}{verified}"))?;
        }
        if let Some(original) = &self.record.original {
            row("there", original)?;
        }
        if let Some(target) = &self.record.link_to {
            row("link to", target)?;
        }
        if let Some(package) = &self.record.package {
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
