//! `basalt sbom IMAGE`.

use std::io::Write;
use std::path::PathBuf;

use basalt_oci::{Descriptor, ImageStore, Index, write_file};
use basalt_sbom::{Format, Summary, read_summary, spdx3_of_spdx};
use clap::{Args, ValueEnum};

use crate::arguments::RegistryArguments;
use crate::bills::{self, Bill};
use crate::failure::{Failure, Status};
use crate::signing;
use crate::terminal::Terminal;

/// The most of a licence expression that a line of the table shows, in characters.
const SHOWN: usize = 60;

/// What `sbom` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt sbom out/python                              its packages, with versions and licences
  basalt sbom out/python --format spdx -o sbom.json   the document itself
  basalt sbom out/python --arch arm64 --json          another architecture, for a program
  basalt sbom out/python --index --format cyclonedx   which images the index holds")]
pub struct SbomArguments {
    /// The image: PATH[:TAG][@DIGEST] of a layout, or HOST/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Write the document in this format, rather than the table
    #[arg(long, value_name = "FORMAT")]
    format: Option<WantedFormat>,
    /// Of the image for this architecture [default: this machine's, else the first]
    #[arg(long, value_name = "NAME", conflicts_with = "index")]
    arch: Option<String>,
    /// Of the index itself: which images it holds
    #[arg(long)]
    index: bool,
    /// Write the document into a file [default format: spdx]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    registries: RegistryArguments,
}

/// A format in which a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WantedFormat {
    /// SPDX 2.3 in JSON.
    Spdx,
    /// CycloneDX 1.6 in JSON.
    Cyclonedx,
    /// SPDX 3.0 in JSON-LD, made of the SPDX 2.3 document.
    Spdx3,
}

impl WantedFormat {
    /// The format of the document that it is taken from.
    const fn kept(self) -> Format {
        match self {
            Self::Spdx | Self::Spdx3 => Format::Spdx,
            Self::Cyclonedx => Format::CycloneDx,
        }
    }
}

pub(super) fn run(own: &SbomArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let named = signing::image(&own.image, &own.registries)?;
    let store = named.store.as_ref();
    let target = named.target()?;
    let subject = chosen(own.arch.as_deref(), own.index, store, &target)?;
    let bills = bills::of(store, &subject, &target)?;
    let wanted = match (own.format, &own.output) {
        (None, Some(_)) => Some(WantedFormat::Spdx),
        (format, _) => format,
    };
    let Some(wanted) = wanted else {
        let bill = find(store, &subject, &bills, None)?;
        let summary = read_summary(&bill.read(store)?).map_err(not_sound)?;
        terminal.answer(&summary, || text(&summary))?;
        return Ok(Status::Done);
    };
    let bill = find(store, &subject, &bills, Some(wanted.kept()))?;
    let mut bytes = bill.read(store)?;
    if wanted == WantedFormat::Spdx3 {
        bytes = spdx3_of_spdx(&bytes).map_err(not_sound)?;
    }
    match &own.output {
        Some(file) => write_file::<std::io::Error>(file, false, |out| out.write_all(&bytes))?,
        None => terminal.write_document(&bytes)?,
    }
    Ok(Status::Done)
}

/// What a document is to be about: the index itself, or its image of an architecture.
pub(super) fn chosen(
    architecture: Option<&str>,
    whole: bool,
    store: &dyn ImageStore,
    target: &Descriptor,
) -> Result<Descriptor, Failure> {
    if !target.is_index() || whole {
        return Ok(target.clone());
    }
    let Some((_, bytes)) = store.manifest(&target.digest)? else {
        let message = format!("{} has no index {}", store.place(), target.digest);
        return Err(Failure::new(Status::Failed, message));
    };
    let index: Index = bills::parse(&bytes, target)?;
    let architecture_of = |entry: &Descriptor| {
        let platform = entry.platform.as_ref()?;
        (platform.architecture != "unknown").then(|| platform.architecture.clone())
    };
    let images: Vec<(String, &Descriptor)> = index
        .manifests
        .iter()
        .filter_map(|entry| Some((architecture_of(entry)?, entry)))
        .collect();
    let of = |wanted: &str| images.iter().find(|(name, _)| name == wanted);
    let found = match architecture {
        Some(wanted) => of(wanted),
        None => of(crate::loading::host_architecture()).or(images.first()),
    };
    match found {
        Some((_, entry)) => Ok((*entry).clone()),
        None => {
            let names: Vec<&str> = images.iter().map(|(name, _)| name.as_str()).collect();
            let what = architecture.unwrap_or("any architecture");
            let message = format!("{} has no image for {what}", store.place());
            Err(Failure::new(Status::Failed, message).help(format!("it has: {}", names.join(", "))))
        }
    }
}

/// The bill in this format; in whichever there is when none is asked for.
fn find<'b>(
    store: &dyn ImageStore,
    subject: &Descriptor,
    bills: &'b [Bill],
    format: Option<Format>,
) -> Result<&'b Bill, Failure> {
    let fits = |bill: &&Bill| format.is_none_or(|format| bill.format == format);
    if let Some(bill) = bills.iter().find(fits) {
        return Ok(bill);
    }
    let place = store.place();
    let digest = subject.digest;
    let failure = match bills.first() {
        None => Failure::new(
            Status::Failed,
            format!("{place} has no bill of materials of {digest}"),
        )
        .help("`basalt build` attaches one to each image; an archive of an image has none"),
        Some(other) => Failure::new(
            Status::Failed,
            format!("{place} has a bill of materials of {digest}, and none in this format"),
        )
        .help(match other.format {
            Format::CycloneDx => "ask for `--format cyclonedx`",
            Format::Spdx | Format::Spdx3 => "ask for `--format spdx`",
        }),
    };
    Err(failure)
}

fn not_sound(error: basalt_sbom::SbomError) -> Failure {
    Failure::new(Status::Failed, error)
}

fn text(summary: &Summary) -> String {
    let format = match summary.format {
        Format::CycloneDx => format!("CycloneDX {}", summary.version),
        Format::Spdx => summary.version.clone(),
        Format::Spdx3 => format!("SPDX {}", summary.version),
    };
    let Summary { name, created, .. } = summary;
    let tools = summary.tools.join(", ");
    let title = format!("{name}: {format} of {created}, by {tools}");
    let mut text = format!("{}\n\n", basalt_escape::line(&title));
    // What packages were built from is in the document, and would double the table.
    let shown: Vec<_> = summary
        .components
        .iter()
        .filter(|component| component.kind != "source")
        .collect();
    let width = |of: fn(&basalt_sbom::SummaryComponent) -> &str| {
        let lengths = shown.iter().map(|one| of(one).chars().count());
        lengths.max().unwrap_or(0)
    };
    let (names, versions) = (width(|one| &one.name), width(|one| &one.version));
    for one in &shown {
        let licence = one.licence.as_deref().unwrap_or("-");
        let mut licence: String = licence.chars().take(SHOWN + 1).collect();
        if licence.chars().count() > SHOWN {
            licence.pop();
            licence.push('…');
        }
        let line = format!(
            "{:<names$}  {:<versions$}  {licence}",
            one.name, one.version
        );
        text.push_str(&basalt_escape::line(line.trim_end()));
        text.push('\n');
    }
    text.push_str(&format!("\n{} files\n", summary.files));
    text
}
