//! The keys that sign tokens: made by the first server that needs one, kept in the metadata, and changed in time.

use std::sync::{Arc, PoisonError, RwLock};

use ed25519_dalek::{SigningKey as Key, VerifyingKey};
use rand_core::{OsRng, RngCore};

use crate::metadata::{Metadata, MetadataError, Moment, SigningKey};
use crate::route::UploadId;

/// How long a key signs, in milliseconds.
const SIGNS: i64 = 7 * 24 * 3600 * 1000;
/// How long it still verifies after that, in milliseconds.
const VERIFIES: i64 = 24 * 3600 * 1000;
/// How long it is known before it signs, so that servers which share the metadata have all seen it by then.
const SPREADS: i64 = 15 * 60 * 1000;

/// The keys that are good now.
#[derive(Default)]
pub struct Keys {
    held: RwLock<Arc<Held>>,
}

#[derive(Default)]
struct Held {
    signing: Option<SigningKey>,
    public: Vec<(String, VerifyingKey)>,
}

impl Keys {
    /// Takes the keys from the metadata, after a new one was added there if none is young enough.
    ///
    /// # Errors
    /// When the metadata cannot be read or written.
    pub async fn refresh(&self, metadata: &dyn Metadata, now: Moment) -> Result<(), MetadataError> {
        let mut keys = metadata.signing_keys().await?;
        let young = |key: &SigningKey| key.created > now - SIGNS;
        if !keys.first().is_some_and(young) {
            let oldest = now - SIGNS - VERIFIES;
            metadata
                .add_signing_key(new_key(now), now - SIGNS, oldest)
                .await?;
            keys = metadata.signing_keys().await?;
        }
        let spread = |key: &&SigningKey| key.created <= now - SPREADS;
        let held = Held {
            public: keys.iter().map(verifying).collect(),
            // The first key of all has nobody to wait for.
            signing: keys.iter().find(spread).or(keys.last()).cloned(),
        };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(held);
        Ok(())
    }

    /// Signs with the newest key that all servers know; nothing when there is none yet.
    pub fn sign(&self, claims: &super::Claims) -> Option<String> {
        let held = self.held();
        held.signing.as_ref().map(|key| super::sign(key, claims))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// When it is not good.
    pub fn verify(
        &self,
        token: &str,
        service: &str,
        now: Moment,
    ) -> Result<super::Claims, super::TokenError> {
        super::verify(token, &self.held().public, service, now)
    }

    fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What verifies the tokens of a key, and its name.
pub fn verifying(key: &SigningKey) -> (String, VerifyingKey) {
    let verifying = Key::from_bytes(&key.secret).verifying_key();
    (key.id.clone(), verifying)
}

/// A key made now.
pub fn new_key(now: Moment) -> SigningKey {
    let mut secret = zeroize::Zeroizing::new([0; 32]);
    OsRng.fill_bytes(secret.as_mut());
    SigningKey {
        id: UploadId::random().as_str().to_owned(),
        secret,
        created: now,
    }
}
