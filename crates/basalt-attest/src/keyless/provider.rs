//! The cryptography that `sigstore-verify` asks for, by the crates that the program has anyway.

use std::sync::Once;

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::sha2::digest::{Digest, DynDigest};
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use sigstore_verify::crypto::{CryptoProvider, HashContext, SigningScheme};
use sigstore_verify::crypto::{Error, Result, install_default_provider};
use sigstore_verify::types::HashAlgorithm;

/// Sees to it that there is a provider, before anything of that crate is asked.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // One that another has installed does as well.
        let _ = install_default_provider(&Provider);
    });
}

#[derive(Debug)]
struct Provider;

struct Hash(Box<dyn DynDigest + Send>);

impl HashContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().into_vec()
    }
}

impl CryptoProvider for Provider {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>> {
        Ok(Box::new(Hash(match algorithm {
            HashAlgorithm::Sha2256 => Box::new(Sha256::new()),
            HashAlgorithm::Sha2384 => Box::new(Sha384::new()),
            HashAlgorithm::Sha2512 => Box::new(Sha512::new()),
            other => return Err(Error::UnsupportedAlgorithm(other.to_string())),
        })))
    }

    fn verify_raw(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        data: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        if matches!(scheme, SigningScheme::Ed25519) {
            let key: [u8; 32] = key.try_into().map_err(|_| invalid(scheme))?;
            let key = ed25519_dalek::VerifyingKey::from_bytes(&key).map_err(|_| invalid(scheme))?;
            let signature =
                ed25519_dalek::Signature::from_slice(signature).map_err(|_| invalid(scheme))?;
            return key.verify(data, &signature).map_err(|_| invalid(scheme));
        }
        let Some(algorithm) = scheme.hash_algorithm() else {
            return Err(Error::UnsupportedAlgorithm(scheme.name().to_owned()));
        };
        let mut hash = self.hash(algorithm)?;
        hash.update(data);
        self.verify_prehashed(scheme, key, &hash.finalize(), signature)
    }

    fn verify_prehashed(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        digest: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let good = match scheme {
            SigningScheme::EcdsaP256Sha256 | SigningScheme::EcdsaP256Sha384 => {
                p256::ecdsa::VerifyingKey::from_sec1_bytes(key).and_then(|key| {
                    key.verify_prehash(digest, &p256::ecdsa::Signature::from_der(signature)?)
                })
            }
            SigningScheme::EcdsaP384Sha256 | SigningScheme::EcdsaP384Sha384 => {
                p384::ecdsa::VerifyingKey::from_sec1_bytes(key).and_then(|key| {
                    key.verify_prehash(digest, &p384::ecdsa::Signature::from_der(signature)?)
                })
            }
            other => return verify_rsa(other, key, digest, signature),
        };
        good.map_err(|_| invalid(scheme))
    }
}

fn verify_rsa(scheme: SigningScheme, key: &[u8], digest: &[u8], signature: &[u8]) -> Result<()> {
    let key = RsaPublicKey::from_pkcs1_der(key).map_err(|_| invalid(scheme))?;
    let good = match scheme {
        SigningScheme::RsaPkcs1Sha256 => {
            key.verify(Pkcs1v15Sign::new::<Sha256>(), digest, signature)
        }
        SigningScheme::RsaPkcs1Sha384 => {
            key.verify(Pkcs1v15Sign::new::<Sha384>(), digest, signature)
        }
        SigningScheme::RsaPkcs1Sha512 => {
            key.verify(Pkcs1v15Sign::new::<Sha512>(), digest, signature)
        }
        SigningScheme::RsaPssSha256 => key.verify(Pss::new::<Sha256>(), digest, signature),
        SigningScheme::RsaPssSha384 => key.verify(Pss::new::<Sha384>(), digest, signature),
        SigningScheme::RsaPssSha512 => key.verify(Pss::new::<Sha512>(), digest, signature),
        other => return Err(Error::UnsupportedAlgorithm(other.name().to_owned())),
    };
    good.map_err(|_| invalid(scheme))
}

fn invalid(scheme: SigningScheme) -> Error {
    Error::Verification(format!("{} signature invalid", scheme.name()))
}
