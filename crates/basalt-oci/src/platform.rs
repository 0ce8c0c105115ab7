//! The platform of an image.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an image runs on, in the words of the OCI specifications (Go's names).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// Processor: `amd64`, `arm64`.
    pub architecture: String,
    /// Operating system: `linux`.
    pub os: String,
    /// Version of the operating system; only Windows has one.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Variant of the processor: `v8` of `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A Debian architecture without a name in the OCI specifications.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "architecture `{architecture}` has no OCI platform; known are amd64, arm64, armel, armhf, i386, mips64el, ppc64el, riscv64, s390x, loong64"
)]
pub struct PlatformError {
    architecture: String,
}

impl Platform {
    /// The platform of a Debian architecture.
    ///
    /// # Errors
    /// When the architecture is not one of Debian's.
    pub fn of_debian(architecture: &str) -> Result<Self, PlatformError> {
        let (name, variant) = match architecture {
            "amd64" => ("amd64", None),
            "arm64" => ("arm64", Some("v8")),
            "armhf" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v5")),
            "i386" => ("386", None),
            "ppc64el" => ("ppc64le", None),
            "mips64el" => ("mips64le", None),
            "riscv64" | "s390x" | "loong64" => (architecture, None),
            _ => {
                return Err(PlatformError {
                    architecture: architecture.chars().take(40).collect(),
                });
            }
        };
        Ok(Self {
            architecture: name.to_owned(),
            os: "linux".to_owned(),
            os_version: None,
            variant: variant.map(str::to_owned),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if let Some(variant) = &self.variant {
            write!(f, "/{variant}")?;
        }
        Ok(())
    }
}
