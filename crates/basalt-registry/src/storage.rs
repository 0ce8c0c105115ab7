//! Where a server keeps what it has: in a folder of its own, or in a database and a bucket that it shares with others.

use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use basalt_fetch::trust;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use zeroize::Zeroizing;

use crate::blobs::{Blobs, Bucket, Folder, Keys};
use crate::config::{Database, Store};
use crate::metadata::postgres::{Access, Postgres};
use crate::metadata::sqlite::Sqlite;
use crate::metadata::{Grace, Metadata};
use crate::service::ServeError;

/// The longest file of a password or a certificate, in bytes.
const MAXIMUM_SECRET: u64 = 1 << 20;

/// Where a server keeps what it has.
pub struct Storage {
    /// What is there.
    pub metadata: Arc<dyn Metadata>,
    /// The bytes of large blobs.
    pub blobs: Arc<dyn Blobs>,
    /// Held while this process has the folder, if it needs one.
    pub lock: Option<File>,
}

impl Storage {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// When it cannot be reached or used, or another server has the folder.
    pub fn open(
        root: &Path,
        database: Option<&Database>,
        store: Option<&Store>,
        grace: Grace,
    ) -> Result<Self, ServeError> {
        let is_shared = database.is_some() && store.is_some();
        let lock = match is_shared {
            true => None,
            false => Some(taken(root)?),
        };
        let metadata: Arc<dyn Metadata> = match database {
            Some(database) => Arc::new(Postgres::open(access(database)?, own_name(), grace)?),
            None => Arc::new(Sqlite::open(&root.join("registry.db"), grace)?),
        };
        let blobs: Arc<dyn Blobs> = match store {
            Some(store) => Arc::new(bucket(store, Arc::clone(&metadata))?),
            None => {
                Arc::new(Folder::open(root).map_err(|cause| unusable("the folder", root, cause))?)
            }
        };
        Ok(Self {
            metadata,
            blobs,
            lock,
        })
    }
}

/// Makes the folder if it is not there, and takes it for this process alone.
fn taken(root: &Path) -> Result<File, ServeError> {
    let failed = |cause| unusable("the folder", root, cause);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(root)
        .map_err(failed)?;
    crate::file::lock(root)
        .map_err(failed)?
        .ok_or_else(|| ServeError::Taken {
            path: root.to_owned(),
        })
}

/// The name of this machine: that of its chain in the audit log.
fn own_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

fn access(database: &Database) -> Result<Access, ServeError> {
    let password = database
        .password
        .as_deref()
        .map(|path| secret("the password of the database", path))
        .transpose()?;
    let password = password.as_ref().map(|password| password.as_str());
    let tls = trusting(database.authority.as_deref())?;
    Access::new(&database.url, password, tls).map_err(|cause| ServeError::Address {
        what: "the database's url",
        cause,
    })
}

fn bucket(store: &Store, metadata: Arc<dyn Metadata>) -> Result<Bucket, ServeError> {
    let keys = match (&store.key, &store.secret) {
        (Some(key), Some(own)) => Some(Keys {
            name: secret("the name of the store's key", key)?.to_string(),
            secret: secret("the store's key", own)?,
        }),
        _ => None,
    };
    let authority = store
        .authority
        .as_deref()
        .map(|path| read("the store's authority", path))
        .transpose()?;
    let place = crate::blobs::BucketPlace {
        bucket: &store.bucket,
        folder: store.folder.as_deref(),
        endpoint: store.endpoint.as_deref(),
        region: store.region.as_deref(),
        authority: authority.as_deref(),
    };
    Bucket::new(&place, keys.as_ref(), metadata).map_err(ServeError::Store)
}

/// TLS that trusts this authority, or without one the usual ones: of the environment, the system, or this program.
fn trusting(authority: Option<&Path>) -> Result<ClientConfig, ServeError> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(path) => {
            let what = "the database's authority";
            let invalid = |cause: String| unusable(what, path, io::Error::other(cause));
            let bytes = read(what, path)?;
            for certificate in CertificateDer::pem_slice_iter(&bytes) {
                let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| invalid(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(invalid("there is no certificate in it".to_owned()));
            }
        }
        None => {
            let usual = trust::roots(&[]).map_err(|error| ServeError::File {
                what: "the usual authorities",
                path: PathBuf::from(error.place),
                cause: error.cause,
            })?;
            roots.add_parsable_certificates(usual.into_iter().map(CertificateDer::from));
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| ServeError::System(io::Error::other(error)))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A file's first line.
///
/// # Errors
/// When it cannot be read, or is empty.
pub(crate) fn secret(what: &'static str, path: &Path) -> Result<Zeroizing<String>, ServeError> {
    let bytes = Zeroizing::new(read(what, path)?);
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| unusable(what, path, io::Error::other(error)))?;
    let line = text.lines().next().unwrap_or_default().trim();
    match line {
        "" => Err(unusable(what, path, io::Error::other("it is empty"))),
        line => Ok(Zeroizing::new(line.to_owned())),
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, ServeError> {
    basalt_file::read(path, MAXIMUM_SECRET).map_err(|cause| unusable(what, path, cause))
}

fn unusable(what: &'static str, path: &Path, cause: io::Error) -> ServeError {
    ServeError::File {
        what,
        path: PathBuf::from(path),
        cause: cause.to_string(),
    }
}
