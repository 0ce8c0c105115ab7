//! Which certificates a registry is judged by, and which one we show.
//!
//! A host may have a folder of its own, as Docker and podman have it: `certs.d/HOST[:PORT]/` with CAs in `*.crt`, and
//! our certificate and its key in `NAME.cert` and `NAME.key`. Its CAs count beside the usual ones, for that host alone.

use std::path::{Path, PathBuf};

use basalt_fetch::connection::{certificates, named_certificates};
use fs_err as fs;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::error::ClientError;

/// The largest file of certificates that is read, in bytes.
const MAXIMUM_FILE: u64 = 4 << 20;
/// The most files of a host's folder that are looked at.
const MAXIMUM_FILES: usize = 256;

/// What connections to a host are made with, when it has anything of its own.
pub(crate) struct HostCertificates {
    authorities: Vec<Certificate<'static>>,
    own: Option<ClientCert>,
}

/// What connections are made with to hosts that have nothing of their own: the CAs of `$SSL_CERT_FILE`, else
/// Mozilla's, and those of the files named.
pub(crate) fn usual(files: &[PathBuf]) -> Result<TlsConfig, ClientError> {
    let mut extra = Vec::new();
    for file in files {
        extra.extend(authorities(file)?);
    }
    Ok(TlsConfig::builder().root_certs(roots(&extra)).build())
}

/// What the first of these folders (`certs.d`) that knows the host has for it.
pub(crate) fn of_host(
    folders: &[PathBuf],
    authority: &str,
) -> Result<Option<HostCertificates>, ClientError> {
    let Some(folder) = folders
        .iter()
        .map(|folder| folder.join(authority))
        .find(|folder| folder.is_dir())
    else {
        return Ok(None);
    };
    let mut found = HostCertificates {
        authorities: Vec::new(),
        own: None,
    };
    let mut paths = fs::read_dir(&folder)?
        .take(MAXIMUM_FILES)
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    for path in paths {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => found.authorities.extend(authorities(&path)?),
            Some("cert") if found.own.is_none() => found.own = Some(own(&path)?),
            _ => {}
        }
    }
    Ok(Some(found))
}

impl HostCertificates {
    /// The configuration of connections to the host; the CAs of these files count too.
    pub(crate) fn config(self, files: &[PathBuf]) -> Result<TlsConfig, ClientError> {
        let mut extra = self.authorities;
        for file in files {
            extra.extend(authorities(file)?);
        }
        Ok(TlsConfig::builder()
            .root_certs(roots(&extra))
            .client_cert(self.own)
            .build())
    }
}

fn roots(extra: &[Certificate<'static>]) -> RootCerts {
    let named = named_certificates();
    if extra.is_empty() {
        return named.map_or(RootCerts::WebPki, RootCerts::from);
    }
    let mut all = named.unwrap_or_else(|| {
        webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .map(|root| Certificate::from_der(root))
            .collect()
    });
    all.extend_from_slice(extra);
    RootCerts::from(all)
}

fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>, ClientError> {
    let found = certificates(&read(path)?);
    if found.is_empty() {
        return Err(refuse(path, "it holds no certificate in PEM form"));
    }
    Ok(found)
}

/// Our certificate with its chain, and the key beside it.
fn own(path: &Path) -> Result<ClientCert, ClientError> {
    let key = path.with_extension("key");
    let chain = authorities(path)?;
    let pem = zeroize::Zeroizing::new(read(&key)?);
    let private = PrivateKey::from_pem(&pem)
        .map_err(|_| refuse(&key, "it holds no private key in PEM form"))?;
    Ok(ClientCert::new_with_certs(&chain, private))
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    Ok(basalt_file::read(path, MAXIMUM_FILE).map_err(|cause| basalt_file::named(path, cause))?)
}

fn refuse(path: &Path, cause: &str) -> ClientError {
    ClientError::Configuration {
        path: path.to_owned(),
        cause: cause.to_owned(),
    }
}
