//! What the commands around signatures share: where keys and passwords come from, and the date.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use basalt_attest::{KeyError, PrivateKey, PublicKey, Signer, TokenKey, TokenUri};
use clap::Args;
use zeroize::Zeroizing;

use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::reference::{Named, Reference};
use crate::registries;

/// Longest file of a key or a password that is read, in bytes.
const MAXIMUM_LENGTH: u64 = 64 << 10;
/// Variables that hold the password of a private key; the first that is set counts.
const PASSWORD_VARIABLES: [&str; 2] = ["BASALT_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// The library that speaks to a token, and the token's PIN, where the URI does not say.
const MODULE_VARIABLE: &str = "BASALT_PKCS11_MODULE";
const PIN_VARIABLE: &str = "BASALT_PKCS11_PIN";

/// The password of a private key.
#[derive(Debug, Clone, Args)]
pub struct PasswordArguments {
    /// File whose first line is the key's password, or the token's PIN [default:
    /// BASALT_KEY_PASSWORD, COSIGN_PASSWORD, BASALT_PKCS11_PIN, or the terminal is asked]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// A key that signs.
#[derive(Debug, Clone, Args)]
pub struct SignerArguments {
    /// The private key: a file, env://NAME, or pkcs11:… (a key in a token, RFC 7512)
    #[arg(long, value_name = "KEY")]
    pub key: String,
    /// The password.
    #[command(flatten)]
    pub password: PasswordArguments,
}

impl SignerArguments {
    /// The key.
    ///
    /// # Errors
    /// When it is not there, others may read it, or the password does not open it.
    pub fn signer(&self) -> Result<Box<dyn Signer>, Failure> {
        signer(&self.key, &self.password)
    }
}

/// The place of an image that a person names.
///
/// # Errors
/// When nothing is named, or the place is not there.
pub fn image(text: &str, arguments: &RegistryArguments) -> Result<Named, Failure> {
    match Reference::parse(text)? {
        layout @ Reference::Layout { .. } => layout.open(),
        repository => repository.open_with(&registries::client(arguments, None)?),
    }
}

/// A key that signs: a file that nobody else may read, `env://NAME`, or one in a token.
///
/// # Errors
/// When it is not there, others may read it, or the password does not open it.
pub fn signer(source: &str, password: &PasswordArguments) -> Result<Box<dyn Signer>, Failure> {
    if source.starts_with("pkcs11:") {
        let key = token_key(source, password).map_err(|error| refused(source, error))?;
        return Ok(Box::new(key));
    }
    let text = match source.strip_prefix("env://") {
        Some(name) => variable(name)?,
        None => private_file(Path::new(source))?,
    };
    let key = PrivateKey::from_pem(&text, || password_of(source, password))
        .map_err(|error| refused(source, error))?;
    Ok(Box::new(key))
}

/// A key that a token keeps to itself.
fn token_key(source: &str, password: &PasswordArguments) -> Result<TokenKey, KeyError> {
    let mut uri = TokenUri::parse(source)?;
    if uri.module.is_none() {
        uri.module = std::env::var_os(MODULE_VARIABLE).map(PathBuf::from);
    }
    let file = uri.pin_file.clone().or(password.password_file.clone());
    TokenKey::open(&uri, || {
        let bytes = if let Some(path) = &file {
            password_file(path)?
        } else if let Some(pin) = std::env::var_os(PIN_VARIABLE) {
            Zeroizing::new(pin.into_encoded_bytes())
        } else {
            ask("PIN of the token: ")?
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(KeyError::NoPassword("the PIN is no text".into())),
        }
    })
}

/// A key that verifies: a file, or `env://NAME`. A relative path is one from the folder.
///
/// # Errors
/// When it is not there, or no public key.
pub fn public_key(source: &str, folder: &Path) -> Result<PublicKey, Failure> {
    let text = match source.strip_prefix("env://") {
        Some(name) => variable(name)?,
        None => read(&folder.join(source))?.0,
    };
    PublicKey::from_pem(&text).map_err(|error| refused(source, error))
}

/// Asks for a new password: twice, when it is a terminal that is asked.
///
/// # Errors
/// When none can be had, or the two differ.
pub fn new_password(arguments: &PasswordArguments) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error: KeyError| {
        Failure::new(Status::Failed, error).help(format!(
            "give it in a file (--password-file) or in {}",
            PASSWORD_VARIABLES[0]
        ))
    };
    if let Some(password) = given_password(arguments).map_err(failed)? {
        return Ok(password);
    }
    let first = ask("Password of the new key (empty for none): ").map_err(failed)?;
    let second = ask("The same again: ").map_err(failed)?;
    match first == second {
        true => Ok(first),
        false => Err(Failure::new(Status::Usage, "the two passwords differ")),
    }
}

/// Now, in seconds since 1970: `SOURCE_DATE_EPOCH` if it is set.
///
/// # Errors
/// When that is no number.
pub fn date() -> Result<i64, Failure> {
    match crate::commands::source_date_epoch()? {
        Some(date) => Ok(date),
        None => Ok(now()),
    }
}

/// What the clock says, in seconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

fn refused(source: &str, error: KeyError) -> Failure {
    let status = match &error {
        KeyError::Password => Status::Failed,
        _ => Status::Usage,
    };
    let shown = match source.strip_prefix("env://") {
        Some(name) => format!("the key in the variable {name}"),
        None => format!("the key {source}"),
    };
    Failure::new(status, format!("{shown} cannot be used: {error}"))
}

fn variable(name: &str) -> Result<Zeroizing<String>, Failure> {
    match std::env::var(name) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            let message = format!("the variable {name}, which holds a key, cannot be read");
            // The error of a text that is no Unicode would show it.
            Err(match error {
                std::env::VarError::NotPresent => {
                    Failure::new(Status::Usage, format!("{message}: it is not set"))
                }
                std::env::VarError::NotUnicode(_) => Failure::new(Status::Usage, message),
            })
        }
    }
}

/// A file and its permission bits.
fn read(path: &Path) -> Result<(Zeroizing<String>, u32), Failure> {
    let named = |cause| basalt_file::named(path, cause);
    let file = basalt_file::open_argument(path).map_err(named)?;
    let mode = file.metadata()?.permissions().mode();
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAXIMUM_LENGTH + 1)
        .read_to_end(&mut bytes)
        .map_err(named)?;
    let wrong = |cause| {
        let message = format!("{} is no file of a key: {cause}", path.display());
        Failure::new(Status::Usage, message)
    };
    if bytes.len() as u64 > MAXIMUM_LENGTH {
        return Err(wrong("it is too long"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is no text"))?;
    Ok((Zeroizing::new(text.to_owned()), mode))
}

/// A file with a secret: nobody but its owner may read or write it.
fn private_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let (text, mode) = read(path)?;
    let open = mode & 0o077;
    if open != 0 && text.contains("-----BEGIN PUBLIC KEY-----") {
        // Anybody may read it: what is wrong is that it is public.
        return Ok(text);
    }
    if open != 0 {
        let message = format!(
            "{} has mode {:04o}: others than its owner may read or write it",
            path.display(),
            mode & 0o7777
        );
        return Err(
            Failure::new(Status::Usage, message).help(format!("chmod 600 {}", path.display()))
        );
    }
    Ok(text)
}

/// The first line of a file that nobody else may read.
fn password_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = private_file(path).map_err(|failure| KeyError::NoPassword(failure.error))?;
    let line = text.lines().next().unwrap_or("");
    Ok(Zeroizing::new(line.as_bytes().to_vec()))
}

/// The password from a file or a variable, if one is given.
fn given_password(arguments: &PasswordArguments) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
    if let Some(path) = &arguments.password_file {
        let text = private_file(path).map_err(|failure| KeyError::NoPassword(failure.error))?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(Some(Zeroizing::new(line.as_bytes().to_vec())));
    }
    for name in PASSWORD_VARIABLES {
        if let Some(text) = std::env::var_os(name) {
            return Ok(Some(Zeroizing::new(text.into_encoded_bytes())));
        }
    }
    Ok(None)
}

fn password_of(
    source: &str,
    arguments: &PasswordArguments,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    match given_password(arguments)? {
        Some(password) => Ok(password),
        None => ask(&format!("Password of {source}: ")),
    }
}

/// Asks the terminal, which does not show what is typed.
fn ask(question: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = rpassword::prompt_password(basalt_escape::line(question).as_ref())
        .map_err(|error| KeyError::NoPassword(Box::new(error)))?;
    Ok(Zeroizing::new(text.into_bytes()))
}
