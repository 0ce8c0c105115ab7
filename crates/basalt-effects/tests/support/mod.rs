//! What the tests of explanations share.

use std::collections::BTreeMap;

use basalt_effects::{Effect, Explanation, PackageScripts, explain};

/// What is made of the control members of the package `example`, version 1.2.3-4, on amd64.
pub fn explained(members: &BTreeMap<String, Vec<u8>>, declared: Option<&[Effect]>) -> Explanation {
    let scripts = PackageScripts {
        package: "example",
        version: "1.2.3-4",
        architecture: "amd64",
        members,
        paths: &[],
    };
    explain(&scripts, declared)
}
