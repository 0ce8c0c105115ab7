//! One image's tree, step by step: packages by rule, effects in place of scripts, the spec's files, records,
//! hardening.

use std::collections::BTreeMap;

use basalt_effects::apply::{self, ApplyError, Context, Ids};
use basalt_effects::{Effect, Explanation, PackageScripts};
use basalt_fetch::distribution;
use basalt_slice::Sliced;
use basalt_spec::{ImageSpec, PackageDatabase};
use basalt_tree::{Contents, HardenPolicy, Hardened, Owner, Tree, TreePath, harden};

use crate::assemble::identity::{self, Identity};
use crate::assemble::{
    accounts, diversions, files, licences, linker_cache, packages, records, slices,
};
use crate::control::scripts::{explain, refuse_unexplained};
use crate::error::BuildError;
use crate::plan::job::Job;
use crate::read::package::ReadPackage;

/// Which image is assembled: a job's own, or one that it is laid over.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub job: &'a Job<'a>,
    pub image: &'a ImageSpec,
    pub variant: &'a str,
    pub epoch: i64,
    pub sliced: &'a BTreeMap<String, Sliced>,
}

impl<'a> Wanted<'a> {
    /// The job's own image.
    pub(crate) fn of(job: &'a Job<'a>) -> Self {
        Self {
            job,
            image: job.image,
            variant: &job.locked.variant,
            epoch: job.epoch,
            sliced: &job.sliced,
        }
    }
}

/// An image's tree, and what hardening changed in it.
pub(crate) struct Assembled {
    pub tree: Tree,
    pub hardened: Vec<Hardened>,
}

/// Puts an image's tree together.
///
/// # Errors
/// When files conflict, a script is unexplained, an effect cannot be applied, or the spec asks for what cannot be.
pub(crate) fn assemble(
    wanted: Wanted<'_>,
    packages: &BTreeMap<String, ReadPackage>,
    contents: &dyn Contents,
) -> Result<Assembled, BuildError> {
    let mut image = Assembly::new(wanted, packages, contents);
    // As dpkg unpacks: a diversion holds before the files that it moves.
    image.declare_diversions()?;
    image.insert_packages()?;
    image.place_files_of_slices()?;
    // Effects read certificates and follow the links of merged /usr.
    image.add_certificates()?;
    image.add_merged_links()?;
    // As dpkg configures, and as an administrator adds to what is configured.
    image.apply_effects()?;
    image.remove_files_until_mutate()?;
    image.add_accounts()?;
    image.add_files()?;
    image.add_applets()?;
    image.add_directories()?;
    // From here on each step describes what stands.
    image.write_linker_cache_again()?;
    image.remove_unnamed_licences()?;
    image.write_package_records()?;
    image.write_identity()?;
    image.add_merged_links()?;
    image.harden()
}

/// An image that is being put together.
struct Assembly<'a> {
    wanted: Wanted<'a>,
    packages: &'a BTreeMap<String, ReadPackage>,
    contents: &'a dyn Contents,
    explanations: Vec<Explanation>,
    context: Context,
    tree: Tree,
}

impl<'a> Assembly<'a> {
    fn new(
        wanted: Wanted<'a>,
        packages: &'a BTreeMap<String, ReadPackage>,
        contents: &'a dyn Contents,
    ) -> Self {
        let Wanted { job, image, .. } = wanted;
        let explained = packages.values().map(|read| {
            let listing = &read.listing;
            let scripts = PackageScripts {
                package: &listing.name,
                version: &listing.version,
                architecture: &listing.architecture,
                members: &listing.members,
                paths: &[],
            };
            explain(&scripts, image)
        });
        let versions = packages.iter();
        let partial = wanted.sliced.iter();
        let context = Context {
            architecture: job.locked.architecture.clone(),
            epoch: wanted.epoch,
            ids: Ids {
                users: job.lock.users.clone(),
                groups: job.lock.groups.clone(),
            },
            versions: versions
                .map(|(name, read)| (name.clone(), read.listing.version.clone()))
                .collect(),
            answers: image.debconf.clone(),
            partial: partial
                .filter(|(_, one)| !one.filter.passes_everything())
                .map(|(package, _)| package.clone())
                .collect(),
            fills_links: job.lock.compatibility >= 4,
        };
        Self {
            explanations: explained.collect(),
            tree: Tree::new(wanted.epoch),
            wanted,
            packages,
            contents,
            context,
        }
    }

    /// How an effect's failure is told: with the image's title.
    fn failed(&self) -> impl Fn(ApplyError) -> BuildError + use<> {
        let Wanted { job, variant, .. } = self.wanted;
        let image = job.project.title(&job.locked.architecture, variant);
        move |cause| BuildError::Effects {
            image: image.clone(),
            cause: Box::new(cause),
        }
    }

    fn apply(&mut self, effects: &[(String, Vec<Effect>)]) -> Result<(), BuildError> {
        apply::apply(&mut self.tree, self.contents, effects, &mut self.context)
            .map_err(self.failed())
    }

    fn declare_diversions(&mut self) -> Result<(), BuildError> {
        if self.wanted.job.lock.compatibility < 4 {
            return Ok(());
        }
        diversions::declare(&mut self.tree, self.packages, &self.explanations)
    }

    fn insert_packages(&mut self) -> Result<(), BuildError> {
        packages::insert(&mut self.tree, self.packages)
    }

    fn place_files_of_slices(&mut self) -> Result<(), BuildError> {
        let sliced = self.wanted.sliced;
        slices::place(&mut self.tree, self.contents, self.packages, sliced)
    }

    fn add_certificates(&mut self) -> Result<(), BuildError> {
        for (number, name) in self.wanted.image.certificates.iter().enumerate() {
            let file = name.rsplit('/').next().unwrap_or(name);
            let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            let path = TreePath::new(&format!("usr/local/share/ca-certificates/{stem}.crt"))?;
            let bytes = self.wanted.job.project.file(name)?.content.clone();
            let owner = Owner::Spec(format!("certificates[{number}]"));
            self.tree.insert_file(&path, bytes, 0o644, owner)?;
        }
        Ok(())
    }

    fn add_merged_links(&mut self) -> Result<(), BuildError> {
        let owner = Owner::Basalt("merged /usr".to_owned());
        Ok(self.tree.ensure_merged_links(&owner)?)
    }

    fn apply_effects(&mut self) -> Result<(), BuildError> {
        refuse_unexplained(self.explanations.iter())?;
        let explained = std::mem::take(&mut self.explanations).into_iter();
        let mut effects: Vec<(String, Vec<Effect>)> =
            explained.map(|one| (one.package, one.effects)).collect();
        for (package, sliced) in self.wanted.sliced {
            effects.push((package.clone(), sliced.effects.clone()));
        }
        for (package, declared) in &self.wanted.image.effects {
            if !self.packages.contains_key(package) {
                effects.push((package.clone(), declared.clone()));
            }
        }
        self.apply(&effects)
    }

    fn remove_files_until_mutate(&mut self) -> Result<(), BuildError> {
        slices::take_away(&mut self.tree, self.packages, self.wanted.sliced)
    }

    fn add_accounts(&mut self) -> Result<(), BuildError> {
        let (image, failed) = (self.wanted.image, self.failed());
        let (tree, context) = (&mut self.tree, &mut self.context);
        accounts::add(tree, self.contents, image, context, &failed)
    }

    fn add_files(&mut self) -> Result<(), BuildError> {
        let Wanted { job, image, .. } = self.wanted;
        let (architecture, project) = (&job.locked.architecture, job.project);
        for (number, file) in image.files.iter().enumerate() {
            if file.applies(architecture, &project.spec.release) {
                let owner = Owner::Spec(format!("files[{number}] ({})", file.path));
                files::place(&mut self.tree, self.contents, project, file, owner)?;
            }
        }
        Ok(())
    }

    fn add_applets(&mut self) -> Result<(), BuildError> {
        for (number, applets) in self.wanted.image.applets.iter().enumerate() {
            for name in &applets.names {
                let path = TreePath::new(&format!("{}/{name}", applets.directory))?;
                if !self.tree.contains(&self.tree.resolve_parent(&path)?) {
                    let owner = Owner::Spec(format!("applets[{number}]"));
                    self.tree.insert_symlink(&path, &applets.program, owner)?;
                }
            }
        }
        Ok(())
    }

    fn add_directories(&mut self) -> Result<(), BuildError> {
        files::skeleton(&mut self.tree)?;
        let working_directory = &self.wanted.image.working_directory;
        if !working_directory.is_empty() {
            let path = TreePath::new(working_directory)?;
            let owner = Owner::Spec("working-directory".to_owned());
            self.tree.ensure_directory(&path, owner)?;
        }
        Ok(())
    }

    /// The linker's cache names what is there: less, once a minimized image's files are gone.
    fn write_linker_cache_again(&mut self) -> Result<(), BuildError> {
        let mut sliced = self.wanted.sliced.values();
        if !sliced.any(|one| one.filter.passes_everything()) {
            return Ok(());
        }
        let again = linker_cache::linker_cache(&self.tree);
        self.apply(&again)
    }

    /// An image that keeps documentation, or installs packages later, has all of them.
    fn remove_unnamed_licences(&mut self) -> Result<(), BuildError> {
        let Wanted { job, image, .. } = self.wanted;
        if job.lock.compatibility < 3
            || image.keep.documentation
            || image.package_database == PackageDatabase::Full
        {
            return Ok(());
        }
        licences::take_away(&mut self.tree, self.packages.values())
    }

    fn write_package_records(&mut self) -> Result<(), BuildError> {
        let Wanted {
            job, image, sliced, ..
        } = self.wanted;
        records::write(
            &mut self.tree,
            self.packages,
            sliced,
            image.package_database,
            &job.locked.architecture,
        )
    }

    fn write_identity(&mut self) -> Result<(), BuildError> {
        let Wanted {
            job,
            image,
            variant,
            epoch,
            ..
        } = self.wanted;
        let release = job.lock.codename();
        let row = distribution::find(&image.distribution, release);
        let identity = Identity {
            name: &image.name,
            variant,
            distribution: &image.distribution,
            release,
            number: row.map_or("", |row| row.version),
            epoch,
        };
        identity::write(&mut self.tree, self.contents, &identity)
    }

    fn harden(mut self) -> Result<Assembled, BuildError> {
        let policy = HardenPolicy {
            keep_setuid: self.wanted.image.keep.setuid.clone(),
            keep: Vec::new(),
            keep_shipped: self.wanted.job.lock.compatibility >= 4,
        };
        let hardened = harden(&mut self.tree, &policy)?;
        Ok(Assembled {
            tree: self.tree,
            hardened,
        })
    }
}
