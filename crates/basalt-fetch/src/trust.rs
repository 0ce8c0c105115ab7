//! Which certificates a server is judged by, and which one we show.
//!
//! The usual CAs are those of `$SSL_CERT_FILE` and `$SSL_CERT_DIR` where either is set, else those of the system, else
//! the ones compiled in (Mozilla's). They are read when the first connection by TLS is made, and not before.
//!
//! A host may have a folder of its own, as Docker and podman have it: `certs.d/HOST[:PORT]/` with CAs in `*.crt`, and
//! our certificate and its key in `NAME.cert` and `NAME.key`. Its CAs count beside the usual ones, for that host alone.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fs_err as fs;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};
use zeroize::Zeroizing;

/// The largest file of certificates or keys that is read, in bytes.
const MAXIMUM_FILE: u64 = 4 << 20;
/// The most files of a folder that are looked at.
const MAXIMUM_FILES: usize = 4096;
/// The most certificates that are taken from all places together.
const MAXIMUM_CERTIFICATES: usize = 4096;

/// Where systems keep the CAs that they trust, in one file.
const SYSTEM: [&str; 5] = [
    // Debian, Arch, Alpine.
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora and its kin.
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    // openSUSE.
    "/etc/ssl/ca-bundle.pem",
    // BSD.
    "/etc/ssl/cert.pem",
];

/// A file of certificates or of a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {cause}")]
pub struct TrustError {
    /// The file or folder, and the variable that names it.
    pub place: String,
    /// Why.
    pub cause: String,
}

/// Our certificate and its key, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, with its chain.
    pub certificate: PathBuf,
    /// The key; the file of the certificate may have it too.
    pub key: PathBuf,
}

/// Which certificates servers are judged by, and which one we show.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Files of CAs that count beside the usual ones.
    pub authorities: Vec<PathBuf>,
    /// What we show to the hosts that were named by hand, never to those that they lead to.
    pub identity: Option<Identity>,
    /// Folders (`certs.d`) with one folder for each host that has certificates of its own; the first that knows a host
    /// counts.
    pub folders: Vec<PathBuf>,
    /// Hosts (`host`, `host:8443`) whose certificates are not looked at.
    pub unverified: BTreeSet<String>,
}

impl Trust {
    /// Folders of this machine and its user: our own, those of podman and Docker.
    pub fn folders_of_environment() -> Vec<PathBuf> {
        let path = |name: &str| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let own = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
        let users = own
            .into_iter()
            .flat_map(|own| [own.join("basalt/certs.d"), own.join("containers/certs.d")]);
        let systems = ["/etc/containers/certs.d", "/etc/docker/certs.d"];
        users.chain(systems.map(PathBuf::from)).collect()
    }

    /// Reads the files that were named by hand, so that one that is not sound is found before anything is asked.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn check(&self) -> Result<(), TrustError> {
        for file in &self.authorities {
            authorities(file)?;
        }
        if let Some(identity) = &self.identity {
            identity.read()?;
        }
        Ok(())
    }

    /// How connections to a host (`host`, `host:8443`) are made; `named` when it was named by hand.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn config(&self, authority: &str, named: bool) -> Result<TlsConfig, TrustError> {
        let host = authority
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(authority, |(host, _)| host);
        let is_unverified = [authority, host]
            .iter()
            .any(|name| self.unverified.contains(*name));
        if is_unverified {
            let own = self.identity_for(None, named)?;
            let builder = TlsConfig::builder().disable_verification(true);
            return Ok(builder.client_cert(own).build());
        }
        let folder = self
            .folders
            .iter()
            .map(|folder| folder.join(authority))
            .find(|folder| folder.is_dir());
        let found = folder.map(|folder| HostFolder::read(&folder)).transpose()?;
        let (mut extra, shown) = found.map_or_else(Default::default, |found| {
            (found.authorities, found.identity)
        });
        for file in &self.authorities {
            extra.extend(authorities(file)?);
        }
        let roots = match (usual()?, extra.is_empty()) {
            (Usual::CompiledIn, true) => RootCerts::WebPki,
            (_, true) => RootCerts::from(certificates_of(&all(&[])?)),
            _ => RootCerts::from(certificates_of(&all(&extra)?)),
        };
        let own = self.identity_for(shown, named)?;
        Ok(TlsConfig::builder()
            .root_certs(roots)
            .client_cert(own)
            .build())
    }

    fn identity_for(
        &self,
        of_host: Option<Identity>,
        named: bool,
    ) -> Result<Option<ClientCert>, TrustError> {
        let own = self.identity.as_ref().filter(|_| named);
        of_host.as_ref().or(own).map(Identity::read).transpose()
    }
}

/// The CAs of the environment, the system or this program, and those of these files, as DER: for what makes
/// connections by another library.
///
/// # Errors
/// When a file cannot be used.
pub fn roots(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, TrustError> {
    let mut extra = Vec::new();
    for file in files {
        extra.extend(authorities(file)?);
    }
    all(&extra)
}

/// The usual CAs and these, as DER, each once.
fn all(extra: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TrustError> {
    let mut all = match usual()? {
        Usual::Named(named) => named.clone(),
        Usual::CompiledIn => webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .map(|root| root.to_vec())
            .collect(),
    };
    for one in extra {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
    Ok(all)
}

fn certificates_of(all: &[Vec<u8>]) -> Vec<Certificate<'static>> {
    all.iter()
        .map(|one| Certificate::from_der(one).to_owned())
        .collect()
}

/// What a host is judged by and shown when nobody says more.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Usual {
    /// These CAs, as DER.
    Named(Vec<Vec<u8>>),
    /// Those of this program.
    CompiledIn,
}

/// Reads the usual CAs, once for all connections.
fn usual() -> Result<&'static Usual, TrustError> {
    static USUAL: OnceLock<Result<Usual, TrustError>> = OnceLock::new();
    let usual = USUAL.get_or_init(|| {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let (file, folders) = (variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR"));
        usual_of(file.as_deref(), folders.as_deref(), &SYSTEM.map(Path::new))
    });
    usual.as_ref().map_err(Clone::clone)
}

/// The CAs of a file and of folders (parted by colons), if either is named; else those of the first file of the
/// system that has any.
fn usual_of(
    file: Option<&OsStr>,
    folders: Option<&OsStr>,
    system: &[&Path],
) -> Result<Usual, TrustError> {
    let mut found = BTreeMap::new();
    let mut take = |certificates: Vec<Vec<u8>>| {
        for one in certificates {
            if found.len() < MAXIMUM_CERTIFICATES {
                let place = found.len();
                found.entry(one).or_insert(place);
            }
        }
    };
    if file.is_none() && folders.is_none() {
        let usable = system
            .iter()
            .map(|path| usable_authorities(path))
            .find(|found| !found.is_empty());
        return Ok(usable.map_or(Usual::CompiledIn, Usual::Named));
    }
    if let Some(file) = file {
        take(authorities(Path::new(file)).map_err(|error| error.named_by("SSL_CERT_FILE"))?);
    }
    for folder in folders.map(env::split_paths).into_iter().flatten() {
        let failed =
            |error: std::io::Error| refuse(&folder, &reason(&error)).named_by("SSL_CERT_DIR");
        let entries = match fs::read_dir(&folder) {
            // One that is not there is passed over, as OpenSSL and Go do.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            entries => entries.map_err(failed)?,
        };
        let mut paths = entries
            .take(MAXIMUM_FILES)
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>, std::io::Error>>()
            .map_err(failed)?;
        paths.sort();
        for path in paths {
            // A folder has other files too: what holds no certificate is passed over.
            take(usable_authorities(&path));
        }
    }
    if found.is_empty() {
        let place = folders.unwrap_or_default().to_string_lossy().into_owned();
        let cause = "there is no certificate in PEM form".to_owned();
        return Err(TrustError { place, cause }.named_by("SSL_CERT_DIR"));
    }
    let mut ordered: Vec<(usize, Vec<u8>)> =
        found.into_iter().map(|(one, place)| (place, one)).collect();
    ordered.sort();
    Ok(Usual::Named(
        ordered.into_iter().map(|(_, one)| one).collect(),
    ))
}

impl TrustError {
    fn named_by(self, variable: &str) -> Self {
        Self {
            place: format!("{} (named by {variable})", self.place),
            ..self
        }
    }
}

/// What the folder of a host has.
#[derive(Default)]
struct HostFolder {
    authorities: Vec<Vec<u8>>,
    identity: Option<Identity>,
}

impl HostFolder {
    fn read(folder: &Path) -> Result<Self, TrustError> {
        let failed = |error: std::io::Error| refuse(folder, &reason(&error));
        let mut paths = fs::read_dir(folder)
            .map_err(failed)?
            .take(MAXIMUM_FILES)
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>, std::io::Error>>()
            .map_err(failed)?;
        paths.sort();
        let mut found = Self::default();
        for path in paths {
            match path.extension().and_then(OsStr::to_str) {
                Some("crt") => found.authorities.extend(authorities(&path)?),
                Some("cert") if found.identity.is_none() => {
                    let key = path.with_extension("key");
                    found.identity = Some(Identity {
                        certificate: path,
                        key,
                    });
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

impl Identity {
    fn read(&self) -> Result<ClientCert, TrustError> {
        let chain = authorities(&self.certificate)?;
        let pem = read(&self.key)?;
        let no_key = || refuse(&self.key, "it holds no private key in PEM form");
        let key = PrivateKey::from_pem(&pem).map_err(|_| no_key())?;
        // ureq takes it for granted that the two belong together, and panics where they do not.
        let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_key())?;
        let certificates = chain.iter().cloned().map(CertificateDer::from).collect();
        CertifiedKey::from_der(certificates, der, &ring::default_provider()).map_err(|error| {
            let certificate = self.certificate.display();
            match error {
                rustls::Error::InconsistentKeys(_) => {
                    let cause = format!("it is not the key of the certificate in {certificate}");
                    refuse(&self.key, &cause)
                }
                rustls::Error::InvalidCertificate(_) => {
                    refuse(&self.certificate, &format!("it cannot be used: {error}"))
                }
                _ => refuse(&self.key, &format!("it cannot be used: {error}")),
            }
        })?;
        Ok(ClientCert::new_with_certs(&certificates_of(&chain), key))
    }
}

/// The certificates of a file in PEM form, as DER; at least one.
fn authorities(path: &Path) -> Result<Vec<Vec<u8>>, TrustError> {
    let found = certificates(&read(path)?);
    if found.is_empty() {
        return Err(refuse(path, "it holds no certificate in PEM form"));
    }
    match found.iter().position(|one| !is_certificate(one)) {
        None => Ok(found),
        Some(place) => {
            let place = place + 1;
            let cause = format!(
                "block {place} of its PEM text is no certificate; its bytes are damaged or of another kind"
            );
            Err(refuse(path, &cause))
        }
    }
}

/// The certificates of a file that somebody else looks after: what is damaged in it is passed over.
fn usable_authorities(path: &Path) -> Vec<Vec<u8>> {
    let mut found = read(path).map_or_else(|_| Vec::new(), |pem| certificates(&pem));
    found.retain(|one| is_certificate(one));
    found
}

/// Whether bytes are a certificate, be it one that TLS has no use for.
fn is_certificate(der: &[u8]) -> bool {
    let added = RootCertStore::empty().add(CertificateDer::from(der));
    !matches!(
        added,
        Err(rustls::Error::InvalidCertificate(
            rustls::CertificateError::BadEncoding
        ))
    )
}

/// The certificates of a PEM text, as DER; what else is in it is passed over.
fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    ureq::tls::parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate.der().to_vec()),
            _ => None,
        })
        .take(MAXIMUM_CERTIFICATES)
        .collect()
}

/// A file's bytes; it may hold a key.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TrustError> {
    basalt_file::read(path, MAXIMUM_FILE)
        .map(Zeroizing::new)
        .map_err(|error| refuse(path, &reason(&error)))
}

fn refuse(path: &Path, cause: &str) -> TrustError {
    TrustError {
        place: path.display().to_string(),
        cause: cause.to_owned(),
    }
}

/// What the system says, without the path, which stands before it.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three of the certificates that are compiled in, in PEM form.
    fn pem(numbers: &[usize]) -> String {
        use base64::Engine;
        let mut text = String::new();
        for &number in numbers {
            let der = &webpki_root_certs::TLS_SERVER_ROOT_CERTS[number];
            let encoded = base64::prelude::BASE64_STANDARD.encode(der);
            text.push_str("-----BEGIN CERTIFICATE-----\n");
            for line in encoded.as_bytes().chunks(64) {
                text.push_str(std::str::from_utf8(line).expect("ASCII"));
                text.push('\n');
            }
            text.push_str("-----END CERTIFICATE-----\n");
        }
        text
    }

    fn der(numbers: &[usize]) -> Usual {
        let one = |&number: &usize| webpki_root_certs::TLS_SERVER_ROOT_CERTS[number].to_vec();
        Usual::Named(numbers.iter().map(one).collect())
    }

    #[test]
    fn the_environment_replaces_the_system_which_replaces_what_is_compiled_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("system.crt"), pem(&[0])).expect("written");
        fs::write(at("own.pem"), format!("# comment\n{}", pem(&[1, 2]))).expect("written");
        fs::write(at("none.pem"), "no certificate").expect("written");
        fs::create_dir_all(at("certs")).expect("made");
        fs::write(at("certs/a.pem"), pem(&[3])).expect("written");
        fs::write(at("certs/b.0"), pem(&[3, 1])).expect("written");
        fs::write(at("certs/README"), "no certificate").expect("written");
        let (system, absent) = (at("system.crt"), at("absent"));
        let none = at("none.pem");
        let system: [&Path; 3] = [&absent, &none, &system];
        assert_eq!(usual_of(None, None, &system), Ok(der(&[0])));
        assert_eq!(usual_of(None, None, &system[..2]), Ok(Usual::CompiledIn));
        let own = at("own.pem");
        let own = Some(own.as_os_str());
        assert_eq!(usual_of(own, None, &system), Ok(der(&[1, 2])));
        let certs = at("certs");
        assert_eq!(
            usual_of(None, Some(certs.as_os_str()), &system),
            Ok(der(&[3, 1]))
        );
        assert_eq!(
            usual_of(own, Some(certs.as_os_str()), &system),
            Ok(der(&[1, 2, 3]))
        );
        let two = env::join_paths([at("certs"), folder.path().to_owned()]).expect("joined");
        assert_eq!(usual_of(None, Some(&two), &system), Ok(der(&[3, 1, 2, 0])));
        // Folders that are not there are passed over, wherever they stand in the list.
        let gone = ["absent", "certs", "none.pem", "absent/x"].map(at);
        let gone = env::join_paths(gone).expect("joined");
        assert_eq!(usual_of(None, Some(&gone), &system), Ok(der(&[3, 1])));
    }

    #[test]
    fn what_the_environment_names_and_is_no_store_is_an_error_that_names_the_variable() {
        let folder = tempfile::tempdir().expect("a folder");
        let none = folder.path().join("none.pem");
        fs::write(&none, "no certificate").expect("written");
        let absent = folder.path().join("absent");
        for file in [&none, &absent, &folder.path().to_owned()] {
            let error = usual_of(Some(file.as_os_str()), None, &[]).expect_err("it is none");
            assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
        }
        for directory in [folder.path(), &absent, &none] {
            let error = usual_of(None, Some(directory.as_os_str()), &[]).expect_err("it is none");
            assert!(error.to_string().contains("SSL_CERT_DIR"), "{error}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = folder.path().join("text");
        fs::write(&text, "x").expect("written");
        for path in [Path::new("/dev/zero"), folder.path(), &text] {
            let trust = Trust {
                authorities: vec![path.to_owned()],
                ..Trust::default()
            };
            let error = trust.check().expect_err("no certificates");
            assert!(
                error.to_string().contains(&path.display().to_string()),
                "{error}"
            );
        }
        let long = folder.path().join("long");
        let file = fs::File::create(&long).expect("made");
        file.set_len(MAXIMUM_FILE + 1).expect("made");
        assert!(authorities(&long).is_err());
    }

    #[test]
    fn a_pem_block_that_holds_no_certificate_is_refused_by_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let block = "-----BEGIN CERTIFICATE-----\nQUFBQQ==\n-----END CERTIFICATE-----\n";
        let cut = pem(&[0]).replacen("MII", "MIE", 1);
        fs::write(at("key.pem"), "no key").expect("written");
        for (name, text) in [
            ("other", block.to_owned()),
            ("cut", cut),
            ("second", format!("{}{block}", pem(&[0]))),
            ("empty", block.replace("QUFBQQ==", "")),
        ] {
            fs::write(at(name), text).expect("written");
            let by_ca = Trust {
                authorities: vec![at(name)],
                ..Trust::default()
            };
            let by_identity = Trust {
                identity: Some(Identity {
                    certificate: at(name),
                    key: at("key.pem"),
                }),
                ..Trust::default()
            };
            for trust in [by_ca, by_identity] {
                let error = trust.check().expect_err("no certificate");
                assert_eq!(error.place, at(name).display().to_string(), "{error}");
            }
        }
        // The system's own file is not the user's to mend: the rest of it counts.
        let system = at("second");
        assert_eq!(usual_of(None, None, &[&system]), Ok(der(&[0])));
    }

    #[test]
    fn the_identity_is_for_named_hosts_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let certificate = folder.path().join("me.pem");
        fs::write(&certificate, pem(&[0])).expect("written");
        let key = folder.path().join("absent.key");
        let trust = Trust {
            identity: Some(Identity { certificate, key }),
            ..Trust::default()
        };
        // The key is not there: it is missed only where it would be shown.
        assert!(trust.config("a.example", false).is_ok());
        assert!(trust.config("a.example", true).is_err());
    }
}
