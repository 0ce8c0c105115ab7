//! The bill of an image, as the cache remembers it.

use basalt_digest::Digest;
use basalt_sbom::{Sbom, Sha1, cyclonedx, spdx};
use serde::{Deserialize, Serialize};

use crate::error::BuildError;
use crate::run::documented::DOCUMENTED;
use crate::run::session::Session;

/// The bill of an image, as the cache remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CachedBill {
    /// Digest and length of the SPDX document.
    pub spdx: (Digest, u64),
    /// The former by SHA-1.
    pub spdx_sha1: Sha1,
    /// Digest and length of the CycloneDX document.
    pub cyclonedx: (Digest, u64),
}

impl CachedBill {
    /// Writes a bill in both formats, and puts them into the cache.
    pub(crate) fn write(
        session: &Session,
        bill: impl FnOnce() -> Sbom,
    ) -> Result<Self, BuildError> {
        if !DOCUMENTED {
            let nothing = (Digest::of(b""), 0);
            return Ok(Self {
                spdx: nothing,
                spdx_sha1: Sha1::of(b""),
                cyclonedx: nothing,
            });
        }
        let bill = bill();
        let put = |bytes: &[u8]| -> Result<(Digest, u64), BuildError> {
            Ok((session.cache.put(bytes)?, bytes.len() as u64))
        };
        let in_spdx = || {
            let bytes = spdx(&bill);
            Ok::<_, BuildError>((put(&bytes)?, Sha1::of(&bytes)))
        };
        let (spdx, cyclonedx) = rayon::join(in_spdx, || put(&cyclonedx(&bill)));
        let (spdx, spdx_sha1) = spdx?;
        Ok(Self {
            spdx,
            spdx_sha1,
            cyclonedx: cyclonedx?,
        })
    }

    /// Whether the cache still has both documents.
    pub(crate) fn is_there(&self, session: &Session) -> bool {
        let is_there = |(digest, size): &_| session.cache.seems_to_have(digest, Some(*size));
        !DOCUMENTED || [self.spdx, self.cyclonedx].iter().all(is_there)
    }
}
