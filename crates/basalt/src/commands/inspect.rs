//! `basalt inspect LAYOUT`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use basalt_digest::Digest;
use basalt_oci::{
    Content, ContentLimits, Descriptor, FileFact, FileKind, Image, ImageConfig, Layout, annotation,
    filesystem, subject_of_tag,
};
use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Status};
use crate::packages;
use crate::terminal::{Terminal, bytes, table};

/// What `inspect` takes.
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// An OCI layout: a folder, or a tar archive of one
    #[arg(value_name = "LAYOUT")]
    pub layout: PathBuf,
    /// Only images of this architecture
    #[arg(long, value_name = "NAME")]
    pub arch: Option<String>,
    /// List the packages too
    #[arg(long)]
    pub packages: bool,
    /// List the files too
    #[arg(long)]
    pub files: bool,
}

/// One image, as the JSON document has it.
#[derive(Serialize)]
struct Shown<'a> {
    reference: &'a Option<String>,
    manifest: &'a Descriptor,
    annotations: &'a BTreeMap<String, String>,
    layers: &'a [Descriptor],
    config: &'a ImageConfig,
    attached: &'a [Attached],
    #[serde(rename = "attached-to-index")]
    attached_to_index: Vec<&'a Attached>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, FileFact>>,
}

/// What is attached to an image: a bill of materials, an attestation, a signature.
#[derive(Serialize)]
struct Attached {
    kind: String,
    manifest: Digest,
    size: u64,
}

/// What refers to images and indexes, by their digests.
fn attached(layout: &Layout) -> Result<BTreeMap<Digest, Vec<Attached>>, Failure> {
    let mut all: BTreeMap<Digest, Vec<Attached>> = BTreeMap::new();
    for (descriptor, manifest, tag) in layout.manifests()? {
        let named = manifest.subject.as_ref().map(|subject| subject.digest);
        let Some(subject) = named.or_else(|| subject_of_tag(tag.as_deref()?)) else {
            continue;
        };
        let layer = manifest.layers.first().map(|layer| &layer.media_type);
        let kind = manifest.artifact_type.as_ref().or(layer);
        all.entry(subject).or_default().push(Attached {
            kind: kind.unwrap_or(&manifest.config.media_type).clone(),
            manifest: descriptor.digest,
            size: manifest.layers.iter().map(|layer| layer.size).sum(),
        });
    }
    Ok(all)
}

/// The entries of the layout's own index that lead to an image by way of another index.
fn indexes_of<'l>(layout: &'l Layout, image: &'l Image) -> impl Iterator<Item = &'l Descriptor> {
    let entries = layout.index().manifests.iter();
    entries.filter(|entry| {
        entry.is_index()
            && entry.annotations.get(annotation::REFERENCE_NAME) == image.reference.as_ref()
    })
}

pub(super) fn run(own: &InspectArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let layout = Layout::open(&own.layout)?;
    let mut images = layout.images()?;
    if let Some(architecture) = &own.arch {
        images.retain(|image| image.config.platform.architecture == *architecture);
    }
    if images.is_empty() {
        let what = own.arch.as_deref().unwrap_or("any architecture");
        let path = own.layout.display();
        let message = format!("{path} holds no image for {what}");
        return Err(Failure::new(Status::Failed, message));
    }
    let attached = attached(&layout)?;
    let of = |digest: &Digest| attached.get(digest).map_or(&[][..], Vec::as_slice);
    let mut shown = Vec::new();
    for image in &images {
        let content = (own.packages || own.files)
            .then(|| {
                filesystem(
                    &layout,
                    image,
                    ContentLimits::default(),
                    packages::is_record,
                )
            })
            .transpose()?;
        let wanted = |asked: bool| content.as_ref().filter(|_| asked);
        shown.push(Shown {
            reference: &image.reference,
            manifest: &image.descriptor,
            annotations: &image.manifest.annotations,
            layers: &image.manifest.layers,
            config: &image.config,
            attached: of(&image.descriptor.digest),
            attached_to_index: indexes_of(&layout, image)
                .flat_map(|index| of(&index.digest))
                .collect(),
            packages: wanted(own.packages).map(packages::packages),
            files: wanted(own.files).map(|content: &Content| content.files.clone()),
        });
    }
    terminal.answer(&shown, || {
        let texts: Vec<String> = images
            .iter()
            .zip(&shown)
            .map(|(image, shown)| text(image, shown))
            .collect();
        texts.join("\n")
    })?;
    Ok(Status::Done)
}

fn text(image: &Image, shown: &Shown<'_>) -> String {
    let config = &image.config;
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("{key:<12} {}\n", basalt_escape::line(&value)));
        }
    };
    line("reference", image.reference.clone().unwrap_or_default());
    line("platform", config.platform.to_string());
    line("digest", image.descriptor.digest.to_string());
    line("created", config.created.clone().unwrap_or_default());
    let run = &config.config;
    let words = |list: &[String]| serde_json::to_string(list).unwrap_or_default();
    line("user", run.user.clone());
    for (key, list) in [("entrypoint", &run.entrypoint), ("cmd", &run.cmd)] {
        if !list.is_empty() {
            line(key, words(list));
        }
    }
    line("directory", run.working_dir.clone());
    line("stop signal", run.stop_signal.clone());
    for variable in &run.env {
        line("environment", variable.clone());
    }
    for port in run.exposed_ports.keys() {
        line("port", port.clone());
    }
    for volume in run.volumes.keys() {
        line("volume", volume.clone());
    }
    for (key, value) in &run.labels {
        line("label", format!("{key}={value}"));
    }
    for (key, value) in &image.manifest.annotations {
        line("annotation", format!("{key}={value}"));
    }
    let size: u64 = image.manifest.layers.iter().map(|layer| layer.size).sum();
    let count = image.manifest.layers.len();
    line("layers", format!("{count}, {} compressed", bytes(size)));
    let mut histories = config.history.iter().filter(|one| !one.empty_layer);
    for layer in &image.manifest.layers {
        let comment = histories
            .next()
            .and_then(|one| one.comment.as_deref().or(one.created_by.as_deref()))
            .unwrap_or("");
        let hex = layer.digest.hex();
        let short = hex.get(..12).unwrap_or(&hex);
        let comment = basalt_escape::line(comment);
        let row = format!("  {short} {:>9}  {comment}", bytes(layer.size));
        text.push_str(row.trim_end());
        text.push('\n');
    }
    let mut attached = |title: &str, one: &Attached| {
        let kind = basalt_escape::line(&one.kind);
        text.push_str(&format!("{title:<12} {kind}, {}\n", bytes(one.size)));
    };
    shown
        .attached
        .iter()
        .for_each(|one| attached("attached", one));
    let to_index = shown.attached_to_index.iter();
    to_index.for_each(|one| attached("to the index", one));
    if let Some(packages) = &shown.packages {
        text.push_str(&format!("packages     {}\n", packages.len()));
        for (name, version) in packages {
            let record = format!("{name} {version}");
            text.push_str(&format!("  {}\n", basalt_escape::line(&record)));
        }
    }
    if let Some(files) = &shown.files {
        text.push_str(&format!("files        {}\n", files.len()));
        let rows: Vec<Vec<String>> = files.values().map(columns).collect();
        for (row, path) in table(&rows).lines().zip(files) {
            let path = format!("/{}{}", path.0, suffix(&path.1.kind));
            text.push_str(&format!("  {row}  {}\n", basalt_escape::line(&path)));
        }
    }
    text
}

/// Letter and mode, owner, size.
fn columns(fact: &FileFact) -> Vec<String> {
    let (letter, size) = match &fact.kind {
        FileKind::File { size, .. } => ('-', *size),
        FileKind::Directory => ('d', 0),
        FileKind::Symlink { .. } => ('l', 0),
        FileKind::Hardlink { .. } => ('h', 0),
        FileKind::Special { .. } => ('?', 0),
    };
    vec![
        format!("{letter}{:04o}", fact.mode),
        format!("{}:{}", fact.uid, fact.gid),
        size.to_string(),
    ]
}

fn suffix(kind: &FileKind) -> String {
    match kind {
        FileKind::Symlink { target } => format!(" -> {target}"),
        FileKind::Hardlink { target } => format!(" = /{target}"),
        _ => String::new(),
    }
}
