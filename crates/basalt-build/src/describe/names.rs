//! What documents call this program and the distribution.

use basalt_fetch::distribution;
use basalt_sbom::{OperatingSystem, Tool};

/// This program, as documents name it.
pub(crate) fn tool() -> Tool {
    Tool {
        name: "basalt".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The distribution's release, as documents name it.
pub(crate) fn system(distribution: &str, release: &str) -> OperatingSystem {
    let number = distribution::find(distribution, release).map_or("", |row| row.version);
    OperatingSystem {
        id: distribution.to_owned(),
        version: if number.is_empty() { release } else { number }.to_owned(),
        release: release.to_owned(),
    }
}
