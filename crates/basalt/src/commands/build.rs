//! `basalt build`.

use basalt_build::{BuildReport, BuildRequest};
use basalt_oci::{Layout, Platform, write_docker_archive, write_oci_archive};
use clap::Args;

use crate::arguments::{Compression, Format, GlobalArguments, OutputArguments, SourceArguments};
use crate::commands::session;
use crate::failure::{Failure, Status};
use crate::interruption;
use crate::loading;
use crate::terminal::{Terminal, bytes, listed, table};

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
    check_builder(own.output.builder_id.as_deref())?;
    let (project, session, progress) = session::open(&own.source, global, terminal)?;
    let variant = own.output.variant.clone().unwrap_or_default();
    let output = match &own.output.output {
        Some(output) => output.clone(),
        None => session::default_output(&project.spec, &variant),
    };
    let archives = own.output.archive.iter().map(|(_, file)| file);
    for target in archives.chain([&output]) {
        interruption::writes(target);
    }
    let request = BuildRequest {
        output: output.clone(),
        variant: variant.clone(),
        architectures: own.output.arch.clone(),
        compression: own.output.compression.map(|compression| match compression {
            Compression::Gzip => basalt_spec::Compression::Gzip,
            Compression::Zstd => basalt_spec::Compression::Zstd,
            Compression::GzipSmallest => basalt_spec::Compression::GzipSmallest,
            Compression::ZstdSmallest => basalt_spec::Compression::ZstdSmallest,
        }),
        locked: own.output.locked,
        builder: own.output.builder_id.clone(),
    };
    let report = basalt_build::build(&session, &project, &request)?;
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
            text.push_str(&listed("loaded", &[name]));
        }
        text
    })?;
    Ok(Status::Done)
}

/// Refuses a name of the builder that holds a secret: it is published in the provenance.
fn check_builder(builder: Option<&str>) -> Result<(), Failure> {
    match builder.and_then(basalt_spec::secrets::find_in_address) {
        None => Ok(()),
        Some(secret) => {
            let message = format!(
                "--builder-id (BASALT_BUILDER_ID) holds {}, and is published in the provenance of the image",
                secret.what
            );
            Err(Failure::new(Status::Usage, message).help("name the builder without it"))
        }
    }
}

/// The image that an archive of one platform holds: this machine's, else the first.
fn platform(report: &BuildReport) -> Result<Platform, Failure> {
    let host = loading::host_architecture();
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
    let variant = report.images.first().map(|image| image.variant.as_str());
    let title = match variant {
        None | Some("") => report.name.clone(),
        Some(variant) => format!("{} {variant}", report.name),
    };
    let head = ["packages", "files", "layers", "compressed", "unpacked"];
    let mut rows = vec![vec![title]];
    rows[0].extend(head.map(str::to_owned));
    for image in &report.images {
        rows.push(vec![
            image.architecture.clone(),
            image.packages.to_string(),
            image.files.to_string(),
            image.layers.len().to_string(),
            bytes(image.size()),
            bytes(image.uncompressed_size()),
        ]);
    }
    let mut text = table(&rows) + "\n";
    for image in &report.images {
        if let Some(sliced) = &image.sliced {
            text.push_str(&format!(
                "slices  {}: {} packages in part, {} files of them left out, {}\n",
                image.architecture,
                sliced.packages,
                sliced.files,
                bytes(sliced.bytes)
            ));
        }
    }
    let stages: Vec<String> = report
        .stages
        .iter()
        .map(|time| format!("{} {} ms", time.stage.name(), time.milliseconds))
        .collect();
    if !stages.is_empty() {
        text.push_str(&listed("time", &stages));
    }
    let cache = &report.cache;
    let cache = match report.unchanged {
        true => vec!["nothing changed".to_owned()],
        // No layer was to be made, so no package was asked for.
        false if cache.layers_total == 0 => vec!["all layers".to_owned()],
        false => vec![
            format!("{} of {} packages", cache.packages, cache.packages_total),
            format!("{} of {} layers", cache.layers, cache.layers_total),
            format!("{} downloaded", bytes(cache.downloaded)),
        ],
    };
    text.push_str(&listed("cache", &cache));
    text.push_str(&listed("layout", std::slice::from_ref(&report.output)));
    text.push_str(&format!("digest  {}\n", report.digest));
    text
}
