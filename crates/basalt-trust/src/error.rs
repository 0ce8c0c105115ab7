//! Why something is not trusted.

/// Why a keyring cannot be read, or a text is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A key cannot be read.
    #[error("the keyring cannot be read: {0}; export it with `gpg --armor --export`")]
    Keyring(String),
    /// The keyring has no key at all.
    #[error("the keyring holds no OpenPGP key")]
    EmptyKeyring,
    /// No keyring of this Debian release is compiled in.
    #[error("no keyring is compiled in for `{0}`; name one in the spec")]
    UnknownRelease(String),
    /// The input is bigger than any Release file.
    #[error("{what} has {size} bytes; at most {limit} are read")]
    TooBig {
        /// What is too big.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// The text is not a cleartext-signed message, or something stands outside its envelope.
    #[error("not a signed Release file: {0}")]
    Envelope(String),
    /// There is an envelope or a signature file but no signature in it.
    #[error("the Release file carries no signature")]
    NoSignature,
    /// None of the signatures is good.
    #[error("no good signature by a trusted key:{}", list(.0))]
    NotTrusted(Vec<SignatureFailure>),
}

/// Why one signature does not count. Keys are named by fingerprint or key ID in hex, moments
/// are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFailure {
    /// The signature is of a version or form that is not supported.
    #[error("a signature of an unsupported form")]
    Unsupported,
    /// It names no key.
    #[error("a signature that does not name its key")]
    NoIssuer,
    /// The key is not in the keyring.
    #[error("key {0} is not in the keyring")]
    UnknownKey(String),
    /// It is a signature of another kind, such as over a key.
    #[error("the signature by {0} is not one over a document")]
    WrongKind(String),
    /// The hash can be forged.
    #[error("the signature by {key} uses the weak hash {hash}")]
    WeakHash {
        /// The key.
        key: String,
        /// The hash.
        hash: String,
    },
    /// The key can be broken.
    #[error("key {key} is too weak: {reason}")]
    WeakKey {
        /// The key.
        key: String,
        /// What it is.
        reason: String,
    },
    /// The signature has no date, or one that is still to come.
    #[error(
        "the signature by {0} is dated in the future or not at all; check this machine's clock"
    )]
    Future(String),
    /// The signature was made after the moment that was asked for.
    #[error(
        "the signature by {key} was made on {}, after the moment asked for ({})",
        moment(*.created),
        moment(*.now)
    )]
    Later {
        /// The key.
        key: String,
        /// When it was made.
        created: i64,
        /// The moment asked for.
        now: i64,
    },
    /// The signature was meant to hold until a moment that has passed.
    #[error("the signature by {key} expired on {}", moment(*.at))]
    Expired {
        /// The key.
        key: String,
        /// When.
        at: i64,
    },
    /// The key was meant to hold until a moment that has passed.
    #[error("key {key} expired on {}", moment(*.at))]
    KeyExpired {
        /// The key.
        key: String,
        /// When.
        at: i64,
    },
    /// The key was revoked.
    #[error("key {0} is revoked")]
    KeyRevoked(String),
    /// The key does not certify itself, or its subkey is not bound both ways.
    #[error("key {key} is not whole: {reason}")]
    KeyNotBound {
        /// The key.
        key: String,
        /// What is missing.
        reason: &'static str,
    },
    /// The key may not sign documents.
    #[error("key {0} is not for signing")]
    NotForSigning(String),
    /// The text is not what was signed.
    #[error("the signature by {0} does not match the text: it was altered")]
    Altered(String),
}

fn list(failures: &[SignatureFailure]) -> String {
    failures
        .iter()
        .map(|failure| format!("\n  {failure}"))
        .collect()
}

/// A moment as a person reads it.
pub(crate) fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| format!("second {seconds}"), |moment| moment.to_string())
}
