//! `basalt explain`.

use std::path::Path;

use basalt_build::{AssembledImage, LeftOutPath, Origin};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::arguments::{GlobalArguments, SourceArguments};
use crate::commands::sbom::chosen;
use crate::commands::session;
use crate::failure::{Failure, Status};
use crate::path_origin::PathOrigin;
use crate::signing;
use crate::terminal::Terminal;

/// What `explain` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt explain images/base.yaml libssl3t64
  basalt explain images/base.yaml /etc/ssl/certs/ca-certificates.crt
  basalt explain images/python.yaml --variant dev /usr/bin/awk
  basalt explain ./out/base /etc/passwd                        of an image, by what is attached to it
  basalt explain registry.example/team/base:trixie /bin/sh")]
pub struct ExplainArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// A package, or an absolute path of the image
    #[arg(value_name = "PACKAGE|PATH")]
    subject: String,
    /// The variant [default: the image without one]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    variant: String,
    /// The architecture [default: the spec's first]
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
}

pub(super) fn run(
    own: &ExplainArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    if !is_spec(&own.source.spec) {
        return of_image(own, terminal);
    }
    let (project, session, progress) = session::open(&own.source, global, terminal)?;
    let spec = &project.spec;
    let first = spec.base.architectures.first().map(ToString::to_string);
    let architecture = own.arch.clone().or(first).unwrap_or_default();
    if own.subject.starts_with('/') {
        let image = AssembledImage::assemble(&session, &project, &architecture, &own.variant)?;
        progress.finish();
        let Some(origin) = image.origin(&own.subject)? else {
            if let Some(left_out) = left_out(&image, &own.subject) {
                let minimized = spec
                    .image(&own.variant)
                    .is_some_and(|image| image.minimize.is_some());
                terminal.answer(&left_out, || left_out_text(&left_out, minimized))?;
                return Ok(Status::Done);
            }
            let name = own.subject.rsplit('/').next().unwrap_or("");
            let near = image.paths_named(name);
            let failure = Failure::new(
                Status::Failed,
                format!("nothing stands at {} in the image", own.subject),
            );
            return Err(match near.is_empty() {
                true => failure,
                false => failure.help(format!("did you mean {}?", near.join(" or "))),
            });
        };
        terminal.answer(&origin, || path_text(&origin))?;
        return Ok(Status::Done);
    }
    let lock = basalt_build::current_lock(&session, &project, false)?;
    let reasons = basalt_build::reasons(&session, &project, &lock, &architecture, &own.variant)?;
    progress.finish();
    let Some(why) = reasons.get(&own.subject) else {
        let message = format!("{} is not in the image", own.subject);
        return Err(Failure::new(Status::Failed, message)
            .help("`basalt inspect` and the lock list its packages; a path begins with `/`"));
    };
    let package = lock.package(&own.subject, &architecture);
    let document = json!({ "package": package, "why": why });
    terminal.answer(&document, || {
        let mut text = own.subject.clone();
        if let Some(package) = package {
            text.push_str(&format!(
                " {}\n  source   {} {}\n  archive  {} {}, {}\n  sha256   {}\n",
                package.version,
                package.source,
                package.source_version,
                package.archive,
                package.suite,
                package.path,
                package.sha256.hex()
            ));
            for (name, script) in &package.scripts {
                text.push_str(&format!("  {name:<8} {}\n", script.verdict));
            }
        } else {
            text.push('\n');
        }
        for reason in why {
            text.push_str(&format!("  because  {reason}\n"));
        }
        text
    })?;
    Ok(Status::Done)
}

/// A file is a spec, and so is what is named like one, whether it is there or not; all else names an image.
fn is_spec(path: &Path) -> bool {
    let is_named_so = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    is_named_so || path.is_file()
}

/// A path of an image that is built, as its own documents have it.
fn of_image(own: &ExplainArguments, terminal: &Terminal) -> Result<Status, Failure> {
    if !own.subject.starts_with('/') {
        let message = format!("`{}` is no absolute path", own.subject);
        return Err(Failure::new(Status::Usage, message).help(
            "why a package is in an image is known to its spec: basalt explain SPEC PACKAGE",
        ));
    }
    let reference = own.source.spec.to_string_lossy();
    let named = signing::image(&reference, &own.source.archives.registries())?;
    let store = named.store.as_ref();
    let target = named.target()?;
    let image = chosen(own.arch.as_deref(), false, store, &target)?;
    let origin = PathOrigin::find(&named, &image, &target, &own.subject)?;
    terminal.answer(&origin, || origin.to_string())?;
    Ok(Status::Done)
}

/// A path that slices leave out.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct LeftOut {
    package: String,
    version: String,
    slices: Vec<String>,
    left_out: LeftOutPath,
}

/// Who would bring the path that was asked for, had slices not left it out.
fn left_out(image: &AssembledImage, path: &str) -> Option<LeftOut> {
    image.partial_packages().into_iter().find_map(|package| {
        let is_it = |one: &LeftOutPath| one.path.absolute() == path;
        let left_out = package.left_out.into_iter().find(is_it)?;
        Some(LeftOut {
            package: package.package,
            version: package.version,
            slices: package.slices,
            left_out,
        })
    })
}

fn left_out_text(one: &LeftOut, minimized: bool) -> String {
    let LeftOut {
        package, slices, ..
    } = one;
    let why = match minimized {
        true => "by minimize: no root reaches it".to_owned(),
        false => format!("by slices: {package} has slices {}", slices.join(", ")),
    };
    let mut text = format!(
        "{}\n  is       left out {why}\n  package  {package} {}\n  size     {}\n",
        one.left_out.path, one.version, one.left_out.size
    );
    if let Some(digest) = &one.left_out.digest {
        text.push_str(&format!("  content  {digest}\n"));
    }
    text
}

fn path_text(origin: &Origin) -> String {
    let (user, group) = origin.ids;
    let mut text = format!(
        "{}\n  is       {}, mode {}, owner {user}:{group}\n  by       {}\n",
        origin.path, origin.kind, origin.mode, origin.owner
    );
    let mut row = |name: &str, value: String| {
        text.push_str(&format!("  {name:<8} {}\n", basalt_escape::line(&value)));
    };
    if let Some(digest) = &origin.digest {
        row("content", digest.to_string());
    }
    if let Some(path) = &origin.path_in_package {
        row("there", path.clone());
    }
    if !origin.shared_with.is_empty() {
        row("also by", origin.shared_with.join(", "));
    }
    if let Some(package) = &origin.package {
        row(
            "package",
            format!(
                "{} {} {}",
                package.name, package.version, package.architecture
            ),
        );
        row(
            "source",
            format!("{} {}", package.source, package.source_version),
        );
        row("file", format!("{} ({})", package.path, package.sha256));
    }
    if let Some(release) = &origin.vouched {
        row(
            "vouched",
            format!(
                "{} {} of {} ({})",
                release.archive,
                release.suite,
                basalt_oci::date(release.date),
                release.release
            ),
        );
        row("signed", release.signers.join(", "));
    }
    text
}
