//! `basalt reproduce REF`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use basalt_build::{BuildRequest, Project, Recipe};
use basalt_digest::Digest;
use basalt_oci::{ContentLimits, Descriptor, FileKind, Image, Layout, covered, filesystem};
use clap::Args;

use super::session;
use crate::arguments::{ArchiveArguments, CopyArguments, GlobalArguments};
use crate::attached_provenance::provenance;
use crate::failure::{Failure, Status};
use crate::interruption;
use crate::reference::{Named, Reference};
use crate::registries;
use crate::reproduction::Reproduction;
use crate::signing;
use crate::terminal::{Progress, Terminal};
use crate::transfer::Transfer;

/// What `reproduce` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt reproduce ./out/base
  basalt reproduce registry.example/team/base:trixie --snapshots
  basalt reproduce ./out/base --output ./again --json

What it is made of comes from the image's own provenance and from the archive's mirrors; the digest of the image is
the proof. Nothing of the provenance is trusted: a spec that reads files beside those in it is refused.
Exit code 8: the image that was built is another, and what differs is said.")]
pub struct ReproduceArguments {
    /// The image: PATH[:TAG][@DIGEST] of a layout, or HOST/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    reference: String,
    /// Keep the layout that is built in this folder
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Where packages come from.
    #[command(flatten)]
    archives: ArchiveArguments,
}

pub(super) fn run(
    own: &ReproduceArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    let named = signing::image(&own.reference, &own.archives.registries())?;
    let target = named.target()?;
    let mut recipe = recipe(&named, &target)?;
    let work = tempfile::Builder::new()
        .prefix("basalt-reproduce-")
        .tempdir()?;
    interruption::works_in(work.path());
    let published = Published {
        own,
        target: &target,
        work: work.path(),
    };
    if recipe.lacking().next().is_some() {
        published.give_files(&named, &mut recipe, terminal)?;
    }
    let materials = work.path().join("materials");
    let spec = recipe.lay_out(&materials)?;
    let output = match &own.output {
        Some(output) => output.clone(),
        None => work.path().join("again"),
    };
    interruption::writes(&output);
    let date = recipe.source_date_epoch();
    let (session, progress) = session::open_dated(&spec, &own.archives, date, global, terminal)?;
    let request = BuildRequest {
        output: output.clone(),
        variant: recipe.variant().to_owned(),
        architectures: recipe.architectures().to_vec(),
        compression: recipe.compression(),
        locked: true,
        builder: Some(recipe.builder().to_owned()),
    };
    basalt_build::build(&session, &Project::open(spec)?, &request)?;
    progress.finish();
    let again = Layout::open(&output)?;
    let built = built(&again, target.is_index())?;
    let mut reproduction = Reproduction::new(named.name(), target.digest, built, recipe.program());
    if !reproduction.is_same() {
        let layout = published.layout(&named, terminal)?;
        let before = published.images(&named, &layout)?;
        reproduction.compare((&layout, &before), (&again, &again.images()?))?;
    }
    terminal.answer(&reproduction, || reproduction.to_string())?;
    Ok(match reproduction.is_same() {
        true => Status::Done,
        false => Status::Different,
    })
}

/// The provenance that is attached to the image, as what to do.
fn recipe(named: &Named, target: &Descriptor) -> Result<Recipe, Failure> {
    if let Some(provenance) = provenance(named.store.as_ref(), target)? {
        return Ok(Recipe::of(&provenance)?);
    }
    let message = format!("no provenance is attached to {}", target.digest);
    Err(Failure::new(Status::Failed, message)
        .help("`basalt build` attaches one; `basalt attestations` lists what is there"))
}

/// The digest of what was built: the index, or the only image.
fn built(layout: &Layout, is_index: bool) -> Result<Digest, Failure> {
    let found = match is_index {
        true => layout.image_entries()?.into_iter().next(),
        false => layout
            .images()?
            .into_iter()
            .next()
            .map(|one| one.descriptor),
    };
    let found = found.ok_or_else(|| Failure::new(Status::Failed, "no image was built"))?;
    Ok(found.digest)
}

/// The image that is to be reproduced, brought to this machine where its files are needed.
struct Published<'a> {
    own: &'a ReproduceArguments,
    target: &'a Descriptor,
    work: &'a Path,
}

impl Published<'_> {
    /// A layout that has it.
    fn layout(&self, named: &Named, terminal: &Terminal) -> Result<Layout, Failure> {
        if let Reference::Layout { path, .. } = &named.reference {
            return Ok(Layout::open(path)?);
        }
        let folder = self.work.join("published");
        if !folder.exists() {
            let progress: Arc<Progress> = Arc::new(terminal.progress());
            let client =
                registries::client(&self.own.archives.registries(), Some(progress.clone()))?;
            let arguments = CopyArguments {
                platform: None,
                no_referrers: true,
                jobs: 4,
            };
            let transfer = Transfer {
                client: &client,
                arguments: &arguments,
                progress: &progress,
            };
            let to = Reference::parse_layout(&format!("{}:published", folder.display()))?;
            transfer.run(Reference::parse(&self.own.reference)?, &to)?;
            progress.finish();
        }
        Ok(Layout::open(&folder)?)
    }

    /// Its images, in a layout that may have others.
    fn images(&self, named: &Named, layout: &Layout) -> Result<Vec<Image>, Failure> {
        let covered = covered(named.store.as_ref(), &self.target.digest)?;
        let mut wanted = covered.within().to_vec();
        wanted.push(self.target.clone());
        let mut found = layout.images()?;
        found.retain(|image| {
            let digest = image.descriptor.digest;
            wanted.iter().any(|one| one.digest == digest)
        });
        Ok(found)
    }

    /// Gives a recipe the files that are in the image and not whole in the provenance.
    fn give_files(
        &self,
        named: &Named,
        recipe: &mut Recipe,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        let layout = self.layout(named, terminal)?;
        for image in self.images(named, &layout)? {
            let limits = ContentLimits::default();
            let content = filesystem(&layout, &image, limits, |_| false)?;
            let lacking: Vec<Digest> = recipe.lacking().map(|(_, digest)| *digest).collect();
            let is_wanted = |path: &str| match content.files.get(path).map(|fact| &fact.kind) {
                Some(FileKind::File { digest, .. }) => lacking.contains(digest),
                _ => false,
            };
            if !content.files.keys().any(|path| is_wanted(path)) {
                continue;
            }
            for bytes in filesystem(&layout, &image, limits, is_wanted)?
                .kept
                .values()
            {
                recipe.give(bytes);
            }
        }
        Ok(())
    }
}
