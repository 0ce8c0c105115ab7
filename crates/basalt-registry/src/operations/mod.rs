//! What is done to a registry from its own machine: verified, repaired, backed up, restored.

mod backup;
mod hold;
mod repair;
mod report;
mod restore;
mod verify;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blobs::{Blobs, Folder};
use crate::metadata::sqlite::{Access, Sqlite};
use crate::metadata::{Grace, Metadata, MetadataError};
use crate::server::Unfinished;
use crate::service::{Plan, ServeError};
use crate::storage::Storage;

pub use backup::{BackedUp, backup};
pub use repair::{Repaired, repair};
pub use report::{Kind, Leftover, Problem, Report};
pub use restore::restore;
pub use verify::verify;

/// The database's file in a registry's folder.
pub(crate) const DATABASE: &str = "registry.db";

/// Hears how far an operation is.
pub trait Observer: Send + Sync {
    /// A stage of so many steps begins.
    fn stage(&self, name: &str, steps: u64);
    /// One more step is done.
    fn step(&self, what: &str);
}

/// Why an operation could not be done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A file or folder cannot be used.
    #[error("{path} cannot be used: {cause}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The stores cannot be read.
    #[error("the registry's files cannot be used: {0}")]
    Store(#[from] io::Error),
    /// There is no registry.
    #[error("{path} holds no registry: there is no registry.db", path = path.display())]
    NoRegistry {
        /// Where.
        path: PathBuf,
    },
    /// A server runs on it.
    #[error("a server runs on {path}", path = path.display())]
    Running {
        /// The folder.
        path: PathBuf,
    },
    /// Something is there already.
    #[error("{path} is not empty", path = path.display())]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
    /// Something was done there already.
    #[error("there is a registry already where the configuration says")]
    Filled,
    /// One is within the other.
    #[error("the backup and the registry must be apart: {path} is within the other", path = path.display())]
    Within {
        /// Which.
        path: PathBuf,
    },
    /// What the configuration names cannot be used.
    #[error(transparent)]
    Storage(#[from] Box<ServeError>),
    /// A backup of the same folder runs.
    #[error("another backup into {path} runs", path = path.display())]
    Busy {
        /// The target.
        path: PathBuf,
    },
}

impl OperationError {
    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::NoRegistry { .. } => Some(
                "name the registry's folder with --root; if its database is lost, `basalt registry repair` makes it anew",
            ),
            Self::Metadata(MetadataError::Database { .. }) => Some(
                "if the database is damaged, `basalt registry repair` makes it anew from the journal",
            ),
            Self::Running { .. } => Some("stop it first"),
            Self::Storage(error) => error.help(),
            Self::NotEmpty { .. } => Some("name a folder that is empty or not there"),
            Self::Filled => {
                Some("name a database that is new, and a bucket, or a folder of one, that is empty")
            }
            _ => None,
        }
    }

    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { path, cause }
    }
}

/// Nothing is collected by operations; the server has its own.
const KEPT: Grace = Grace {
    blob: i64::MAX / 4,
    untagged: None,
};

/// A registry that is opened for an operation.
pub struct Opened {
    metadata: Arc<dyn Metadata>,
    blobs: Arc<dyn Blobs>,
    /// The file of the database, if it is one.
    database: Option<PathBuf>,
    /// Held for as long as no server may start.
    _lock: Option<std::fs::File>,
}

impl Opened {
    /// Opens the registry of a configuration to look at it, be it that servers run or not. If one of its halves is in a
    /// folder and the other is not, none may.
    ///
    /// # Errors
    /// When it cannot be reached or read.
    pub fn of(plan: &Plan) -> Result<Self, OperationError> {
        match plan.is_in_folder() {
            true => Self::to_read(&plan.root),
            false => Self::elsewhere(plan, KEPT),
        }
    }

    /// The same, to change it. One in a folder must have no server then; others may have any number.
    ///
    /// # Errors
    /// As [`Opened::of`].
    pub fn to_change(plan: &Plan, grace: Grace) -> Result<Self, OperationError> {
        match plan.is_in_folder() {
            true => Self::alone(&plan.root, grace),
            false => Self::elsewhere(plan, grace),
        }
    }

    fn elsewhere(plan: &Plan, grace: Grace) -> Result<Self, OperationError> {
        let storage = plan.storage(grace).map_err(Box::new)?;
        let Storage {
            metadata,
            blobs,
            lock,
        } = storage;
        Ok(Self {
            metadata,
            blobs,
            database: None,
            _lock: lock,
        })
    }

    /// Opens one to look at it, be it that a server runs or not.
    ///
    /// # Errors
    /// When there is none, or its database cannot be read.
    pub fn to_read(root: &Path) -> Result<Self, OperationError> {
        Self::open(root, Access::Read, KEPT, None)
    }

    /// Opens the registry of a configuration to take a lease there, be it that servers run or not, as with
    /// [`Opened::of`].
    ///
    /// # Errors
    /// When there is none, or its database cannot be used.
    pub fn beside(plan: &Plan) -> Result<Self, OperationError> {
        match plan.is_in_folder() {
            true => Self::open(&plan.root, Access::Beside, KEPT, None),
            false => Self::elsewhere(plan, KEPT),
        }
    }

    fn open(
        root: &Path,
        access: Access,
        grace: Grace,
        lock: Option<std::fs::File>,
    ) -> Result<Self, OperationError> {
        let database = root.join(DATABASE);
        if !database.is_file() {
            let path = root.to_owned();
            return Err(OperationError::NoRegistry { path });
        }
        Ok(Self {
            metadata: Arc::new(Sqlite::open_for(&database, grace, access)?),
            blobs: Arc::new(Folder::at(root)),
            database: Some(database),
            _lock: lock,
        })
    }

    /// What it knows.
    pub fn metadata(&self) -> &dyn Metadata {
        self.metadata.as_ref()
    }

    /// The folder that it is in, if it is in one.
    fn root(&self) -> Option<&Path> {
        self.database.as_deref().and_then(Path::parent)
    }

    /// What it knows and where its blobs are, for who only reads.
    pub fn into_stores(self) -> (Arc<dyn Metadata>, Arc<dyn Blobs>) {
        (self.metadata, self.blobs)
    }

    /// Opens one while no server runs there.
    fn alone(root: &Path, grace: Grace) -> Result<Self, OperationError> {
        let lock = lock(root)?;
        Self::open(root, Access::Own, grace, Some(lock))
    }
}

impl From<Unfinished> for OperationError {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Metadata(error) => error.into(),
            Unfinished::Store(error) => error.into(),
            Unfinished::Task(error) => io::Error::other(error).into(),
        }
    }
}

/// Sees to it that no server has the folder, and none starts.
fn lock(root: &Path) -> Result<std::fs::File, OperationError> {
    let path = root.join("lock");
    let held = crate::file::lock(root).map_err(OperationError::file(&path))?;
    held.ok_or_else(|| OperationError::Running {
        path: root.to_owned(),
    })
}

/// Runs what waits for stores to its end.
///
/// # Errors
/// Those of the work; or when the system gives no threads.
pub fn run<T>(work: impl Future<Output = Result<T, OperationError>>) -> Result<T, OperationError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> Result<(), OperationError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(OperationError::file(path)(error))
        }
        _ => Ok(()),
    }
}
