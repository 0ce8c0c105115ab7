//! The packages an image says it holds: dpkg's `status` file, or the files of `status.d`.

use std::collections::BTreeMap;

use basalt_oci::Content;

/// Whether the file holds package records.
pub fn is_record(path: &str) -> bool {
    path == "var/lib/dpkg/status"
        || path
            .strip_prefix("var/lib/dpkg/status.d/")
            .is_some_and(|name| !name.contains('/') && !name.ends_with(".md5sums"))
}

/// Versions of an image's packages, with the slices of those that are not whole, by name (`libc6`, or `libc6:arm64` where a name is there in
/// two architectures).
pub fn packages(content: &Content) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let records = content.kept.iter().filter(|(path, _)| is_record(path));
    for (_, bytes) in records {
        let text = String::from_utf8_lossy(bytes);
        for stanza in text.split("\n\n") {
            let field = |name: &str| {
                let lines = stanza.lines();
                let mut values =
                    lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                values.next().map(|value| value.trim().to_owned())
            };
            // A package that is removed leaves its record with dpkg; such are not there.
            let gone = field("Status").is_some_and(|status| !status.ends_with(" installed"));
            if let (Some(name), Some(version), false) = (field("Package"), field("Version"), gone) {
                let architecture = field("Architecture").unwrap_or_default();
                let version = match field("X-Basalt-Slices") {
                    Some(slices) => format!("{version} (slices {slices})"),
                    None => version,
                };
                all.entry(name).or_default().insert(architecture, version);
            }
        }
    }
    let mut packages = BTreeMap::new();
    for (name, versions) in all {
        let alone = versions.len() == 1;
        for (architecture, version) in versions {
            let name = if alone {
                name.clone()
            } else {
                format!("{name}:{architecture}")
            };
            packages.insert(name, version);
        }
    }
    packages
}
