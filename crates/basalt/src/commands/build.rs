//! `basalt build`.

use basalt_build::{BuildReport, BuildRequest};
use basalt_oci::{Layout, Platform, write_docker_archive, write_oci_archive};
use clap::Args;

use crate::arguments::{Compression, Format, GlobalArguments, OutputArguments, SourceArguments};
use crate::commands::session;
use crate::failure::{Failure, Status};
use crate::loading;
use crate::terminal::{Terminal, bytes, table};

/// What `build` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt build images/base.yaml                                an OCI layout in out/base
  basalt build images/python.yaml --variant dev --arch amd64   one variant, one architecture
  basalt build images/base.yaml --locked --offline             the same bytes, from the cache
  basalt build images/base.yaml --archive oci-archive=base.tar
  basalt build images/python.yaml --load podman")]
pub struct BuildArguments {
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    output: OutputArguments,
}

pub(super) fn run(
    own: &BuildArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    let (spec, session, progress) = session::open(&own.source, global, terminal)?;
    let variant = own.output.variant.clone().unwrap_or_default();
    let output = match &own.output.output {
        Some(output) => output.clone(),
        None => session::default_output(&spec, &variant),
    };
    let request = BuildRequest {
        output: output.clone(),
        variant: variant.clone(),
        architectures: own.output.arch.clone(),
        compression: own.output.compression.map(|compression| match compression {
            Compression::Gzip => basalt_spec::Compression::Gzip,
            Compression::Zstd => basalt_spec::Compression::Zstd,
        }),
        locked: own.output.locked,
    };
    let report = basalt_build::build(&session, &spec, &request)?;
    progress.finish();
    let mut loaded = None;
    if !own.output.archive.is_empty() || own.output.load.is_some() {
        let layout = Layout::open(&output)?;
        let tag = match variant.as_str() {
            "" => report.release.clone(),
            variant => format!("{}-{variant}", report.release),
        };
        let name = format!("{}:{tag}", report.name);
        let platform = platform(&report)?;
        for (format, file) in &own.output.archive {
            match format {
                Format::OciArchive => write_oci_archive(&layout, file)?,
                Format::DockerArchive => {
                    write_docker_archive(&layout, file, std::slice::from_ref(&name), &platform)?;
                }
            }
        }
        if let Some(engine) = own.output.load {
            progress.stage("load", 0);
            loaded = Some(loading::load(&layout, engine, &name, &platform)?);
            progress.finish();
        }
    }
    terminal.summary(&report, || {
        let mut text = summary(&report);
        if let Some(name) = loaded {
            text.push_str(&format!("loaded  {name}\n"));
        }
        text
    })?;
    Ok(Status::Done)
}

/// The image that an archive of one platform holds: this machine's, else the first.
fn platform(report: &BuildReport) -> Result<Platform, Failure> {
    let host = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let has_host = report.images.iter().any(|image| image.architecture == host);
    let first = report
        .images
        .first()
        .map(|image| image.architecture.as_str());
    let architecture = if has_host {
        host
    } else {
        first.unwrap_or(host)
    };
    Platform::of_debian(architecture).map_err(|error| Failure::new(Status::Failed, error))
}

/// The table at the end of a build.
fn summary(report: &BuildReport) -> String {
    let head = [
        "image",
        "packages",
        "files",
        "layers",
        "compressed",
        "unpacked",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for image in &report.images {
        let mut title = format!("{} {}", report.name, image.architecture);
        if !image.variant.is_empty() {
            title.push_str(&format!(" {}", image.variant));
        }
        rows.push(vec![
            title,
            image.packages.to_string(),
            image.files.to_string(),
            image.layers.len().to_string(),
            bytes(image.size()),
            bytes(image.uncompressed_size()),
        ]);
    }
    let mut text = table(&rows);
    let stages: Vec<String> = report
        .stages
        .iter()
        .map(|time| format!("{} {} ms", time.stage.name(), time.milliseconds))
        .collect();
    if !stages.is_empty() {
        text.push_str(&format!("\ntime   {}\n", stages.join(", ")));
    }
    let cache = &report.cache;
    match report.unchanged {
        true => text.push_str("\ncache  nothing changed\n"),
        false => text.push_str(&format!(
            "cache  {} of {} packages, {} of {} layers; {} downloaded\n",
            cache.packages,
            cache.packages_total,
            cache.layers,
            cache.layers_total,
            bytes(cache.downloaded)
        )),
    }
    text.push_str(&format!("{}  {}\n", report.output, report.digest));
    text
}
