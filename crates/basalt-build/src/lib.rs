//! The stages joined: from spec to lock, from lock to image.
//!
//! Each folder is a stage, and takes from the folders below it in this list alone; `tests/arrows.rs` checks that.
//!
//! | folder | from what to what |
//! | --- | --- |
//! | `commands` | what the program asks for: each command joins the stages that it needs |
//! | `write` | images → an OCI layout |
//! | `describe` | layers → config, manifest, index, and the documents attached to them |
//! | `pack` | a tree → layers |
//! | `assemble` | packages → an image's tree |
//! | `resolve` | a spec and its archives → a lock |
//! | `read` | packages → listings and fragments |
//! | `plan` | a lock → jobs |
//! | `control` | a package's control members → its identity and its effects |
//! | `project` | a folder → the spec, its lock, its local files, its slice definitions |
//! | `run` | what every stage may use: cache, downloads, threads, who listens |

mod assemble;
mod commands;
mod control;
mod describe;
mod error;
mod pack;
mod plan;
mod project;
mod read;
mod resolve;
mod run;
mod write;

pub use basalt_trust::Clock;
pub use commands::build::{build, current_lock};
pub use commands::effects::{explanation_of_file, explanations};
pub use commands::explain::{AssembledImage, Origin, PartialPackage};
pub use commands::lock::{LockOutcome, lock};
pub use commands::reasons::reasons;
pub use commands::recipe::{Recipe, RecipeError};
pub use commands::report::{BuildReport, ImageReport, LayerReport};
pub use commands::slice::{SliceOutcome, SliceRequest, slice};
pub use commands::vendor::vendor;
pub use error::BuildError;
pub use plan::request::BuildRequest;
pub use project::lock_file::lock_path;
pub use project::project::Project;
pub use read::slice_filter::LeftOutPath;
pub use run::session::{Options, Session};
pub use run::stage::{CacheReport, Observer, Silent, Stage, StageTime};
