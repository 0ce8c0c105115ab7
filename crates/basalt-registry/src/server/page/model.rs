//! What pages show, and the JSON interface says.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bills::Package;
use crate::verdict::Breach;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Part {
    /// How many entries the whole list has.
    pub total: u64,
    /// Which page of it this is, from 1 on.
    pub page: u64,
    /// How many pages there are.
    pub pages: u64,
}

impl Part {
    /// The entries of this page, of all of them.
    pub fn cut<T>(mut all: Vec<T>, page: u64, length: u64) -> (Self, Vec<T>) {
        let part = Self::of(all.len() as u64, page, length);
        let skip = usize::try_from((page - 1).saturating_mul(length)).unwrap_or(usize::MAX);
        let mut rest = all.split_off(skip.min(all.len()));
        rest.truncate(length as usize);
        (part, rest)
    }

    /// A page of so many entries of a list.
    pub fn of(total: u64, page: u64, length: u64) -> Self {
        Self {
            total,
            page,
            pages: total.div_ceil(length).max(1),
        }
    }
}

/// The repositories.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Repositories {
    /// Which of them these are.
    #[serde(flatten)]
    pub part: Part,
    /// These.
    pub repositories: Vec<RepositoryLine>,
}

/// A repository in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RepositoryLine {
    /// Its name.
    pub name: String,
    /// How many tags it has.
    pub tags: u64,
    /// How many bytes its blobs have.
    pub size: u64,
    /// When something was pushed there last.
    pub pushed: Option<String>,
}

/// A repository.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Repository {
    /// What lists say of it.
    #[serde(flatten)]
    pub line: RepositoryLine,
    /// Where clients find it: host and name.
    pub place: String,
    /// Which of its tags are shown.
    pub shown: Part,
    /// Those.
    #[serde(rename = "tag-list")]
    pub list: Vec<TagLine>,
}

/// A tag in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TagLine {
    /// Its name.
    pub tag: String,
    /// What it names.
    pub digest: String,
    /// When that was pushed last.
    pub pushed: Option<String>,
    /// How many bytes its layers and configurations have.
    pub size: u64,
    /// What it runs on.
    pub platforms: Vec<String>,
    /// Whether a signature is attached. It was not verified.
    pub is_signed: bool,
}

/// An image, or whatever else a manifest is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// Where it is.
    pub repository: String,
    /// Where clients find it: host, name and tag or digest.
    pub place: String,
    /// The tag it was asked for by.
    pub tag: Option<String>,
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// What kind of artifact it is, when it is no image.
    pub artifact_type: Option<String>,
    /// How many bytes it has, with all that it lists.
    pub size: u64,
    /// When it was pushed last.
    pub pushed: Option<String>,
    /// Its tags, and those of the indexes that list it.
    pub tags: Vec<String>,
    /// What it refers to.
    pub subject: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it lists, a platform each.
    pub platforms: Vec<PlatformLine>,
    /// One image of it; itself, if it is one.
    pub details: Option<Details>,
    /// What is attached: signatures, bills of materials, provenance.
    pub attached: Vec<Attached>,
    /// Whether a signature is. It was not verified.
    pub is_signed: bool,
    /// Policies that it does not meet.
    pub policies: Vec<Breach>,
}

/// An image in an index.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformLine {
    /// What it runs on.
    pub platform: String,
    /// Its digest.
    pub digest: String,
    /// How many bytes it has.
    pub size: u64,
    /// Whether it is the one that is shown.
    pub is_shown: bool,
}

/// An image of one platform.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Details {
    /// What it runs on.
    pub platform: Option<String>,
    /// Its digest.
    pub digest: String,
    /// When it was made, as it says.
    pub created: Option<String>,
    /// Its layers, from the first up.
    pub layers: Vec<Layer>,
    /// How it runs.
    pub config: BTreeMap<&'static str, Vec<String>>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How it came to be.
    pub history: Vec<Step>,
    /// Where its packages are listed.
    pub bills: Vec<Bill>,
    /// Whether something that is attached was not read yet.
    pub is_waiting: bool,
    /// Which of its packages are shown.
    pub shown: Part,
    /// Those, of the first bill.
    pub packages: Vec<Package>,
}

/// A layer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Layer {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// The packages in it, where its builder tells.
    pub packages: Vec<String>,
    /// What made it, where its builder tells.
    pub made_by: Option<String>,
}

/// A step of an image's history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// When.
    pub created: Option<String>,
    /// By what.
    pub made_by: Option<String>,
    /// In words.
    pub comment: Option<String>,
    /// Whether it made a layer.
    pub has_layer: bool,
}

/// A bill of materials.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bill {
    /// The manifest that carries it.
    pub manifest: String,
    /// Its format and version.
    pub format: String,
    /// Whether it came in an envelope with signatures, which were not verified.
    pub is_signed: bool,
    /// How many packages it lists.
    pub packages: u64,
    /// Why it was not read.
    pub problem: Option<String>,
}

/// Something that is attached to an image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attached {
    /// What it is.
    pub kind: Kind,
    /// The same for people, with its format.
    pub label: String,
    /// Whether it is in an envelope with signatures, which were not verified.
    pub is_signed: bool,
    /// The manifest that it is in.
    pub digest: String,
    /// Its media type.
    pub artifact_type: String,
    /// What it is attached to.
    pub subject: String,
}

/// What can be attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A signature.
    Signature,
    /// How an image was built.
    Provenance,
    /// What it holds.
    Sbom,
    /// Another statement.
    Attestation,
    /// Something else.
    Other,
}

/// Images that have a package.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Packages {
    /// What was asked for.
    pub query: String,
    /// Which of the images are shown.
    #[serde(flatten)]
    pub part: Part,
    /// In how many repositories they are.
    pub repositories: u64,
    /// Whether there are more than were counted.
    pub is_capped: bool,
    /// Whether packages were passed over because their versions cannot be compared.
    pub has_unordered: bool,
    /// Those.
    pub images: Vec<PackageLine>,
}

/// An image that has a package.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageLine {
    /// Where it is.
    pub repository: String,
    /// Its digest.
    pub digest: String,
    /// Its tags, and those of the indexes that list it.
    pub tags: Vec<String>,
    /// What it runs on.
    pub platform: Option<String>,
    /// The package.
    pub package: Package,
}
