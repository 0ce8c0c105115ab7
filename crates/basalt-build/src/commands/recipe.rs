//! What a provenance says an image was made of, laid out so that it can be made again.
//!
//! A provenance comes from outside: nothing that it names may stand, or be looked for, outside the folder it is laid
//! out in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use basalt_attest::ResourceDescriptor;
use basalt_attest::provenance::Provenance;
use basalt_digest::Digest;
use basalt_spec::{Compression, ImageSpec, LoadedSpec, tidy};
use serde::Deserialize;

use crate::describe::provenance::{BUILD_TYPE, BUILT_IN};

/// Most files that are laid out.
const MAXIMUM_FILES: usize = 2000;

/// Most folders that lie above the spec's.
const MAXIMUM_HEIGHT: usize = 16;

/// Why an image cannot be made again from its provenance.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// It is of another builder, or of another version of this one.
    #[error(
        "the image was not built by basalt, or by another version: its build type is `{found}`, not `{BUILD_TYPE}`"
    )]
    BuildType {
        /// The one it has.
        found: String,
    },
    /// What was asked for is not there or not sound.
    #[error("the provenance's parameters are not sound: {cause}")]
    Parameters {
        /// What is wrong.
        cause: String,
    },
    /// A file that it names cannot be laid out.
    #[error("the provenance's file `{name}` {cause}")]
    File {
        /// The file, as the provenance names it.
        name: String,
        /// Why.
        cause: String,
    },
    /// The spec reads a file that the provenance does not have.
    #[error("the spec reads `{name}`, which is not among the files of the provenance")]
    Unknown {
        /// The file.
        name: String,
    },
    /// The spec cannot be read.
    #[error(transparent)]
    Spec(#[from] basalt_spec::SpecError),
    /// A file cannot be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What was asked of a build.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    spec: String,
    release: String,
    architectures: Vec<String>,
    #[serde(default)]
    variant: String,
    compression: Option<Compression>,
    source_date_epoch: Option<i64>,
}

/// What an image was made of, and how.
#[derive(Debug, Clone)]
pub struct Recipe {
    parameters: Parameters,
    /// The files by name, those of the same name once.
    files: BTreeMap<String, Vec<u8>>,
    /// Files that are named by digest alone.
    lacking: BTreeMap<String, Digest>,
    builder: String,
    program: String,
}

impl Recipe {
    /// Reads a provenance.
    ///
    /// # Errors
    /// When it is not of this program, or a file in it is another than its digest says or may not stand where it is
    /// said to.
    pub fn of(provenance: &Provenance) -> Result<Self, RecipeError> {
        let definition = &provenance.build_definition;
        if definition.build_type != BUILD_TYPE {
            return Err(RecipeError::BuildType {
                found: definition.build_type.clone(),
            });
        }
        let parameters = Parameters::deserialize(&definition.external_parameters);
        let parameters = parameters.map_err(|cause| RecipeError::Parameters {
            cause: cause.to_string(),
        })?;
        let mut files = BTreeMap::new();
        let mut lacking = BTreeMap::new();
        let dependencies = definition.resolved_dependencies.iter();
        // Packages have a URI; Release files and base images are no files of the spec's.
        let is_file = |one: &&ResourceDescriptor| one.uri.is_empty() && one.annotations.is_empty();
        for one in dependencies.filter(is_file).take(MAXIMUM_FILES + 1) {
            let fail = |cause: &str| RecipeError::File {
                name: one.name.clone(),
                cause: cause.to_owned(),
            };
            if files.len() + lacking.len() >= MAXIMUM_FILES {
                return Err(fail(&format!("is one of more than {MAXIMUM_FILES}")));
            }
            if one.name.starts_with(BUILT_IN) {
                continue;
            }
            let digest = one.sha256().ok_or_else(|| fail("has no SHA-256"))?;
            if !is_within(&one.name) {
                return Err(fail("has no place that is relative to the spec"));
            }
            match &one.content {
                Some(content) if Digest::of(content) != digest => {
                    return Err(fail("has another content than its digest says"));
                }
                Some(content) => drop(files.insert(one.name.clone(), content.clone())),
                None => drop(lacking.insert(one.name.clone(), digest)),
            }
        }
        let details = &provenance.run_details;
        Ok(Self {
            parameters,
            files,
            lacking,
            builder: details.builder.id.clone(),
            program: details
                .builder
                .version
                .get("basalt")
                .cloned()
                .unwrap_or_default(),
        })
    }

    /// Files that the provenance has by digest alone: they must be found and [given](Self::give).
    pub fn lacking(&self) -> impl Iterator<Item = (&str, &Digest)> {
        let each = self.lacking.iter();
        each.map(|(name, digest)| (name.as_str(), digest))
    }

    /// Gives the content of files that are lacking, wherever its digest is theirs.
    pub fn give(&mut self, content: &[u8]) {
        let digest = Digest::of(content);
        let found: Vec<String> = self
            .lacking()
            .filter(|(_, wanted)| **wanted == digest)
            .map(|(name, _)| name.to_owned())
            .collect();
        for name in found {
            self.lacking.remove(&name);
            self.files.insert(name, content.to_vec());
        }
    }

    /// Writes the files into an empty folder and reads the spec there.
    ///
    /// # Errors
    /// When one is lacking or cannot be written, or the spec is not sound or reads another.
    pub fn lay_out(&self, folder: &Path) -> Result<LoadedSpec, RecipeError> {
        if let Some((name, digest)) = self.lacking().next() {
            return Err(RecipeError::File {
                name: name.to_owned(),
                cause: format!("is there by digest alone ({digest}), and is not in the image"),
            });
        }
        let height = |name: &String| {
            Path::new(name)
                .components()
                .filter(|one| *one == Component::ParentDir)
                .count()
        };
        let height = self.files.keys().map(height).max().unwrap_or(0);
        let mut home = folder.to_owned();
        home.extend(std::iter::repeat_n("spec", height));
        for (name, content) in &self.files {
            // Not by way of `..`: the folders may not be there yet.
            let path = place_of(&home, name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&path, content)?;
        }
        self.knows_includes()?;
        let path = home.join(&self.parameters.spec);
        let spec = basalt_spec::load(&path, Some(&self.parameters.release))?;
        let below = spec.below.iter().map(|below| &below.base);
        for image in spec.images().map(|(_, image)| image).chain(below) {
            self.knows_files_of(image)?;
        }
        Ok(spec)
    }

    /// That a spec and all that it includes are among the files, before any of it is followed.
    fn knows_includes(&self) -> Result<(), RecipeError> {
        let mut seen = BTreeSet::new();
        let mut left = vec![self.parameters.spec.clone()];
        while let Some(name) = left.pop() {
            let text = self
                .files
                .get(&name)
                .map(|content| std::str::from_utf8(content));
            let Some(Ok(text)) = text else {
                return Err(RecipeError::Unknown { name });
            };
            let own = basalt_spec::parse(Path::new(&name), text)?;
            let folder = Path::new(&name).parent().unwrap_or(Path::new(""));
            let variants = own.variants.values().flat_map(|variant| &variant.include);
            let includes = own.include.iter().chain(variants);
            left.extend(includes.map(|include| tidy(&folder.join(include))));
            seen.insert(name);
            left.retain(|name| !seen.contains(name));
        }
        Ok(())
    }

    fn knows_files_of(&self, image: &ImageSpec) -> Result<(), RecipeError> {
        let sources = image.files.iter().filter_map(|file| file.source.as_ref());
        let keyrings = image.archives.iter().map(|archive| &archive.keyring);
        for name in sources.chain(keyrings).chain(&image.certificates) {
            if !self.files.contains_key(&tidy(Path::new(name))) {
                return Err(RecipeError::Unknown { name: name.clone() });
            }
        }
        match image.slice_definitions.iter().find(|name| !is_within(name)) {
            Some(name) => Err(RecipeError::Unknown { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// The variant; empty for the image without one.
    pub fn variant(&self) -> &str {
        &self.parameters.variant
    }

    /// The architectures that were built.
    pub fn architectures(&self) -> &[String] {
        &self.parameters.architectures
    }

    /// The compression that was asked for in place of the spec's.
    pub fn compression(&self) -> Option<Compression> {
        self.parameters.compression
    }

    /// The date that was asked for in place of the newest package's, in seconds since 1970.
    pub fn source_date_epoch(&self) -> Option<i64> {
        self.parameters.source_date_epoch
    }

    /// The builder's URI.
    pub fn builder(&self) -> &str {
        &self.builder
    }

    /// The version of the program that built it.
    pub fn program(&self) -> &str {
        &self.program
    }
}

/// Whether a name is relative, in its simplest form, and not too far above the spec.
fn is_within(name: &str) -> bool {
    let components: Vec<Component<'_>> = Path::new(name).components().collect();
    let above = components
        .iter()
        .take_while(|one| **one == Component::ParentDir)
        .count();
    let rest = components.get(above..).unwrap_or_default();
    above <= MAXIMUM_HEIGHT
        && !rest.is_empty()
        && rest.iter().all(|one| matches!(one, Component::Normal(_)))
        && !name.contains('\0')
}

/// Where a file of this name is, seen from a folder: as the name says, letter by letter.
fn place_of(home: &Path, name: &str) -> PathBuf {
    let mut path = home.to_owned();
    for component in Path::new(name).components() {
        match component {
            Component::ParentDir => drop(path.pop()),
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_attest::provenance::BuildDefinition;
    use proptest::prelude::*;
    use serde_json::json;

    fn provenance(files: &[(&str, &str)]) -> Provenance {
        let whole = |(name, text): &(&str, &str)| ResourceDescriptor {
            content: Some(text.as_bytes().to_vec()),
            ..ResourceDescriptor::of_digest(*name, &Digest::of(text.as_bytes()))
        };
        Provenance {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: json!({"spec": "image.yaml", "release": "trixie", "architectures": ["amd64"]}),
                resolved_dependencies: files.iter().map(whole).collect(),
                ..BuildDefinition::default()
            },
            ..Provenance::default()
        }
    }

    const SPEC: &str = "name: probe\nreleases: [trixie]\narchitectures: [amd64]\n";

    #[test]
    fn files_beside_and_above_the_spec_stand_where_it_looks_for_them() {
        let spec = format!("include: [../common/base.yaml]\n{SPEC}certificates: [../own.crt]\n");
        let files = [
            ("image.yaml", spec.as_str()),
            ("../common/base.yaml", SPEC),
            ("../own.crt", "x"),
        ];
        let folder = tempfile::tempdir().expect("a folder");
        let recipe = Recipe::of(&provenance(&files)).expect("sound");
        let spec = recipe.lay_out(folder.path()).expect("laid out");
        assert_eq!(spec.base.name, "probe");
        assert!(folder.path().join("own.crt").is_file());
    }

    #[test]
    fn a_file_that_would_leave_the_folder_is_refused() {
        let high = "../".repeat(MAXIMUM_HEIGHT + 1) + "x";
        for name in ["/etc/passwd", "a/../../x", "..", "", high.as_str()] {
            let refused = Recipe::of(&provenance(&[(name, "x")]));
            assert!(matches!(refused, Err(RecipeError::File { .. })), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leads_outside_the_folder(name in "(\\.\\./|\\./|/|a|\\.|\\x00|[^/]){0,24}") {
            let files = [("image.yaml", SPEC), (name.as_str(), "x")];
            let Ok(recipe) = Recipe::of(&provenance(&files)) else {
                return Ok(());
            };
            let outer = tempfile::tempdir().expect("a folder");
            let folder = outer.path().join("folder");
            std::fs::create_dir(&folder).expect("made");
            let _ = recipe.lay_out(&folder);
            prop_assert_eq!(std::fs::read_dir(outer.path()).expect("readable").count(), 1);
        }
    }

    #[test]
    fn a_spec_that_reads_what_the_provenance_lacks_is_refused_before_it_is_read() {
        let own = tempfile::NamedTempFile::new().expect("a file");
        let outside = own.path().display();
        for more in [
            format!("include: [{outside}]\n"),
            "include: [../../../etc/hostname]\n".to_owned(),
            format!("certificates: [{outside}]\n"),
            format!("files: [{{path: /x, source: {outside}}}]\n"),
            format!("slice-definitions: [{outside}]\n"),
        ] {
            let text = format!("{SPEC}{more}");
            let recipe = Recipe::of(&provenance(&[("image.yaml", &text)])).expect("sound");
            let folder = tempfile::tempdir().expect("a folder");
            let refused = recipe.lay_out(folder.path());
            assert!(
                matches!(refused, Err(RecipeError::Unknown { .. })),
                "{more}: {refused:?}"
            );
        }
    }

    #[test]
    fn specs_that_include_each_other_many_times_are_looked_at_once() {
        let many = |next: &str| format!("include: [{}]\n{SPEC}", vec![next; 200].join(", "));
        let names: Vec<String> = (0..9).map(|level| format!("{level}.yaml")).collect();
        let mut files = vec![("image.yaml", many("0.yaml"))];
        for pair in names.windows(2) {
            files.push((&pair[0], many(&pair[1])));
        }
        files.push(("8.yaml", SPEC.to_owned()));
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let recipe = Recipe::of(&provenance(&files)).expect("sound");
        let folder = tempfile::tempdir().expect("a folder");
        let refused = recipe.lay_out(folder.path());
        assert!(matches!(refused, Err(RecipeError::Spec(_))), "{refused:?}");
    }

    #[test]
    fn content_that_is_not_its_digests_is_refused() {
        let mut changed = provenance(&[("image.yaml", SPEC)]);
        changed.build_definition.resolved_dependencies[0].content = Some(b"other".to_vec());
        assert!(matches!(
            Recipe::of(&changed),
            Err(RecipeError::File { .. })
        ));
    }

    #[test]
    fn a_large_file_is_taken_from_where_its_digest_is_found() {
        let spec = format!("{SPEC}files: [{{path: /x, source: large}}]\n");
        let mut lacking = provenance(&[("image.yaml", &spec), ("large", "content")]);
        lacking.build_definition.resolved_dependencies[1].content = None;
        let mut recipe = Recipe::of(&lacking).expect("sound");
        let folder = tempfile::tempdir().expect("a folder");
        assert!(recipe.lay_out(folder.path()).is_err());
        recipe.give(b"another");
        assert_eq!(recipe.lacking().count(), 1);
        recipe.give(b"content");
        assert!(recipe.lay_out(folder.path()).is_ok());
    }
}
