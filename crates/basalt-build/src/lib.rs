//! The stages joined: from spec to lock, from lock to image.

mod archives;
mod assemble;
mod attach;
mod blame;
mod build;
mod closures;
mod contents;
mod error;
mod gather;
mod identity;
mod image;
mod job;
mod layering;
mod layout;
mod licences;
mod lock_file;
mod lower;
mod made;
mod minimize;
mod origin;
mod pack;
mod passing;
mod provenance;
mod read;
mod recipe;
mod records;
mod report;
mod resolve;
mod sbom;
mod scripts;
mod session;
mod slice;
mod slices;
mod slicing;
mod standing;
mod stated;
mod vendor;

pub use basalt_trust::Clock;
pub use build::{BuildRequest, build, current_lock};
pub use closures::reasons;
pub use error::BuildError;
pub use lock_file::{lock_path, read_lock};
pub use origin::{Origin, origin, paths_named};
pub use recipe::{Recipe, RecipeError};
pub use report::{
    BuildReport, CacheReport, ImageReport, LayerReport, Observer, Silent, Stage, StageTime,
};
pub use resolve::{LockOutcome, lock};
pub use scripts::{explanation_of_file, explanations};
pub use session::{Options, Session};
pub use slice::{SliceOutcome, SliceRequest, slice};
pub use slices::{PartialPackage, partial_packages};
pub use slicing::LeftOutPath;
pub use vendor::vendor;
