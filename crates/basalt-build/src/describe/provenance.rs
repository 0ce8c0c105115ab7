//! The provenance of an image (SLSA provenance 1): all that went into it, the small things whole, so that who has it can
//! build the image again. And the verdict of the checks that the image passed (in-toto, *Test Result* 0.1).
//!
//! The same build gives the same statement: it names no machine and no clock, and its date is that of the image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use basalt_attest::provenance::{BuildDefinition, Builder, Metadata, Provenance, RunDetails};
use basalt_attest::{ResourceDescriptor, Statement, predicate_type, to_bytes};
use basalt_digest::Digest;
use basalt_effects::Verdict;
use basalt_lock::{ArchiveSnapshot, Lock, LockedPackage};
use basalt_sbom::{OperatingSystem, Source, of_binary};
use basalt_spec::{LoadedSpec, secrets};
use serde_json::{Value, json};

use crate::describe::names::{self, system};
use crate::error::BuildError;
use crate::plan::job::Job;
use crate::plan::request::BuildRequest;
use crate::project::project::Project;
use crate::run::session::Session;

/// What the rest of a provenance is to be read by (docs/provenance.md).
pub(crate) const BUILD_TYPE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/docs/provenance.md#v1");

/// Who builds, when nobody says: someone with this program.
const BUILDER: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "#local");

/// What the names of slice definitions begin with that are compiled into the program.
pub(crate) const BUILT_IN: &str = "basalt:slices/";

/// Longest local file that a provenance has whole, in bytes. A longer one, or one with a secret, stands in the image.
const MAXIMUM_CONTENT: usize = 64 << 10;

/// An image that others are laid over, as it is by itself.
#[derive(Debug, Clone)]
pub(crate) struct BaseImage {
    /// Its name.
    pub name: String,
    /// Its manifest, or its index.
    pub digest: Digest,
}

/// What all the statements of one build share.
pub(crate) struct Materials<'a> {
    pub(crate) session: &'a Session,
    project: &'a Project,
    pub(crate) request: &'a BuildRequest,
    lock: &'a Lock,
    own: Vec<ResourceDescriptor>,
}

impl<'a> Materials<'a> {
    /// Takes the files that the spec is made of from the project.
    ///
    /// # Errors
    /// When the lock cannot be written as text, or a slice definition holds a secret.
    pub(crate) fn read(
        session: &'a Session,
        project: &'a Project,
        lock: &'a Lock,
        request: &'a BuildRequest,
    ) -> Result<Self, BuildError> {
        let mut own = Vec::new();
        for (name, file) in project.spec.named_files() {
            let bytes = file.text.as_bytes().to_vec();
            own.push(whole(name, bytes, "application/yaml"));
        }
        let lock_name = project
            .lock_path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let text = lock.render().map_err(|cause| BuildError::Lock {
            path: project.lock_path.clone(),
            cause,
        })?;
        own.push(whole(lock_name, text.into_bytes(), "application/json"));
        for (name, digest) in &lock.files {
            let bytes = &project.file(name)?.content;
            // What is secret in a file is for the image that it was put into, not for who reads how it was made.
            let is_public = || secrets::find(&String::from_utf8_lossy(bytes)).is_none();
            own.push(match bytes.len() <= MAXIMUM_CONTENT && is_public() {
                true => whole(name.clone(), bytes.clone(), ""),
                false => ResourceDescriptor::of_digest(name, digest),
            });
        }
        for package in lock.slice_definitions.keys() {
            if let Some((path, text)) = project.library.source(package) {
                let name = definition_name(&project.spec, package, path);
                if let Some(secret) = secrets::find(text) {
                    let (line, column) = (secret.line, secret.column);
                    return Err(BuildError::Spec(format!(
                        "{name}:{line}:{column}: the definition holds {}, and is published in the provenance of the image",
                        secret.what
                    )));
                }
                own.push(whole(name, text.as_bytes().to_vec(), "application/yaml"));
            }
        }
        Ok(Self {
            session,
            project,
            lock,
            request,
            own,
        })
    }

    /// What tells all that is stated of these jobs from what another build states.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn key(&self, jobs: &[Job<'_>]) -> Result<Digest, BuildError> {
        let own: Vec<_> = self
            .own
            .iter()
            .map(|one| (&one.name, &one.digest))
            .collect();
        let jobs: Vec<&Digest> = jobs.iter().map(|job| &job.key).collect();
        let request = self.request;
        let asked = (&request.variant, request.compression, &request.builder);
        let epoch = self.session.options.source_date_epoch;
        let key = postcard::to_stdvec(&(own, jobs, asked, epoch, &self.project.spec.release));
        Ok(Digest::of(&key.map_err(BuildError::record)?))
    }

    /// The provenance of the image or index of this digest, made by these jobs, laid over these images.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn provenance(
        &self,
        jobs: &[&Job<'_>],
        subject: &Digest,
        bases: &[BaseImage],
    ) -> Result<Vec<u8>, BuildError> {
        let newest = jobs.iter().map(|job| job.epoch).max().unwrap_or(0);
        let builder = self.request.builder.as_deref().unwrap_or(BUILDER);
        let tool = names::tool();
        let provenance = Provenance {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: self.parameters(jobs),
                internal_parameters: json!({
                    "compatibility": self.lock.compatibility,
                    "scripts": self.scripts(jobs),
                }),
                resolved_dependencies: self.dependencies(jobs, bases),
            },
            run_details: RunDetails {
                builder: Builder {
                    id: builder.to_owned(),
                    version: BTreeMap::from([(tool.name, tool.version)]),
                    builder_dependencies: Vec::new(),
                },
                metadata: Metadata {
                    finished_on: Some(basalt_oci::date(newest)),
                    ..Metadata::default()
                },
                byproducts: Vec::new(),
            },
        };
        self.statement(subject, predicate_type::SLSA_V1, &provenance)
    }

    /// That the image of this digest passed its spec's assertions and was hardened.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn verdict(
        &self,
        job: &Job<'_>,
        hardened: &[String],
        subject: &Digest,
    ) -> Result<Vec<u8>, BuildError> {
        // Without content: the provenance has it.
        let configuration: Vec<ResourceDescriptor> = self
            .own
            .iter()
            .map(|one| ResourceDescriptor {
                name: one.name.clone(),
                digest: one.digest.clone(),
                media_type: one.media_type.clone(),
                ..ResourceDescriptor::default()
            })
            .collect();
        let verdict = json!({
            "result": "PASSED",
            "configuration": configuration,
            "passedTests": passed(job),
            "warnedTests": [],
            "failedTests": [],
            "hardened": hardened,
        });
        self.statement(subject, predicate_type::TEST_RESULT, &verdict)
    }

    fn statement(
        &self,
        subject: &Digest,
        kind: &str,
        predicate: &impl serde::Serialize,
    ) -> Result<Vec<u8>, BuildError> {
        let name = &self.project.spec.base.name;
        let subject = ResourceDescriptor::of_digest(name, subject);
        let statement = Statement::new(vec![subject], kind, predicate);
        statement
            .and_then(|statement| to_bytes(&statement))
            .map_err(BuildError::Statement)
    }

    /// What was asked for.
    fn parameters(&self, jobs: &[&Job<'_>]) -> Value {
        let spec = self.own.first().map_or("", |spec| spec.name.as_str());
        let architectures: Vec<&str> = jobs
            .iter()
            .map(|job| job.locked.architecture.as_str())
            .collect();
        let mut parameters = json!({
            "spec": spec,
            "release": self.project.spec.release,
            "architectures": architectures,
        });
        let mut add = |key: &str, value: Value| parameters[key] = value;
        if !self.request.variant.is_empty() {
            add("variant", json!(self.request.variant));
        }
        if let Some(compression) = self.request.compression {
            add("compression", json!(compression));
        }
        if let Some(date) = self.session.options.source_date_epoch {
            add("sourceDateEpoch", json!(date));
        }
        parameters
    }

    /// The scripts that nothing explains, as the lock has them, and the packages whose effects the spec declares.
    fn scripts(&self, jobs: &[&Job<'_>]) -> Value {
        let mut unexplained = BTreeSet::new();
        let verdict = Verdict::Unexplained.to_string();
        let is_declared = |package: &LockedPackage| {
            jobs.iter()
                .all(|job| job.image.effects.contains_key(&package.name))
        };
        for package in self.packages(jobs) {
            if is_declared(package) {
                continue;
            }
            let scripts = package.scripts.iter();
            let unknown = scripts.filter(|(_, script)| script.verdict == verdict);
            unexplained.extend(unknown.map(|(name, _)| format!("{} {name}", package.name)));
        }
        let declared: BTreeSet<&String> = jobs
            .iter()
            .flat_map(|job| job.image.effects.keys())
            .collect();
        json!({"unexplained": unexplained, "declaredEffects": declared})
    }

    /// The packages of the images, each once.
    fn packages<'j>(&'j self, jobs: &'j [&'j Job<'_>]) -> Vec<&'j LockedPackage> {
        let all = jobs
            .iter()
            .flat_map(|job| self.lock.packages_of(job.locked));
        let each: BTreeMap<(&str, &str), &LockedPackage> = all
            .map(|package| {
                (
                    (package.name.as_str(), package.architecture.as_str()),
                    package,
                )
            })
            .collect();
        each.into_values().collect()
    }

    fn dependencies(&self, jobs: &[&Job<'_>], bases: &[BaseImage]) -> Vec<ResourceDescriptor> {
        let distribution = jobs
            .first()
            .map_or("", |job| job.image.distribution.as_str());
        let system = system(distribution, self.lock.codename());
        let packages = self.packages(jobs);
        let used: BTreeSet<(&str, &str)> = packages
            .iter()
            .map(|package| (package.archive.as_str(), package.suite.as_str()))
            .collect();
        let releases = self
            .lock
            .archives
            .iter()
            .filter(|one| used.contains(&(one.archive.as_str(), one.suite.as_str())));
        self.own
            .iter()
            .cloned()
            .chain(bases.iter().map(base))
            .chain(releases.map(release))
            .chain(packages.iter().map(|one| package(one, &system)))
            .collect()
    }
}

/// Where a slice definition is, relative to the spec; `basalt:…` when it is this program's own.
fn definition_name(spec: &LoadedSpec, package: &str, path: &Path) -> String {
    let folders = spec
        .images()
        .flat_map(|(_, image)| &image.slice_definitions);
    for folder in folders {
        if let Ok(file) = path.strip_prefix(spec.folder.join(folder)) {
            return format!("{folder}/{}", file.display());
        }
    }
    format!("{BUILT_IN}{package}.yaml")
}

fn whole(name: String, content: Vec<u8>, media_type: &str) -> ResourceDescriptor {
    let digest = Digest::of(&content);
    ResourceDescriptor {
        media_type: media_type.to_owned(),
        content: Some(content),
        ..ResourceDescriptor::of_digest(name, &digest)
    }
}

fn base(base: &BaseImage) -> ResourceDescriptor {
    ResourceDescriptor {
        annotations: BTreeMap::from([("name".to_owned(), json!(base.name))]),
        ..ResourceDescriptor::of_digest("base", &base.digest)
    }
}

pub(crate) fn release(snapshot: &ArchiveSnapshot) -> ResourceDescriptor {
    let name = format!("{}/{} Release", snapshot.archive, snapshot.suite);
    ResourceDescriptor {
        annotations: BTreeMap::from([
            ("date".to_owned(), json!(basalt_oci::date(snapshot.date))),
            ("signers".to_owned(), json!(snapshot.signers)),
        ]),
        ..ResourceDescriptor::of_digest(name, &snapshot.release)
    }
}

fn package(package: &LockedPackage, system: &OperatingSystem) -> ResourceDescriptor {
    let source = Source {
        name: package.source.clone(),
        version: package.source_version.clone(),
    };
    let identity = (
        package.name.as_str(),
        package.version.as_str(),
        package.architecture.as_str(),
    );
    ResourceDescriptor {
        uri: of_binary(identity, &source, system),
        annotations: BTreeMap::from([
            ("archive".to_owned(), json!(package.archive)),
            ("suite".to_owned(), json!(package.suite)),
            ("path".to_owned(), json!(package.path)),
        ]),
        ..ResourceDescriptor::of_digest(&package.name, &package.sha256)
    }
}

/// What a finished image was held against: the spec's assertions, and what every build demands.
fn passed(job: &Job<'_>) -> Vec<String> {
    let wanted = &job.image.assertions;
    let mut all: Vec<String> = vec![
        "every script of its packages is explained or its effects are declared".to_owned(),
        "no set-user-ID or set-group-ID file but those that the spec keeps".to_owned(),
        "nothing is writable by all but directories with the sticky bit".to_owned(),
    ];
    for (asserted, name) in [
        (wanted.no_shell, "no-shell"),
        (wanted.no_setuid, "no-setuid"),
        (wanted.no_package_manager, "no-package-manager"),
        (wanted.non_root, "non-root"),
    ] {
        if asserted == Some(true) {
            all.push(name.to_owned());
        }
    }
    let sizes = [
        ("max-size", &wanted.max_size),
        ("min-size", &wanted.min_size),
    ];
    all.extend(
        sizes
            .into_iter()
            .filter_map(|(name, size)| Some(format!("{name}: {}", size.as_ref()?))),
    );
    let patterns = |name: &'static str, patterns: &[String]| -> Vec<String> {
        let each = patterns.iter();
        each.map(|pattern| format!("{name}: {pattern}")).collect()
    };
    all.extend(patterns("must-contain", &wanted.must_contain));
    all.extend(patterns("must-not-contain", &wanted.must_not_contain));
    all
}
