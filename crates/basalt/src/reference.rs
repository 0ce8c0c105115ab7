//! What a person names on the command line: an image in a layout, or in a registry.

use std::path::{Path, PathBuf};

use basalt_client::{Client, ClientError};
use basalt_digest::Digest;
use basalt_oci::{Descriptor, ImageStore, Layout, LayoutStore, annotation};

use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::registries;

/// How many images an error lists.
const MAXIMUM_LISTED: usize = 20;
/// The tag where none is named.
pub const DEFAULT_TAG: &str = "latest";

/// What a person named, as the text says it: nothing has been looked at but whether a path exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `PATH[:TAG][@DIGEST]`
    Layout {
        /// The folder, or an archive of one.
        path: PathBuf,
        /// The tag.
        tag: Option<String>,
        /// The digest, which decides if it is there.
        digest: Option<Digest>,
    },
    /// `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`, without what may stand before it.
    Registry {
        /// Host, port and repository.
        repository: String,
        /// The tag.
        tag: Option<String>,
        /// The digest, which decides if it is there.
        digest: Option<Digest>,
    },
}

/// An image and the place where it is.
pub struct Named {
    /// The place.
    pub store: Box<dyn ImageStore>,
    /// What was named of it.
    pub reference: Reference,
}

impl Reference {
    /// Reads `PATH[:TAG][@DIGEST]` or `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`. A layout is what exists as a path, and
    /// whatever begins with `./`, `../`, `/` or `oci:`.
    ///
    /// # Errors
    /// When a digest is none, or nothing is named.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let (explicit, rest) = match text.strip_prefix("oci:") {
            Some(rest) => (true, rest),
            None => (
                ["./", "../", "/"]
                    .iter()
                    .any(|start| text.starts_with(start)),
                text,
            ),
        };
        let exists = |path: &str| Path::new(path).exists();
        if rest.is_empty() {
            return Err(wrong(text, "it names nothing"));
        }
        if exists(rest) {
            return Ok(Self::Layout {
                path: PathBuf::from(rest),
                tag: None,
                digest: None,
            });
        }
        let (before, digest) = match rest.rsplit_once('@') {
            Some((before, digest)) => match digest.parse() {
                Ok(digest) => (before, Some(digest)),
                Err(error) => return Err(wrong(text, &format!("{error}"))),
            },
            None => (rest, None),
        };
        let (name, tag) = match before.rsplit_once(':') {
            Some((name, tag)) if !exists(before) && !tag.contains('/') && !name.is_empty() => {
                (name, Some(tag.to_owned()))
            }
            _ => (before, None),
        };
        if name.is_empty() || tag.as_deref() == Some("") {
            return Err(wrong(text, "a name or a tag is empty"));
        }
        if explicit || exists(name) {
            return Ok(Self::Layout {
                path: PathBuf::from(name),
                tag,
                digest,
            });
        }
        let repository = name.strip_prefix("docker://").unwrap_or(name);
        Ok(Self::Registry {
            repository: repository.to_owned(),
            tag,
            digest,
        })
    }

    /// Reads `PATH[:TAG]` of a layout that may still have to be made.
    ///
    /// # Errors
    /// When nothing is named, or a digest is.
    pub fn parse_layout(text: &str) -> Result<Self, Failure> {
        let explicit = ["oci:", "./", "../", "/"];
        let parsed = match explicit.iter().any(|start| text.starts_with(start)) {
            true => Self::parse(text)?,
            false => Self::parse(&format!("oci:{text}"))?,
        };
        match parsed.digest() {
            Some(_) => Err(wrong(
                text,
                "what a layout holds has its digest from itself",
            )),
            None => Ok(parsed),
        }
    }

    /// The same place with this tag.
    #[must_use]
    pub fn with_tag(&self, name: &str) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Layout { tag, .. } | Self::Registry { tag, .. } => *tag = Some(name.to_owned()),
        }
        other
    }

    /// Opens the place; a registry is reached as the environment says.
    ///
    /// # Errors
    /// When it is not there, or cannot be reached.
    pub fn open(self) -> Result<Named, Failure> {
        match &self {
            Self::Layout { path, .. } => Ok(Named {
                store: Box::new(LayoutStore::open(path)?),
                reference: self,
            }),
            Self::Registry { .. } => {
                let client = registries::client(&RegistryArguments::of_environment(), None)?;
                self.open_with(&client)
            }
        }
    }

    /// Opens the place; a registry is reached by this client.
    ///
    /// # Errors
    /// When it is not there, or cannot be reached.
    pub fn open_with(self, client: &Client) -> Result<Named, Failure> {
        match self.in_registry()? {
            None => self.open(),
            Some(reference) => Ok(Named {
                store: Box::new(client.repository(&reference)?),
                reference: self,
            }),
        }
    }

    /// What is named, if it is in a registry.
    ///
    /// # Errors
    /// When it cannot be the name of an image there.
    pub fn in_registry(&self) -> Result<Option<basalt_client::Reference>, Failure> {
        let Self::Registry {
            repository,
            tag,
            digest,
        } = self
        else {
            return Ok(None);
        };
        let mut text = repository.clone();
        if let Some(tag) = tag {
            text.push_str(&format!(":{tag}"));
        }
        if let Some(digest) = digest {
            text.push_str(&format!("@{digest}"));
        }
        let parsed = text.parse().map_err(ClientError::Reference)?;
        Ok(Some(parsed))
    }

    /// The tag that is named.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Layout { tag, .. } | Self::Registry { tag, .. } => tag.as_deref(),
        }
    }

    /// The digest that is named.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Layout { digest, .. } | Self::Registry { digest, .. } => digest.as_ref(),
        }
    }
}

impl Named {
    /// The manifest or index that is named: by its digest, else by its tag; else the one image of a layout, or `latest`.
    ///
    /// # Errors
    /// When it is not there, or a layout has several.
    pub fn target(&self) -> Result<Descriptor, Failure> {
        if let Some(digest) = self.reference.digest() {
            return match self.store.manifest(digest)? {
                Some((descriptor, _)) => Ok(descriptor),
                None => Err(self.lacks(&format!("manifest {digest}"))),
            };
        }
        let tag = match self.reference.tag() {
            Some(tag) => Some(tag.to_owned()),
            None => self.default_tag()?,
        };
        let Some(tag) = tag else {
            return self.unnamed();
        };
        self.store
            .resolve(&tag)?
            .ok_or_else(|| self.lacks(&format!("tag `{tag}`")))
    }

    /// The name of the image without tag and digest: of a layout, that of its folder.
    pub fn name(&self) -> String {
        match &self.reference {
            Reference::Registry { repository, .. } => repository.clone(),
            Reference::Layout { path, .. } => {
                let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                let name = whole.file_name().unwrap_or(whole.as_os_str());
                name.to_string_lossy().into_owned()
            }
        }
    }

    /// The tag that is meant where none is named; nothing when nothing has one.
    fn default_tag(&self) -> Result<Option<String>, Failure> {
        if matches!(self.reference, Reference::Registry { .. }) {
            return Ok(Some(DEFAULT_TAG.to_owned()));
        }
        let mut tags = self.store.tags()?;
        // The tags under which signatures and referrers are kept are no images.
        tags.retain(|tag| !tag.starts_with("sha256-"));
        match tags.as_slice() {
            [only] => Ok(Some(only.clone())),
            [] => Ok(None),
            _ if tags.iter().any(|tag| tag == DEFAULT_TAG) => Ok(Some(DEFAULT_TAG.to_owned())),
            _ => {
                let place = self.store.place();
                let message = format!("{place} has several images: {}", tags.join(", "));
                Err(Failure::new(Status::Usage, message)
                    .help(format!("name one, such as {place}:{}", tags[0])))
            }
        }
    }

    /// The one image of a layout that gives names to none. What refers to another manifest is no image of its own.
    fn unnamed(&self) -> Result<Descriptor, Failure> {
        let Reference::Layout { path, .. } = &self.reference else {
            return Err(self.lacks("image"));
        };
        #[derive(serde::Deserialize)]
        struct Referring {
            subject: Option<serde::de::IgnoredAny>,
        }
        let layout = Layout::open(path)?;
        let mut images: Vec<&Descriptor> = Vec::new();
        for entry in &layout.index().manifests {
            let is_known = images.iter().any(|one| one.digest == entry.digest);
            let has_name = entry.annotations.contains_key(annotation::REFERENCE_NAME);
            let is_one = entry.is_index() || entry.is_manifest();
            if is_known || has_name || !is_one {
                continue;
            }
            let read: Result<Referring, _> = serde_json::from_slice(&layout.read_blob(entry)?);
            if read.is_ok_and(|one| one.subject.is_none()) {
                images.push(entry);
            }
            if images.len() > MAXIMUM_LISTED {
                break;
            }
        }
        match images.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(self.lacks("image")),
            several => {
                let place = self.store.place();
                let mut lines: Vec<String> = several.iter().map(|one| listed(one)).collect();
                if several.len() > MAXIMUM_LISTED {
                    lines.truncate(MAXIMUM_LISTED);
                    lines.push("…".to_owned());
                }
                let message = format!(
                    "{place} has several images, none with a name: {}",
                    lines.join(", ")
                );
                Err(Failure::new(Status::Usage, message).help(format!(
                    "name one by its digest: {place}@{}",
                    several[0].digest
                )))
            }
        }
    }

    fn lacks(&self, what: &str) -> Failure {
        let place = self.store.place();
        Failure::new(Status::Failed, format!("{place} has no {what}"))
    }
}

/// An image of a layout, as a list of them shows it.
fn listed(image: &Descriptor) -> String {
    match &image.platform {
        Some(platform) => format!("{} ({platform})", image.digest),
        None => image.digest.to_string(),
    }
}

fn wrong(text: &str, cause: &str) -> Failure {
    let message = format!("`{text}` names no image: {cause}");
    Failure::new(Status::Usage, message).help(
        "write PATH[:TAG][@DIGEST] for a layout, HOST/REPOSITORY[:TAG][@DIGEST] for a registry",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn parse(text: &str) -> Reference {
        Reference::parse(text).unwrap_or_else(|failure| panic!("{text}: {:?}", failure.messages()))
    }

    fn layout(path: &str, tag: Option<&str>, digest: bool) -> Reference {
        Reference::Layout {
            path: path.into(),
            tag: tag.map(str::to_owned),
            digest: digest.then(|| DIGEST.parse().expect("a digest")),
        }
    }

    fn repository(name: &str, tag: Option<&str>, digest: bool) -> Reference {
        Reference::Registry {
            repository: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.then(|| DIGEST.parse().expect("a digest")),
        }
    }

    #[test]
    fn paths_are_layouts_and_all_else_is_a_registry() {
        for (text, expected) in [
            ("./out/none", layout("./out/none", None, false)),
            ("./out/none:dev", layout("./out/none", Some("dev"), false)),
            ("/none:a", layout("/none", Some("a"), false)),
            ("oci:none:a", layout("none", Some("a"), false)),
            ("src", layout("src", None, false)),
            ("src:dev", layout("src", Some("dev"), false)),
            (
                "example.com/a/b",
                repository("example.com/a/b", None, false),
            ),
            (
                "localhost:5000/a",
                repository("localhost:5000/a", None, false),
            ),
            (
                "docker://localhost:5000/a:b",
                repository("localhost:5000/a", Some("b"), false),
            ),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(
            parse(&format!("./none:a@{DIGEST}")),
            layout("./none", Some("a"), true)
        );
        assert_eq!(
            parse(&format!("localhost:5000/a:b@{DIGEST}")),
            repository("localhost:5000/a", Some("b"), true)
        );
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "oci:", "a@sha256:00", "./a:", "example.com/a@latest"] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
