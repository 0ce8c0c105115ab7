//! Manifests and indexes (OCI image specification 1.1; Docker's image manifest version 2, schema 2, and its lists).

use std::collections::BTreeMap;

use crate::fold::mistaken;
use crate::json::{Malformed, Node, parse, printable};
use crate::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

/// The longest document that is read, in bytes. Registries take 4 MiB at least.
pub const MAXIMUM_DOCUMENT: usize = 16 << 20;
/// The most descriptors that a document may have.
pub const MAXIMUM_DESCRIPTORS: usize = 20_000;
/// The longest media type, in bytes (RFC 6838: 127 for each half).
const MAXIMUM_TYPE: usize = 255;

/// All that an engine reads of a document itself. Those of schema 1 (Docker's older format) make another kind of it.
const DOCUMENT: [&str; 14] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
    "history",
    "signatures",
    "name",
    "tag",
    "architecture",
];
const SCHEMA_1: [&str; 6] = [
    "fsLayers",
    "history",
    "signatures",
    "name",
    "tag",
    "architecture",
];
/// Likewise of a descriptor.
const DESCRIPTOR: [&str; 8] = [
    "mediaType",
    "digest",
    "size",
    "urls",
    "annotations",
    "data",
    "platform",
    "artifactType",
];
/// Likewise of a platform; `features` is Docker's.
const PLATFORM: [&str; 6] = [
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "features",
];

/// What kind of document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It has a config and layers.
    Manifest,
    /// It lists others.
    Index,
}

/// A manifest or an index, of which every reader makes the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is, by what it holds.
    pub kind: Kind,
    /// What it calls itself, if it does: a media type of its kind.
    pub media_type: Option<String>,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// The config of a manifest.
    pub config: Option<Descriptor>,
    /// The layers of a manifest, from the first up.
    pub layers: Vec<Descriptor>,
    /// What an index lists.
    pub manifests: Vec<Descriptor>,
    /// The manifest it refers to.
    pub subject: Option<Descriptor>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Points at a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What the blob is, as the descriptor says.
    pub media_type: String,
    /// Its digest, of a form that is known: `sha256:` or `sha512:` and lower-case hex digits.
    pub digest: String,
    /// Its length in bytes.
    pub size: u64,
    /// What it runs on.
    pub platform: Option<Platform>,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether the descriptor holds the blob's bytes as well.
    pub has_data: bool,
    /// Whether the descriptor names other places that have the blob (OCI image specification, *Descriptor*, `urls`).
    pub has_urls: bool,
}

/// What an image runs on, in Go's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platform {
    /// Processor: `amd64`.
    pub architecture: String,
    /// Operating system: `linux`.
    pub os: String,
    /// Version of the operating system.
    pub os_version: Option<String>,
    /// Variant of the processor: `v8`.
    pub variant: Option<String>,
}

/// Reads a manifest or an index.
///
/// # Errors
/// When it is neither, could be read as both, or two readers could make different things of it.
pub fn read(bytes: &[u8]) -> Result<Document, Malformed> {
    let node = parse(bytes, MAXIMUM_DOCUMENT)?;
    let fields = Fields::of(&node, "", &DOCUMENT)?;
    if let Some(key) = SCHEMA_1.iter().find(|key| fields.get(key).is_some()) {
        let cause = format!("`{key}` is of Docker's schema 1, which is not read");
        return Err(Malformed::whole(cause));
    }
    if fields.get("schemaVersion") != Some(&Node::Whole(2)) {
        return Err(Malformed::whole("its `schemaVersion` is not 2"));
    }
    let kind = match (
        fields.get("manifests"),
        fields.get("config"),
        fields.get("layers"),
    ) {
        (Some(Node::List(_)), None, None) => Kind::Index,
        (None, Some(Node::Object(_)), _) => Kind::Manifest,
        // One that can be read as either kind is another thing to another client (CVE-2021-41190).
        (Some(_), _, _) => {
            let cause = "an index has a list `manifests`, and neither `config` nor `layers`";
            return Err(Malformed::whole(cause));
        }
        _ => {
            let cause = "an image manifest has an object `config`, and an index a list `manifests`";
            return Err(Malformed::whole(cause));
        }
    };
    let media_type = fields.media_type("mediaType")?;
    let own = match kind {
        Kind::Manifest => [OCI_MANIFEST, DOCKER_MANIFEST],
        Kind::Index => [OCI_INDEX, DOCKER_LIST],
    };
    if let Some(other) = media_type.as_deref().filter(|one| !own.contains(one)) {
        let cause = format!(
            "its mediaType is `{}`, and it is {}",
            printable(other),
            match kind {
                Kind::Manifest => "an image manifest",
                Kind::Index => "an index",
            }
        );
        return Err(Malformed::whole(cause));
    }
    let layers = fields.descriptors("layers")?;
    let manifests = fields.descriptors("manifests")?;
    Ok(Document {
        kind,
        media_type,
        artifact_type: fields.media_type("artifactType")?,
        config: fields.descriptor("config")?,
        layers,
        manifests,
        subject: fields.descriptor("subject")?,
        annotations: fields.annotations()?,
    })
}

impl Document {
    /// Its media type: what it calls itself, or OCI's of its kind.
    pub fn media_type(&self) -> &str {
        self.media_type.as_deref().unwrap_or(match self.kind {
            Kind::Manifest => OCI_MANIFEST,
            Kind::Index => OCI_INDEX,
        })
    }
}

/// The fields of an object, of which those are known that engines read. `null` says nothing, as in Go.
pub(crate) struct Fields<'n> {
    place: String,
    pairs: &'n [(String, Node)],
}

impl<'n> Fields<'n> {
    pub fn of(node: &'n Node, place: &str, known: &[&str]) -> Result<Self, Malformed> {
        let Node::Object(pairs) = node else {
            let cause = format!("an object must stand here, not {}", node.kind());
            return Err(Malformed::at(place, cause));
        };
        for (key, _) in pairs {
            if let Some(meant) = mistaken(key, known) {
                let cause = format!(
                    "the key `{}` is taken for `{meant}` by some readers and not by others",
                    printable(key)
                );
                return Err(Malformed::at(place, cause));
            }
        }
        Ok(Self {
            place: place.to_owned(),
            pairs,
        })
    }

    fn place(&self, key: &str) -> String {
        match self.place.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.place),
        }
    }

    /// The value of a key, also if it is null.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        let found = self.pairs.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }

    /// The value of a key, if it says something.
    fn some(&self, key: &str) -> Option<&'n Node> {
        self.get(key).filter(|value| **value != Node::Null)
    }

    fn wrong(&self, key: &str, wanted: &str, found: &Node) -> Malformed {
        let cause = format!("{wanted} must stand here, not {}", found.kind());
        Malformed::at(self.place(key), cause)
    }

    fn needed(&self, key: &str) -> Result<&'n Node, Malformed> {
        self.some(key)
            .ok_or_else(|| Malformed::at(self.place(key), "it is missing"))
    }

    pub fn text(&self, key: &str) -> Result<Option<&'n str>, Malformed> {
        match self.some(key) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a text", other)),
        }
    }

    /// A text or an object that is not looked at further.
    pub fn object(&self, key: &str, known: &[&str]) -> Result<Option<Fields<'n>>, Malformed> {
        let found = self.some(key);
        found
            .map(|node| Fields::of(node, &self.place(key), known))
            .transpose()
    }

    pub fn list(&self, key: &str) -> Result<&'n [Node], Malformed> {
        match self.some(key) {
            None => Ok(&[]),
            Some(Node::List(list)) => Ok(list),
            Some(other) => Err(self.wrong(key, "a list", other)),
        }
    }

    /// The place of an entry of a list.
    pub fn entry(&self, key: &str, number: usize) -> String {
        format!("{}[{number}]", self.place(key))
    }

    /// A list of texts; empty when it is not there.
    pub fn texts(&self, key: &str) -> Result<Vec<String>, Malformed> {
        let list = self.list(key)?.iter().enumerate();
        let text = |(number, value): (usize, &Node)| match value {
            Node::Text(text) => Ok(text.to_string()),
            other => {
                let cause = format!("a text must stand here, not {}", other.kind());
                Err(Malformed::at(self.entry(key, number), cause))
            }
        };
        list.map(text).collect()
    }

    fn media_type(&self, key: &str) -> Result<Option<String>, Malformed> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        if text.len() > MAXIMUM_TYPE {
            let cause = format!("a media type has {MAXIMUM_TYPE} bytes at most");
            return Err(Malformed::at(self.place(key), cause));
        }
        if text.chars().any(char::is_control) {
            let cause = "a media type has no control characters";
            return Err(Malformed::at(self.place(key), cause));
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn annotations(&self) -> Result<BTreeMap<String, String>, Malformed> {
        let key = "annotations";
        let pairs = match self.some(key) {
            None => return Ok(BTreeMap::new()),
            Some(Node::Object(pairs)) => pairs,
            Some(other) => return Err(self.wrong(key, "an object", other)),
        };
        let mut all = BTreeMap::new();
        for (name, value) in pairs {
            let Node::Text(text) = value else {
                let cause = format!("an annotation is a text, not {}", value.kind());
                let place = format!("{}.{}", self.place(key), printable(name));
                return Err(Malformed::at(place, cause));
            };
            all.insert(name.clone(), text.clone());
        }
        Ok(all)
    }

    fn descriptor(&self, key: &str) -> Result<Option<Descriptor>, Malformed> {
        let found = self.some(key);
        found
            .map(|node| Descriptor::of(node, &self.place(key)))
            .transpose()
    }

    fn descriptors(&self, key: &str) -> Result<Vec<Descriptor>, Malformed> {
        let list = self.list(key)?;
        if list.len() > MAXIMUM_DESCRIPTORS {
            let cause = format!("a document has {MAXIMUM_DESCRIPTORS} descriptors at most");
            return Err(Malformed::at(self.place(key), cause));
        }
        let all = list.iter().enumerate();
        all.map(|(number, node)| Descriptor::of(node, &self.entry(key, number)))
            .collect()
    }
}

impl Descriptor {
    fn of(node: &Node, place: &str) -> Result<Self, Malformed> {
        let fields = Fields::of(node, place, &DESCRIPTOR)?;
        fields.needed("mediaType")?;
        let digest = match fields.needed("digest")? {
            Node::Text(text) if is_digest(text) => text.clone(),
            Node::Text(text) => {
                let cause = format!("`{}` is not a SHA-256 or SHA-512 digest", printable(text));
                return Err(Malformed::at(fields.place("digest"), cause));
            }
            other => return Err(fields.wrong("digest", "a text", other)),
        };
        let size = match fields.needed("size")? {
            Node::Whole(size) if i64::try_from(*size).is_ok() => *size,
            _ => {
                let cause = "a size is a whole number from 0 to 2^63-1, without point or exponent";
                return Err(Malformed::at(fields.place("size"), cause));
            }
        };
        let has_urls = !fields.texts("urls")?.is_empty();
        Ok(Self {
            media_type: fields.media_type("mediaType")?.unwrap_or_default(),
            digest,
            size,
            platform: Platform::of(&fields)?,
            artifact_type: fields.media_type("artifactType")?,
            annotations: fields.annotations()?,
            has_data: fields.text("data")?.is_some(),
            has_urls,
        })
    }
}

impl Platform {
    fn of(descriptor: &Fields<'_>) -> Result<Option<Self>, Malformed> {
        let Some(fields) = descriptor.object("platform", &PLATFORM)? else {
            return Ok(None);
        };
        fields.texts("os.features")?;
        fields.texts("features")?;
        let text = |key| Ok(fields.text(key)?.map(str::to_owned));
        let some = |key| Ok(text(key)?.filter(|text: &String| !text.is_empty()));
        Ok(Some(Self {
            architecture: text("architecture")?.unwrap_or_default(),
            os: text("os")?.unwrap_or_default(),
            os_version: some("os.version")?,
            variant: some("variant")?,
        }))
    }
}

/// Whether a text is a digest as the specification has it, of an algorithm that is known.
fn is_digest(text: &str) -> bool {
    let (length, hex) = match text.split_once(':') {
        Some(("sha256", hex)) => (64, hex),
        Some(("sha512", hex)) => (128, hex),
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
