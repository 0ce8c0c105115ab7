//! Copies an image as the commands `push`, `pull`, `copy` and `mirror` do, and says what was done.

use std::path::Path;
use std::sync::Arc;

use basalt_client::{Client, Copied, CopyOptions, LayoutTarget, Target};
use basalt_oci::{Descriptor, annotation};
use serde_json::{Value, json};

use crate::arguments::{CopyArguments, RegistryArguments};
use crate::failure::{Failure, Status};
use crate::interruption;
use crate::reference::{DEFAULT_TAG, Named, Reference};
use crate::registries;
use crate::terminal::{Progress, Terminal, bytes};

/// What is copied where.
pub struct Transfer<'a> {
    /// Reaches registries.
    pub client: &'a Client,
    /// What is copied, and how.
    pub arguments: &'a CopyArguments,
    /// Hears how far it is.
    pub progress: &'a Arc<Progress>,
}

/// An image that was copied.
pub struct Done {
    /// Where it is now, with its tag.
    pub name: String,
    /// What was copied.
    pub copied: Copied,
}

/// Runs a command that copies one image from here to there: `what` is its name.
///
/// # Errors
/// As [`Transfer::run`], and when a registry cannot be spoken to.
pub fn carry(
    what: &'static str,
    (from, to): (Reference, &Reference),
    arguments: &CopyArguments,
    registries: &RegistryArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    interruption::watch(terminal.json())?;
    let progress = Arc::new(terminal.progress());
    progress.stage(what, 0);
    let client = registries::client(registries, Some(progress.clone()))?;
    let transfer = Transfer {
        client: &client,
        arguments,
        progress: &progress,
    };
    let done = transfer.run(from, to)?;
    progress.finish();
    let mut document = done.document();
    document["warnings"] = json!(client.warnings());
    terminal.summary(&document, || done.text())?;
    Ok(Status::Done)
}

/// An entry of a layout has a name that no registry takes as a tag, as other tools write it.
fn no_tag(from: &Named, tag: &str, to: &basalt_client::Reference) -> Failure {
    let (place, name) = (from.store.place(), to.name());
    let message =
        format!("{place}: the image's entry in index.json is named `{tag}`, which is no tag");
    Failure::new(Status::Usage, message).help(format!("say which tag it gets there: {name}:TAG"))
}

impl Transfer<'_> {
    /// Copies what is named to a place that is named.
    ///
    /// # Errors
    /// When it is not there, or a place cannot be read or written.
    pub fn run(&self, from: Reference, to: &Reference) -> Result<Done, Failure> {
        let source = from.in_registry()?;
        let from = from.open_with(self.client)?;
        let image = from.target()?;
        let listed = image.annotations.get(annotation::REFERENCE_NAME);
        let tag = match (to.tag(), to.digest(), from.reference.tag()) {
            (Some(tag), _, _) | (None, None, Some(tag)) => Some(tag.to_owned()),
            (None, None, None) => Some(listed.map_or(DEFAULT_TAG, String::as_str).to_owned()),
            (None, Some(_), _) => None,
        };
        let name = match to {
            Reference::Layout { path, .. } => {
                let tag = tag.as_deref().map(|tag| format!(":{tag}"));
                format!("{}{}", path.display(), tag.unwrap_or_default())
            }
            Reference::Registry { .. } => to.in_registry()?.map_or_else(String::new, |named| {
                let tag = tag.as_deref().map(|tag| format!(":{tag}"));
                format!("{}{}", named.name(), tag.unwrap_or_default())
            }),
        };
        let copied = match to.in_registry()? {
            Some(named) => {
                if let Some(tag) = tag.as_deref().filter(|tag| named.with_tag(tag).is_err()) {
                    return Err(no_tag(&from, tag, &named));
                }
                let repository = self.client.repository(&named)?;
                let other = source
                    .map(|source| self.client.repository(&source))
                    .transpose()?;
                let mount_from = other
                    .as_ref()
                    .and_then(|other| repository.mountable_from(other));
                let target = Target::Repository(&repository);
                self.copy(&from, &image, target, tag.as_deref(), mount_from, to)?
            }
            None => self.write_layout(&from, &image, to, tag.as_deref())?,
        };
        Ok(Done { name, copied })
    }

    fn write_layout(
        &self,
        from: &Named,
        image: &Descriptor,
        to: &Reference,
        tag: Option<&str>,
    ) -> Result<Copied, Failure> {
        let Reference::Layout { path, .. } = to else {
            return Err(Failure::new(Status::Usage, "that is no layout"));
        };
        interruption::writes(path);
        let layout = LayoutTarget::create(Path::new(path))?;
        let copied = self.copy(from, image, Target::Layout(&layout), tag, None, to)?;
        layout.finish()?;
        Ok(copied)
    }

    fn copy(
        &self,
        from: &Named,
        image: &Descriptor,
        target: Target<'_>,
        tag: Option<&str>,
        mount_from: Option<&str>,
        to: &Reference,
    ) -> Result<Copied, Failure> {
        if let Some(digest) = to.digest()
            && (*digest != image.digest || self.arguments.platform.is_some())
        {
            let message = format!("the image is {}, not {digest}", image.digest);
            return Err(Failure::new(Status::Usage, message)
                .help("name a tag there; a digest follows from the image"));
        }
        let options = CopyOptions {
            tag,
            platform: self.arguments.platform.as_ref(),
            referrers: !self.arguments.no_referrers,
            mount_from,
            jobs: usize::from(self.arguments.jobs),
            observer: self.progress.as_ref(),
        };
        Ok(basalt_client::copy(
            from.store.as_ref(),
            image,
            target,
            &options,
        )?)
    }
}

impl Done {
    /// As the JSON document has it.
    pub fn document(&self) -> Value {
        let copied = &self.copied;
        json!({
            "image": self.name,
            "digest": copied.image.digest,
            "media-type": copied.image.media_type,
            "manifests": copied.manifests,
            "referrers": copied.referrers,
            "blobs": {
                "present": copied.present,
                "mounted": copied.mounted,
                "moved": copied.moved,
            },
            "moved-bytes": copied.moved_bytes,
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        let copied = &self.copied;
        let mut facts = vec![match copied.referrers {
            0 => format!("{} manifests", copied.manifests),
            some => format!(
                "{} manifests, {some} of what refers to it",
                copied.manifests
            ),
        }];
        if copied.moved > 0 || copied.present + copied.mounted == 0 {
            let size = bytes(copied.moved_bytes);
            facts.push(format!("{} blobs moved ({size})", copied.moved));
        }
        if copied.mounted > 0 {
            facts.push(format!("{} mounted", copied.mounted));
        }
        if copied.present > 0 {
            facts.push(format!("{} there already", copied.present));
        }
        format!(
            "{}@{}\n        {}\n",
            self.name,
            copied.image.digest,
            facts.join("; ")
        )
    }
}
