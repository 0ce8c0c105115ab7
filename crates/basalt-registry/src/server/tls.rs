//! The server's certificate, read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};
use zeroize::Zeroizing;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read as PEM: {cause}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The two do not make a server.
    #[error("the certificate {path} and its key cannot be used: {cause}", path = path.display())]
    Unusable {
        /// The certificate.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// A certificate with its key, in two files.
#[derive(Debug)]
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<(Arc<CertifiedKey>, Option<SystemTime>)>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be read or do not fit together.
    pub fn read(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let changed = changed(certificate, key);
        let current = load(certificate, key)?;
        Ok(Arc::new(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: RwLock::new((Arc::new(current), changed)),
        }))
    }

    /// Reads the files again if they changed; whether they did. What cannot be used leaves the former in place.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let changed = changed(&self.certificate, &self.key);
        let known = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .1;
        if changed.is_some() && changed == known {
            return Ok(false);
        }
        let current = load(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) =
            (Arc::new(current), changed);
        Ok(true)
    }

    /// What a listener needs. With a file of authorities, clients may show a certificate of theirs; one that is not good
    /// ends the handshake.
    ///
    /// # Errors
    /// When the versions of TLS are not to be had, or the file cannot be used.
    pub fn config(self: &Arc<Self>, clients: Option<&Path>) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = match clients {
            Some(path) => authorities(path, &provider)?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|cause| unusable(&self.certificate, &cause.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if clients.is_some() {
            // A session that is taken up again would bring a certificate that has expired meanwhile.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current.0))
    }
}

/// What verifies the certificates of clients, if they show one.
fn authorities(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let read = |cause: &dyn std::fmt::Display| TlsError::Read {
        path: path.to_owned(),
        cause: cause.to_string(),
    };
    let mut roots = RootCertStore::empty();
    let text = basalt_file::read(path, MAXIMUM_PEM).map_err(|cause| read(&cause))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|cause| read(&cause))?;
        roots.add(certificate).map_err(|cause| read(&cause))?;
    }
    if roots.is_empty() {
        return Err(read(&"it holds no certificate"));
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|cause| read(&cause))
}

/// The longest file of certificates or of a key that is read, in bytes.
const MAXIMUM_PEM: u64 = 4 << 20;

/// When the newer of the two was written.
fn changed(certificate: &Path, key: &Path) -> Option<SystemTime> {
    let time = |path: &Path| std::fs::metadata(path).and_then(|one| one.modified()).ok();
    time(certificate).max(time(key))
}

fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let read = |path: &Path, cause: &dyn std::fmt::Display| TlsError::Read {
        path: path.to_owned(),
        cause: cause.to_string(),
    };
    let text = |path: &Path| {
        basalt_file::read(path, MAXIMUM_PEM)
            .map(Zeroizing::new)
            .map_err(|cause| read(path, &cause))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|cause| read(certificate, &cause))?;
    if chain.is_empty() {
        return Err(read(certificate, &"it holds no certificate"));
    }
    let secret = PrivateKeyDer::from_pem_slice(&text(key)?).map_err(|cause| read(key, &cause))?;
    let signer = ring::sign::any_supported_type(&secret)
        .map_err(|cause| unusable(certificate, &cause.to_string()))?;
    let certified = CertifiedKey::new(chain, signer);
    certified
        .keys_match()
        .map_err(|cause| unusable(certificate, &cause.to_string()))?;
    Ok(certified)
}

fn unusable(path: &Path, cause: &str) -> TlsError {
    TlsError::Unusable {
        path: path.to_owned(),
        cause: cause.to_owned(),
    }
}
