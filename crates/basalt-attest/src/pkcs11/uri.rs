//! `pkcs11:token=name;object=key?module-path=/usr/lib/…` (RFC 7512).

use std::path::PathBuf;

use crate::key::KeyError;

const WHAT: &str = "PKCS #11 URI";
/// Longest URI that is read.
const MAXIMUM_LENGTH: usize = 4096;

/// Which key of which token, and how the token is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenUri {
    /// The token's label.
    pub token: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// The slot.
    pub slot: Option<u64>,
    /// The key's label.
    pub object: Option<String>,
    /// The key's id.
    pub id: Option<Vec<u8>>,
    /// The library that speaks to the token.
    pub module: Option<PathBuf>,
    /// The file with the PIN.
    pub pin_file: Option<PathBuf>,
}

impl TokenUri {
    /// Reads a URI. What it cannot compare it refuses: a key that only seems to fit is not used.
    ///
    /// # Errors
    /// When it is none, has an attribute twice or one that is not known, or names no key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let refuse = |cause: String| Err(KeyError::malformed(WHAT, cause));
        let Some(rest) = text.strip_prefix("pkcs11:") else {
            return refuse("it does not begin with `pkcs11:`".to_owned());
        };
        if text.len() > MAXIMUM_LENGTH {
            return refuse("it is too long".to_owned());
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        let parts = path.split(';').chain(query.split('&'));
        for part in parts.filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                return refuse(format!("`{part}` is no attribute"));
            };
            if seen.contains(&name) {
                return refuse(format!("`{name}` stands twice"));
            }
            seen.push(name);
            let bytes = decode(value)?;
            if name == "id" {
                uri.id = Some(bytes);
                continue;
            }
            let text = String::from_utf8(bytes)
                .map_err(|_| KeyError::malformed(WHAT, format_args!("`{name}` is no text")))?;
            match name {
                "token" => uri.token = Some(text),
                "serial" => uri.serial = Some(text),
                "object" => uri.object = Some(text),
                "type" if text == "private" => {}
                "slot-id" => match text.parse() {
                    Ok(slot) => uri.slot = Some(slot),
                    Err(_) => return refuse("its slot-id is no number".to_owned()),
                },
                "module-path" => uri.module = Some(PathBuf::from(text)),
                "pin-source" => {
                    let path = text.strip_prefix("file:").unwrap_or(&text);
                    uri.pin_file = Some(PathBuf::from(path));
                }
                "pin-value" => {
                    return refuse(
                        "a PIN in it is seen by everybody on this machine; name a file with pin-source, or set BASALT_PKCS11_PIN"
                            .to_owned(),
                    );
                }
                _ => return refuse(format!("`{name}` is not understood")),
            }
        }
        if uri.object.is_none() && uri.id.is_none() {
            return refuse("it names no key: it needs `object` or `id`".to_owned());
        }
        Ok(uri)
    }
}

/// Undoes percent-encoding (RFC 3986).
fn decode(text: &str) -> Result<Vec<u8>, KeyError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || (rest.next()? as char).to_digit(16);
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => {
                return Err(KeyError::malformed(
                    WHAT,
                    "a `%` is not followed by two hex digits",
                ));
            }
        }
    }
    Ok(bytes)
}
