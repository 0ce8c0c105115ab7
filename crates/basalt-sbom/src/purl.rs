//! Package URLs (the purl specification, types `deb` and `oci`).

use std::fmt::Write as _;

use basalt_digest::Digest;

use crate::model::{Image, OperatingSystem, Package, Source};

/// The package URL of a binary package of a distribution. The epoch stays in the version; the source is named where
/// it differs, as scanners match vulnerabilities on it.
pub fn of_debian(package: &Package, system: &OperatingSystem) -> String {
    let Package {
        name,
        version,
        architecture,
        source,
        ..
    } = package;
    of_binary((name, version, architecture), source, system)
}

/// As [`of_debian`], of a package of which only name, version, architecture and source are known.
pub fn of_binary(
    (name, version, architecture): (&str, &str, &str),
    source: &Source,
    system: &OperatingSystem,
) -> String {
    let mut upstream = String::new();
    if source.version != version {
        upstream = format!("{}@{}", source.name, source.version);
    } else if source.name != name {
        upstream.clone_from(&source.name);
    }
    let qualifiers = [
        ("arch", architecture),
        ("distro", &distribution(system)),
        ("upstream", &upstream),
    ];
    of("deb", &[&system.id, name], version, &qualifiers)
}

/// The package URL of a source package.
pub(crate) fn of_source(source: &Source, system: &OperatingSystem) -> String {
    let qualifiers = [("arch", "source"), ("distro", &distribution(system))];
    of(
        "deb",
        &[&system.id, &source.name],
        &source.version,
        &qualifiers,
    )
}

/// The package URL of an image: where it will be kept is not known when it is built.
pub fn of_image(image: &Image) -> String {
    let Image {
        name,
        architecture,
        digest,
        ..
    } = image;
    of_oci(name, digest, architecture)
}

pub(crate) fn of_oci(name: &str, digest: &Digest, architecture: &str) -> String {
    // The type's own rule: names are in lower case.
    let name = name.to_lowercase();
    of(
        "oci",
        &[&name],
        &digest.to_string(),
        &[("arch", architecture)],
    )
}

fn distribution(system: &OperatingSystem) -> String {
    format!("{}-{}", system.id, system.version)
}

/// The canonical form: qualifiers sorted by the caller, those without a value left out.
fn of(kind: &str, names: &[&str], version: &str, qualifiers: &[(&str, &str)]) -> String {
    let mut text = format!("pkg:{kind}");
    for name in names {
        text.push('/');
        encode(&mut text, name);
    }
    text.push('@');
    encode(&mut text, version);
    let mut sign = '?';
    for (key, value) in qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(sign);
        text.push_str(key);
        text.push('=');
        encode(&mut text, value);
        sign = '&';
    }
    text
}

/// Percent-encodes all but letters, digits and `-._~:`.
fn encode(text: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            text.push(byte as char);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_stays_and_a_plus_is_encoded() {
        let qualifiers = [
            ("arch", "amd64"),
            ("distro", "debian-12"),
            ("upstream", "bash@5.2.15-2"),
        ];
        let version = "1:5.2.15-2+b8";
        assert_eq!(
            of("deb", &["debian", "libstdc++6"], version, &qualifiers),
            "pkg:deb/debian/libstdc%2B%2B6@1:5.2.15-2%2Bb8?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2"
        );
    }

    #[test]
    fn a_qualifier_without_a_value_is_left_out() {
        let qualifiers = [("arch", ""), ("distro", "debian-13"), ("upstream", "")];
        assert_eq!(
            of("deb", &["debian", "a"], "1", &qualifiers),
            "pkg:deb/debian/a@1?distro=debian-13"
        );
    }
}
