//! Scripts of a package are explained, or said to be unexplained, whatever their bytes, at once and within the
//! bounds of what one may leave behind. The run itself has a bound of time and memory.
#![no_main]

use std::collections::BTreeMap;

use basalt_effects::{PackageScripts, explain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for member in ["preinst", "config", "postinst", "triggers"] {
        let members = BTreeMap::from([(member.to_owned(), bytes.to_vec())]);
        let package = PackageScripts {
            package: "tzdata",
            version: "2026a-0+deb13u1",
            architecture: "amd64",
            members: &members,
            paths: &[],
        };
        let explanation = explain(&package, None);
        assert!(explanation.effects.len() <= 20_000);
        if let Some(error) = explanation.unexplained() {
            let _ = error.to_string();
        }
    }
});
