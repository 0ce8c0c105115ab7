//! A key that a token keeps to itself: the token signs, the key never leaves it.

use std::fmt;

use basalt_digest::Digest;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use p384::ecdsa::signature::digest::Digest as _;
use pkcs8::EncodePublicKey;
use zeroize::Zeroizing;

use super::TokenUri;
use crate::key::{KeyError, PublicKey, Signer};

/// A key in a token.
pub struct TokenKey {
    place: String,
    session: Session,
    key: ObjectHandle,
    kind: Kind,
    public: PublicKey,
}

#[derive(Clone, Copy)]
enum Kind {
    P256,
    P384,
    Rsa,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({}, {:?})", self.place, self.public)
    }
}

impl TokenKey {
    /// Opens the token and finds the key. The PIN is asked for only when the token wants one.
    ///
    /// # Errors
    /// When the library, the token or the key is not there, several fit, or the PIN is refused.
    pub fn open(
        uri: &TokenUri,
        pin: impl FnOnce() -> Result<Zeroizing<String>, KeyError>,
    ) -> Result<Self, KeyError> {
        let module = uri.module.as_ref().ok_or_else(|| {
            KeyError::malformed(
                "PKCS #11 URI",
                "it names no library; add `?module-path=/path/of/library.so`, or set BASALT_PKCS11_MODULE",
            )
        })?;
        let place = format!("PKCS #11 {}", module.display());
        let failed = |error: Error| KeyError::Backend {
            place: place.clone(),
            cause: error.to_string(),
        };
        let refuse = |cause: String| KeyError::Backend {
            place: place.clone(),
            cause,
        };
        let library = Pkcs11::new(module).map_err(failed)?;
        library
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .map_err(failed)?;
        let slot = one(slots(&library, uri).map_err(failed)?, "tokens").map_err(refuse)?;
        let session = library.open_ro_session(slot).map_err(failed)?;
        if library
            .get_token_info(slot)
            .map_err(failed)?
            .login_required()
        {
            let pin = pin()?;
            let pin = AuthPin::new(pin.as_str().into());
            session.login(UserType::User, Some(&pin)).map_err(failed)?;
        }
        let find = |class| session.find_objects(&template(uri, class)).map_err(failed);
        let key = one(find(ObjectClass::PRIVATE_KEY)?, "private keys").map_err(refuse)?;
        let half = one(find(ObjectClass::PUBLIC_KEY)?, "public keys").map_err(refuse)?;
        let (kind, public) = public_key(&session, half)
            .map_err(failed)?
            .ok_or_else(|| refuse("its key is none of ECDSA P-256, P-384 and RSA".to_owned()))?;
        Ok(Self {
            place,
            session,
            key,
            kind,
            public,
        })
    }
}

impl Signer for TokenKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let refuse = |cause: String| KeyError::Backend {
            place: self.place.clone(),
            cause,
        };
        let sign = |mechanism: Mechanism<'_>, bytes: &[u8]| {
            self.session
                .sign(&mechanism, self.key, bytes)
                .map_err(|error| refuse(error.to_string()))
        };
        // Tokens give the two numbers of ECDSA end to end; elsewhere they are in ASN.1.
        let signature = match self.kind {
            Kind::P256 => {
                let raw = sign(Mechanism::Ecdsa, Digest::of(message).as_bytes())?;
                p256::ecdsa::Signature::from_slice(&raw)
                    .map(|signature| signature.to_der().as_bytes().to_vec())
            }
            Kind::P384 => {
                let raw = sign(Mechanism::Ecdsa, &rsa::sha2::Sha384::digest(message))?;
                p384::ecdsa::Signature::from_slice(&raw)
                    .map(|signature| signature.to_der().as_bytes().to_vec())
            }
            Kind::Rsa => Ok(sign(Mechanism::Sha256RsaPkcs, message)?),
        }
        .map_err(|error| refuse(error.to_string()))?;
        match self.public.verify(message, &signature) {
            true => Ok(signature),
            false => Err(refuse(
                "its signature does not hold under its own public key".to_owned(),
            )),
        }
    }
}

/// The slots whose tokens fit.
fn slots(library: &Pkcs11, uri: &TokenUri) -> Result<Vec<Slot>, Error> {
    let mut fitting = Vec::new();
    for slot in library.get_slots_with_initialized_token()? {
        let facts = library.get_token_info(slot)?;
        let fits = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        if fits(&uri.token, facts.label())
            && fits(&uri.serial, facts.serial_number())
            && uri.slot.is_none_or(|wanted| wanted == slot.id())
        {
            fitting.push(slot);
        }
    }
    Ok(fitting)
}

/// What an object must have.
fn template(uri: &TokenUri, class: ObjectClass) -> Vec<Attribute> {
    let mut template = vec![Attribute::Class(class)];
    let label = uri.object.as_ref().map(|label| label.clone().into_bytes());
    template.extend(label.map(Attribute::Label));
    template.extend(uri.id.clone().map(Attribute::Id));
    template
}

/// The only one: a key is not picked among several that fit.
fn one<T>(mut found: Vec<T>, what: &str) -> Result<T, String> {
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(format!("there are no {what} that fit the URI")),
        (_, more) => Err(format!("{} {what} fit the URI; say which", more + 1)),
    }
}

/// Reads a public key out of the token. `None`: of another algorithm than are signed with.
fn public_key(session: &Session, half: ObjectHandle) -> Result<Option<(Kind, PublicKey)>, Error> {
    let wanted = [
        AttributeType::KeyType,
        AttributeType::EcPoint,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
    ];
    let (mut kind, mut point, mut modulus, mut exponent) = (None, None, None, None);
    for attribute in session.get_attributes(half, &wanted)? {
        match attribute {
            Attribute::KeyType(found) => kind = Some(found),
            Attribute::EcPoint(bytes) => point = Some(bytes),
            Attribute::Modulus(bytes) => modulus = Some(bytes),
            Attribute::PublicExponent(bytes) => exponent = Some(bytes),
            _ => {}
        }
    }
    let number = |bytes: Vec<u8>| rsa::BigUint::from_bytes_be(&bytes);
    Ok(match (kind, point, modulus.zip(exponent)) {
        (Some(KeyType::EC), Some(point), _) => of_point(&point),
        (Some(KeyType::RSA), _, Some((modulus, exponent))) => {
            let key = rsa::RsaPublicKey::new(number(modulus), number(exponent)).ok();
            let der = key.and_then(|key| key.to_public_key_der().ok());
            let key = der.and_then(|der| PublicKey::from_der(der.as_bytes()).ok());
            key.map(|key| (Kind::Rsa, key))
        }
        _ => None,
    })
}

/// A point on a curve: SEC 1 in an ASN.1 octet string, or, as some tokens have it, without. Its length tells the curve.
fn of_point(bytes: &[u8]) -> Option<(Kind, PublicKey)> {
    let point = match bytes {
        [0x04, length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        other => other,
    };
    match point.len() {
        65 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
            Some((Kind::P256, PublicKey::of_p256(key).ok()?))
        }
        97 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
            Some((Kind::P384, PublicKey::of_p384(key).ok()?))
        }
        _ => None,
    }
}
