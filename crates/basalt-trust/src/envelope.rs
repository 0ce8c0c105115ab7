//! The envelope of a cleartext-signed message (RFC 9580, section 7), read strictly: whatever
//! stands outside it, or could be read in two ways, is refused.

use crate::TrustError;

/// The most of a Release file that is read, in bytes; Debian's biggest has under 1 MiB.
pub(crate) const MAXIMUM_TEXT: usize = 16 << 20;
/// The most of a signature block that is read, in bytes.
pub(crate) const MAXIMUM_SIGNATURE: usize = 64 << 10;

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// The two parts of a signed message.
pub(crate) struct Envelope {
    /// The text: dash-escapes undone, blanks at line ends removed, lines ended by `\n`.
    pub text: String,
    /// The armoured signatures.
    pub signature: String,
}

impl Envelope {
    /// The bytes that were signed: lines parted by CR LF, none behind the last.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let text = self.text.strip_suffix('\n').unwrap_or(&self.text);
        text.replace('\n', "\r\n").into_bytes()
    }
}

/// Parts a signed message.
pub(crate) fn open(message: &[u8]) -> Result<Envelope, TrustError> {
    if message.len() > MAXIMUM_TEXT {
        return Err(TrustError::TooBig {
            what: "the InRelease file",
            size: message.len(),
            limit: MAXIMUM_TEXT,
        });
    }
    let message = std::str::from_utf8(message)
        .map_err(|error| refuse(format!("byte {} is not UTF-8", error.valid_up_to())))?;
    let mut lines = message.lines().enumerate();
    match lines.next() {
        Some((_, line)) if line.trim_end() == BEGIN => {}
        _ => return Err(refuse(format!("it does not begin with `{BEGIN}`"))),
    }
    for (number, line) in &mut lines {
        if line.trim_end().is_empty() {
            break;
        }
        // An attacker could hide text in any other header (RFC 9580, section 7.1).
        if !line.starts_with("Hash: ") {
            return Err(refuse(format!(
                "line {}: only `Hash` headers may stand here",
                number + 1
            )));
        }
    }
    let mut text = String::with_capacity(message.len());
    let mut signature = None;
    for (number, line) in &mut lines {
        if line.trim_end() == BEGIN_SIGNATURE {
            signature = Some(format!("{BEGIN_SIGNATURE}\n"));
            break;
        }
        let plain = match line.strip_prefix("- ") {
            Some(plain) => plain,
            None if line.starts_with('-') => {
                return Err(refuse(format!(
                    "line {}: a dash that is not escaped",
                    number + 1
                )));
            }
            None => line,
        };
        let plain = plain.trim_end_matches([' ', '\t', '\r']);
        // Some readers take it for a line's end, others do not.
        if plain.contains('\r') {
            return Err(refuse(format!(
                "line {}: a stray carriage return",
                number + 1
            )));
        }
        text.push_str(plain);
        text.push('\n');
    }
    let Some(mut signature) = signature else {
        return Err(TrustError::NoSignature);
    };
    let mut ended = false;
    for (_, line) in &mut lines {
        signature.push_str(line.trim_end());
        signature.push('\n');
        if signature.len() > MAXIMUM_SIGNATURE {
            return Err(TrustError::TooBig {
                what: "the signature block",
                size: signature.len(),
                limit: MAXIMUM_SIGNATURE,
            });
        }
        if line.trim_end() == END_SIGNATURE {
            ended = true;
            break;
        }
    }
    if !ended {
        return Err(refuse(format!("it does not end with `{END_SIGNATURE}`")));
    }
    if let Some((number, _)) = lines.find(|(_, line)| !line.trim().is_empty()) {
        return Err(refuse(format!(
            "line {}: text behind the signature",
            number + 1
        )));
    }
    Ok(Envelope { text, signature })
}

fn refuse(reason: String) -> TrustError {
    TrustError::Envelope(reason)
}
