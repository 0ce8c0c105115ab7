//! `basalt diff A B`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use basalt_lock::{Lock, MAXIMUM_SIZE};
use basalt_oci::{ContentLimits, Image, Layout, filesystem};
use clap::Args;
use fs_err as fs;
use serde_json::{Value, json};

use crate::failure::{Failure, Status};
use crate::image_difference::{ImageDifference, difference};
use crate::packages;
use crate::terminal::Terminal;

/// What `diff` takes.
#[derive(Debug, Args)]
pub struct DiffArguments {
    /// A lock, an OCI layout, or a tar archive of one
    #[arg(value_name = "A")]
    pub former: PathBuf,
    /// What it is compared with: of the same kind
    #[arg(value_name = "B")]
    pub latter: PathBuf,
    /// Only images of this architecture
    #[arg(long, value_name = "NAME")]
    pub arch: Option<String>,
}

enum Side {
    Lock(Box<Lock>),
    Layout(Layout),
}

pub(super) fn run(own: &DiffArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let same = match (open(&own.former)?, open(&own.latter)?) {
        (Side::Lock(former), Side::Lock(latter)) => {
            let difference = basalt_lock::difference(&former, &latter);
            terminal.answer(&difference, || difference.to_string())?;
            difference.is_empty()
        }
        (Side::Layout(former), Side::Layout(latter)) => {
            layouts(&former, &latter, own.arch.as_deref(), terminal)?
        }
        _ => {
            let message = "a lock and an image cannot be compared";
            return Err(Failure::new(Status::Usage, message).help("name two locks, or two images"));
        }
    };
    Ok(if same {
        Status::Done
    } else {
        Status::Different
    })
}

/// A file that begins like JSON is a lock; all else is a layout.
fn open(path: &Path) -> Result<Side, Failure> {
    // What is not a file, or not there, is a layout's matter.
    if !fs::metadata(path).is_ok_and(|facts| facts.is_file()) {
        return Ok(Side::Layout(Layout::open(path)?));
    }
    let named = |cause| basalt_file::named(path, cause);
    let mut file = basalt_file::open(path).map_err(named)?;
    let mut start = [0; 16];
    let count = file.read(&mut start)?;
    let json = start
        .iter()
        .take(count)
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|byte| *byte == b'{');
    if !json {
        return Ok(Side::Layout(Layout::open(path)?));
    }
    let bytes = basalt_file::read(path, MAXIMUM_SIZE as u64).map_err(named)?;
    let lock = Lock::parse(&bytes).map_err(|error| {
        let mut failure = Failure::from(error);
        failure.error = format!("{}: {}", path.display(), failure.error).into();
        failure
    })?;
    Ok(Side::Lock(Box::new(lock)))
}

/// Images are compared with those of the same platform and tag; when each side has one image of
/// a platform, their tags do not matter.
fn layouts(
    former: &Layout,
    latter: &Layout,
    architecture: Option<&str>,
    terminal: &Terminal,
) -> Result<bool, Failure> {
    let (before, after) = (keyed(former, architecture)?, keyed(latter, architecture)?);
    let mut document: BTreeMap<String, Value> = BTreeMap::new();
    let mut text = String::new();
    for (key, from) in &before {
        let Some(to) = after.get(key) else {
            document.insert(key.clone(), json!("removed"));
            let _ = writeln!(text, "- image {}", basalt_escape::line(key));
            continue;
        };
        if from.descriptor.digest == to.descriptor.digest {
            continue;
        }
        let found = compare((former, from), (latter, to))?;
        document.insert(key.clone(), serde_json::to_value(&found)?);
        let _ = write!(
            text,
            "image {}\n{}",
            basalt_escape::line(key),
            lines(&found)
        );
    }
    for key in after.keys().filter(|key| !before.contains_key(*key)) {
        document.insert(key.clone(), json!("added"));
        let _ = writeln!(text, "+ image {}", basalt_escape::line(key));
    }
    if document.is_empty() {
        text.push_str("no difference\n");
    }
    let same = document.is_empty();
    terminal.answer(&json!({ "images": document }), || text)?;
    Ok(same)
}

/// Digests differ and nothing else: only the packing, dates or annotations do.
fn lines(found: &ImageDifference) -> String {
    if found.is_empty() {
        "~ same content and config, other layers, dates or annotations\n".to_owned()
    } else {
        found.to_string()
    }
}

/// What differs between two images.
pub(super) fn compare(
    former: (&Layout, &Image),
    latter: (&Layout, &Image),
) -> Result<ImageDifference, Failure> {
    let read = |side: (&Layout, &Image)| {
        filesystem(
            side.0,
            side.1,
            ContentLimits::default(),
            packages::is_record,
        )
    };
    let (before, after) = (read(former)?, read(latter)?);
    Ok(difference((former.1, &before), (latter.1, &after))?)
}

fn keyed(layout: &Layout, architecture: Option<&str>) -> Result<BTreeMap<String, Image>, Failure> {
    let mut images = layout.images()?;
    if let Some(architecture) = architecture {
        images.retain(|image| image.config.platform.architecture == architecture);
    }
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for image in &images {
        *counts.entry(image.config.platform.to_string()).or_default() += 1;
    }
    let mut keyed = BTreeMap::new();
    for image in images {
        let mut key = image.config.platform.to_string();
        if counts.get(&key).is_some_and(|count| *count > 1)
            && let Some(reference) = &image.reference
        {
            let _ = write!(key, " {reference}");
        }
        keyed.insert(key, image);
    }
    Ok(keyed)
}
