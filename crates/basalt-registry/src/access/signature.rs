//! How the signatures of issuers' tokens are verified: by ring, which verifies TLS's too.

use jsonwebtoken::crypto::{CryptoProvider, JwkUtils, JwtVerifier};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature as by;

static RING: CryptoProvider = CryptoProvider {
    // Nothing is signed here.
    signer_factory: |_, _| Err(refused()),
    verifier_factory: verifier,
    jwk_utils: JwkUtils::new_unimplemented(),
};

/// Lets `jsonwebtoken` verify by it. Once is enough, more does no harm.
pub(super) fn install() {
    let _ = RING.install_default();
}

/// A key, and the algorithm by which it verifies.
enum Key {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
        by: &'static by::RsaParameters,
    },
    Other {
        key: Vec<u8>,
        by: &'static dyn by::VerificationAlgorithm,
    },
}

struct Verifying {
    algorithm: Algorithm,
    key: Key,
}

fn refused() -> Error {
    ErrorKind::InvalidAlgorithm.into()
}

fn verifier(
    algorithm: &Algorithm,
    key: &DecodingKey,
) -> jsonwebtoken::errors::Result<Box<dyn JwtVerifier>> {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512};
    use Algorithm::{RS256, RS384, RS512};
    let rsa: &'static by::RsaParameters = match algorithm {
        RS256 => &by::RSA_PKCS1_2048_8192_SHA256,
        RS384 => &by::RSA_PKCS1_2048_8192_SHA384,
        RS512 => &by::RSA_PKCS1_2048_8192_SHA512,
        PS256 => &by::RSA_PSS_2048_8192_SHA256,
        PS384 => &by::RSA_PSS_2048_8192_SHA384,
        PS512 => &by::RSA_PSS_2048_8192_SHA512,
        ES256 => return other(*algorithm, key, &by::ECDSA_P256_SHA256_FIXED),
        ES384 => return other(*algorithm, key, &by::ECDSA_P384_SHA384_FIXED),
        EdDSA => return other(*algorithm, key, &by::ED25519),
        HS256 | HS384 | HS512 => return Err(refused()),
    };
    let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else {
        return Err(refused());
    };
    Ok(Box::new(Verifying {
        algorithm: *algorithm,
        key: Key::Rsa {
            modulus: n.clone(),
            exponent: e.clone(),
            by: rsa,
        },
    }))
}

fn other(
    algorithm: Algorithm,
    key: &DecodingKey,
    by: &'static dyn by::VerificationAlgorithm,
) -> jsonwebtoken::errors::Result<Box<dyn JwtVerifier>> {
    let DecodingKeyKind::SecretOrDer(bytes) = key.kind() else {
        return Err(refused());
    };
    let key = Key::Other {
        key: bytes.clone(),
        by,
    };
    Ok(Box::new(Verifying { algorithm, key }))
}

impl Verifier<Vec<u8>> for Verifying {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match &self.key {
            Key::Rsa {
                modulus,
                exponent,
                by,
            } => by::RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(by, message, signature),
            Key::Other { key, by } => {
                by::UnparsedPublicKey::new(*by, key).verify(message, signature)
            }
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Verifying {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
