//! `basalt key generate|public`.

use std::io::Write;
use std::path::{Path, PathBuf};

use basalt_attest::{PrivateKey, PublicKey, Signer};
use clap::{Args, Subcommand};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use serde_json::json;

use crate::failure::{Failure, Status};
use crate::signing::{self, PasswordArguments};
use crate::terminal::Terminal;

/// What `key` takes.
#[derive(Debug, Args)]
pub struct KeyArguments {
    /// What to do.
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a pair of keys (ECDSA P-256), the private one encrypted as cosign does it
    Generate {
        /// Where: NAME.key and NAME.pub, which must not be there
        #[arg(value_name = "NAME", default_value = "basalt")]
        name: PathBuf,
        /// The password.
        #[command(flatten)]
        password: PasswordArguments,
    },
    /// Write the public key of a private one to the standard output
    Public {
        /// The private key: a file, env://NAME, or pkcs11:… (a key in a token, RFC 7512)
        #[arg(value_name = "KEY")]
        key: String,
        /// The password.
        #[command(flatten)]
        password: PasswordArguments,
    },
}

pub(super) fn run(own: &KeyArguments, terminal: &Terminal) -> Result<Status, Failure> {
    match &own.command {
        KeyCommand::Generate { name, password } => generate(name, password, terminal)?,
        KeyCommand::Public { key, password } => {
            let signer = signing::signer(key, password)?;
            let pem = pem(signer.public_key())?;
            let document =
                json!({"public-key": pem, "fingerprint": signer.public_key().fingerprint()});
            terminal.answer(&document, || pem.clone())?;
        }
    }
    Ok(Status::Done)
}

fn generate(name: &Path, password: &PasswordArguments, terminal: &Terminal) -> Result<(), Failure> {
    let with = |suffix: &str| {
        let mut path = name.as_os_str().to_owned();
        path.push(suffix);
        PathBuf::from(path)
    };
    let (private, public) = (with(".key"), with(".pub"));
    for path in [&private, &public] {
        if path.symlink_metadata().is_ok() {
            let message = format!("{} exists, and a key is never overwritten", path.display());
            return Err(Failure::new(Status::Usage, message).help("give another NAME"));
        }
    }
    let password = signing::new_password(password)?;
    let failed = |error| Failure::new(Status::Failed, error);
    let key = PrivateKey::generate().map_err(failed)?;
    let sealed = key.to_encrypted_pem(&password).map_err(failed)?;
    write(&private, 0o600, sealed.as_bytes())?;
    write(&public, 0o644, pem(key.public_key())?.as_bytes())?;
    let fingerprint = key.public_key().fingerprint();
    let document =
        json!({"private-key": private, "public-key": public, "fingerprint": fingerprint});
    terminal.summary(&document, || {
        format!(
            "private key  {} (keep it secret)\npublic key   {}\nfingerprint  {fingerprint}\n",
            private.display(),
            public.display()
        )
    })
}

fn pem(key: &PublicKey) -> Result<String, Failure> {
    key.to_pem()
        .map_err(|error| Failure::new(Status::Failed, error))
}

/// Writes a file that must not be there, with no moment at which others may read it.
fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}
