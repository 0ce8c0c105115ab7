//! `basalt effects`.

use std::path::{Path, PathBuf};

use basalt_build::Project;
use basalt_effects::Explanation;
use basalt_spec::LoadedSpec;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::arguments::{ArchiveArguments, GlobalArguments};
use crate::commands::session;
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `effects` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line that matters is emulated (and what it leaves stands below it), ignored (and why), or unexplained.
Lines that a fresh install does not reach are not shown. Exit code 6 when a line is unexplained.

Examples:
  basalt effects nginx
  basalt effects --spec app.yaml  all packages of the spec's images, with what it declares
  basalt effects ./example_1.0_amd64.deb --stanza
  basalt effects example --stanza table")]
pub struct EffectsArguments {
    /// Packages by name, or files: whatever has a `/` in it or ends in `.deb`
    #[arg(value_name = "PACKAGE|FILE", required_unless_present = "spec")]
    packages: Vec<String>,
    /// Take the packages as the images of this spec have them [packages default: all]
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// Print the text to paste, for the scripts that are not explained
    #[arg(
        long,
        value_name = "FOR",
        num_args = 0..=1,
        default_missing_value = "spec",
        conflicts_with = "json"
    )]
    stanza: Option<Stanza>,
    /// Release of the distribution [default: the spec's first, else trixie]
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    /// The architecture [default: the spec's first, else this machine's]
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    #[command(flatten)]
    archives: ArchiveArguments,
}

/// What a text is to be pasted into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stanza {
    /// A spec: `effects:`.
    Spec,
    /// The curated table, by the scripts' digests.
    Table,
}

pub(super) fn run(
    own: &EffectsArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    let is_file = |name: &&String| name.contains('/') || name.ends_with(".deb");
    let (files, names): (Vec<&String>, Vec<&String>) = own.packages.iter().partition(is_file);
    let names: Vec<String> = names.into_iter().cloned().collect();
    let project = Project::open(spec(own, &names)?)?;
    let spec = &project.spec;
    let mut explanations = Vec::new();
    if files.is_empty() || !names.is_empty() {
        let (session, progress) = session::open_for(spec, &own.archives, global, terminal)?;
        let first = spec.base.architectures.first().map(ToString::to_string);
        let architecture = own.arch.clone().or(first).unwrap_or_default();
        explanations = basalt_build::explanations(&session, &project, &architecture, &names)?;
        progress.finish();
    }
    for file in files {
        explanations.push(basalt_build::explanation_of_file(Path::new(file), spec)?);
    }
    let document = json!({ "packages": explanations });
    terminal.answer(&document, || match own.stanza {
        None => {
            let texts: Vec<String> = explanations.iter().map(ToString::to_string).collect();
            texts.join("\n")
        }
        Some(stanza) => pasted(stanza, &explanations),
    })?;
    let is_explained = |one: &Explanation| one.unexplained().is_none();
    Ok(match explanations.iter().all(is_explained) {
        true => Status::Done,
        false => Status::Unexplained,
    })
}

/// The spec that is named, else one of just these packages, each without what it depends on.
fn spec(own: &EffectsArguments, names: &[String]) -> Result<LoadedSpec, Failure> {
    if let Some(path) = &own.spec {
        return Ok(basalt_spec::load(path, own.release.as_deref())?);
    }
    let alone = |name: &String| json!({ "name": name, "dependencies": false });
    let packages: Vec<_> = names.iter().map(alone).collect();
    let release = own.release.as_deref().unwrap_or("trixie");
    let architecture = own.arch.as_deref().unwrap_or(session::host());
    let text = json!({
        "name": "effects",
        "releases": [release],
        "architectures": [architecture],
        "packages": packages,
    });
    let path = Path::new("effects.yaml");
    Ok(basalt_spec::load_text(path, &text.to_string(), None)?)
}

fn pasted(stanza: Stanza, explanations: &[Explanation]) -> String {
    let texts: String = match stanza {
        Stanza::Spec => explanations.iter().map(Explanation::spec_stanza).collect(),
        Stanza::Table => explanations.iter().map(Explanation::table_stanza).collect(),
    };
    match (texts.is_empty(), stanza) {
        (true, _) => "# All is explained: there is nothing to declare.\n".to_owned(),
        (false, Stanza::Spec) => format!("effects:\n{texts}"),
        (false, Stanza::Table) => texts,
    }
}
