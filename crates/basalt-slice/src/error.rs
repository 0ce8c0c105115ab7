//! Why slices were not taken.

use basalt_spec::SpecError;

use crate::reference::Reference;

/// Why a definition was not read, or slices cannot be in one image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SliceError {
    /// A definition says something unknown or impossible; the error names file, line and column.
    #[error("{}", plain(.0))]
    Definition(Box<SpecError>),
    /// A package has no definition.
    #[error(
        "there is no slice definition of the package `{package}`{}; write one into a folder that `slice-definitions` names, or take the package whole under `packages`",
        near(.nearest)
    )]
    UnknownPackage {
        /// The package.
        package: String,
        /// One of nearly this name that has.
        nearest: Option<String>,
    },
    /// A package has no slice of this name.
    #[error("the package `{package}` has no slice `{slice}`{}; it has: {}", near(.nearest), known.join(", "))]
    UnknownSlice {
        /// The package.
        package: String,
        /// The slice.
        slice: String,
        /// The one that was probably meant.
        nearest: Option<String>,
        /// All it has.
        known: Vec<String>,
    },
    /// A package that another one provides has no files of which there could be slices.
    #[error(
        "`{package}` is no package of its own in {release}: another provides it; take slices of that one, or say with `releases:` where these are wanted"
    )]
    NotItself {
        /// The package.
        package: String,
        /// The release.
        release: String,
    },
    /// A slice has a script that nothing explains.
    #[error(
        "the slice {slice} has a `mutate` script, which is never run; say in its definition what it does with `effects:` beside it (see docs/effects.md)"
    )]
    Script {
        /// The slice.
        slice: String,
    },
    /// A slice wants a file that only chisel makes.
    #[error(
        "the slice {slice} wants `generate: manifest` at {path}, which is a record of chisel's own; leave that slice out: the image records its slices in /var/lib/dpkg/status.d"
    )]
    Manifest {
        /// The slice.
        slice: String,
        /// The path.
        path: String,
    },
    /// A package is from a store of snaps, as chisel has them, not from the archive.
    #[error(
        "the slices of `{package}` are of a package in the store `{store}`, and Basalt takes packages from archives alone; leave them out"
    )]
    Store {
        /// The package.
        package: String,
        /// The store.
        store: String,
    },
    /// Too many definitions.
    #[error("there are more than {maximum} slice definitions; name fewer folders")]
    TooMany {
        /// How many are taken.
        maximum: usize,
    },
}

impl SliceError {
    /// The package, and the slice of it, that cannot be had; nothing when the matter is another.
    pub fn named(&self) -> Option<(String, Option<String>)> {
        match self {
            Self::UnknownPackage { package, .. }
            | Self::NotItself { package, .. }
            | Self::Store { package, .. } => Some((package.clone(), None)),
            Self::UnknownSlice { package, slice, .. } => {
                Some((package.clone(), Some(slice.clone())))
            }
            Self::Script { slice } | Self::Manifest { slice, .. } => {
                let reference: Reference = slice.parse().ok()?;
                Some((reference.package, Some(reference.slice)))
            }
            Self::Definition(_) | Self::TooMany { .. } => None,
        }
    }
}

/// The error without the word that the terminal begins with too.
fn plain(error: &SpecError) -> String {
    let text = error.to_string();
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

fn near(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

impl From<SpecError> for SliceError {
    fn from(error: SpecError) -> Self {
        Self::Definition(Box::new(error))
    }
}
