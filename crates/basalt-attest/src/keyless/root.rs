//! A trusted root: the authorities and logs of a Sigstore instance, pinned in a file (Sigstore *TrustedRoot*).

use std::fmt;

use basalt_digest::Digest;
use sigstore_verify::trust_root::TrustedRoot as Document;
use sigstore_verify::types::{Bundle, Sha256Hash, SignatureContent};
use sigstore_verify::{VerificationPolicy, Verifier};

use super::provider;
use crate::envelope::Envelope;
use crate::error::AttestError;

const WHAT: &str = "the trusted root";
/// Longest trusted root that is read.
const MAXIMUM_ROOT: usize = 4 << 20;

/// Whom a certificate names: both must be equal, letter by letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The subject: an address, or the URI of a workflow.
    pub subject: String,
    /// Who vouched for it: the OIDC issuer.
    pub issuer: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.subject, self.issuer)
    }
}

/// The authorities and logs that are trusted.
pub struct TrustedRoot(Verifier);

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrustedRoot")
    }
}

impl TrustedRoot {
    /// Reads a trusted root, as `cosign trusted-root create` and Sigstore's own repository have it.
    ///
    /// # Errors
    /// When it is none, or one of its keys and certificates is not sound.
    pub fn read(text: &str) -> Result<Self, AttestError> {
        provider::install();
        if text.len() > MAXIMUM_ROOT {
            return Err(AttestError::TooLarge {
                what: WHAT,
                limit: MAXIMUM_ROOT as u64,
                unit: "bytes",
            });
        }
        let refuse = |error: &dyn fmt::Display| AttestError::malformed(WHAT, error.to_string());
        let document = Document::from_json(text).map_err(|error| refuse(&error))?;
        Verifier::new(&document)
            .map(Self)
            .map_err(|error| refuse(&error))
    }

    /// Whether a bundle was signed by this identity, about this digest: the certificate chains to the root, was valid
    /// when it signed, and stands in a certificate log; the signature stands in a transparency log. `envelope` is the
    /// bundle's own as it was read elsewhere: two readers must have seen the same.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn verify(
        &self,
        bundle: &[u8],
        envelope: &Envelope,
        digest: &Digest,
        identity: &Identity,
    ) -> Result<(), String> {
        let text = std::str::from_utf8(bundle).map_err(|error| error.to_string())?;
        let bundle = Bundle::from_json(text).map_err(|error| error.to_string())?;
        match &bundle.content {
            SignatureContent::DsseEnvelope(read)
                if read.payload.as_bytes() == envelope.payload
                    && read.payload_type == envelope.payload_type => {}
            _ => return Err("its envelope can be read in two ways".to_owned()),
        }
        let policy = VerificationPolicy::new(identity.subject.as_str(), identity.issuer.as_str());
        let artifact = Sha256Hash::new(*digest.as_bytes());
        self.0
            .verify(artifact, &bundle, &policy)
            .map(|_| ())
            .map_err(|error| with_causes(&error))
    }
}

/// An error with its causes, in a line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        next = cause.source();
    }
    text
}
