//! The form in which cosign keeps a private key: PEM around JSON, in which PKCS #8 is encrypted by NaCl's secretbox
//! under a key that scrypt makes of a password.

use crypto_secretbox::aead::Aead;
use crypto_secretbox::{Key, KeyInit, Nonce, XSalsa20Poly1305};
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::KeyError;
use crate::encoding;

const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
const WHAT: &str = "encrypted private key";
/// The binary logarithms of scrypt's `N` that are opened: cosign writes 16, and wrote 15.
const COSTS: std::ops::RangeInclusive<u8> = 14..=18;
/// That which is written.
const COST: u8 = 16;
const BLOCK: u32 = 8;
const PARALLEL: u32 = 1;

/// An encrypted key.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    kdf: Derivation,
    cipher: Cipher,
    #[serde(with = "encoding")]
    ciphertext: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Derivation {
    name: String,
    params: Parameters,
    #[serde(with = "encoding")]
    salt: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Parameters {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    #[serde(with = "encoding")]
    nonce: Vec<u8>,
}

/// What stands between the lines of a PEM text. Nothing secret is in it without the password.
pub(super) fn of_pem(text: &str, label: &str) -> Result<Vec<u8>, KeyError> {
    let body = text
        .strip_prefix(&format!("-----BEGIN {label}-----"))
        .and_then(|rest| rest.strip_suffix(&format!("-----END {label}-----")))
        .ok_or_else(|| KeyError::malformed(WHAT, "its last line does not match its first"))?;
    let base64: String = body.split_ascii_whitespace().collect();
    encoding::decode(&base64).map_err(|error| KeyError::malformed(WHAT, error))
}

/// Reads it, and checks that it can be opened with a password.
pub(super) fn read(json: &[u8]) -> Result<Sealed, KeyError> {
    let sealed: Sealed =
        serde_json::from_slice(json).map_err(|error| KeyError::malformed(WHAT, error))?;
    let refuse = |cause: String| Err(KeyError::malformed(WHAT, cause));
    let (kdf, cipher) = (&sealed.kdf, &sealed.cipher);
    if kdf.name != "scrypt" || cipher.name != "nacl/secretbox" {
        return refuse(format!(
            "it is made with {} and {}, where scrypt and nacl/secretbox are read",
            kdf.name, cipher.name
        ));
    }
    let Parameters { n, r, p } = kdf.params;
    let cost = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
    if !n.is_power_of_two() || !COSTS.contains(&cost) || (r, p) != (BLOCK, PARALLEL) {
        return refuse(format!(
            "its scrypt has N {n}, r {r} and p {p}, where N is a power of two from 16384 to 262144, r {BLOCK} and p {PARALLEL}"
        ));
    }
    if cipher.nonce.len() != 24 || kdf.salt.is_empty() {
        return refuse("its nonce or salt has a wrong length".to_owned());
    }
    Ok(sealed)
}

impl Sealed {
    /// What is inside.
    pub(super) fn open(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let cost = u8::try_from(self.kdf.params.n.trailing_zeros()).unwrap_or(u8::MAX);
        let key = derive(password, &self.kdf.salt, cost)?;
        let cipher = XSalsa20Poly1305::new(Key::from_slice(key.as_slice()));
        cipher
            .decrypt(
                Nonce::from_slice(&self.cipher.nonce),
                self.ciphertext.as_slice(),
            )
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Password)
    }
}

/// Encrypts PKCS #8 with a password.
pub(super) fn seal(plain: &[u8], password: &[u8]) -> Result<String, KeyError> {
    let mut salt = vec![0; 32];
    let mut nonce = vec![0; 24];
    OsRng.fill_bytes(&mut salt);
    OsRng.fill_bytes(&mut nonce);
    let key = derive(password, &salt, COST)?;
    let ciphertext = XSalsa20Poly1305::new(Key::from_slice(key.as_slice()))
        .encrypt(Nonce::from_slice(&nonce), plain)
        .map_err(|error| KeyError::malformed(WHAT, error))?;
    let sealed = Sealed {
        kdf: Derivation {
            name: "scrypt".to_owned(),
            params: Parameters {
                n: 1 << COST,
                r: BLOCK,
                p: PARALLEL,
            },
            salt,
        },
        cipher: Cipher {
            name: "nacl/secretbox".to_owned(),
            nonce,
        },
        ciphertext,
    };
    let json = serde_json::to_vec(&sealed).map_err(|error| KeyError::malformed(WHAT, error))?;
    let base64 = encoding::encode(&json);
    let mut text = format!("-----BEGIN {LABEL}-----\n");
    for (index, letter) in base64.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str(&format!("\n-----END {LABEL}-----\n"));
    Ok(text)
}

fn derive(password: &[u8], salt: &[u8], cost: u8) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let parameters = scrypt::Params::new(cost, BLOCK, PARALLEL, 32)
        .map_err(|error| KeyError::malformed(WHAT, error))?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, &parameters, key.as_mut_slice())
        .map_err(|error| KeyError::malformed(WHAT, error))?;
    Ok(key)
}
