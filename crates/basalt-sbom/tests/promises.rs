//! What bills of materials promise, whatever they are made of.

use std::collections::BTreeSet;

use basalt_digest::Digest;
use basalt_sbom::{
    Copyright, File, FileOwner, Format, Image, LeftOut, Link, OperatingSystem, Package, Sbom, Sha1,
    Source, Tool, cyclonedx, of_debian, read_summary, spdx, spdx3_of_spdx,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn package(name: &str, version: &str, maintainer: &str) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
        source: Source {
            name: name.to_owned(),
            version: version.to_owned(),
        },
        maintainer: maintainer.to_owned(),
        licence: None,
        sha256: Digest::of(name.as_bytes()),
        archive: "debian".to_owned(),
        suite: "trixie".to_owned(),
        path: format!("pool/main/{name}_{version}_amd64.deb"),
        depends: Vec::new(),
        slices: Vec::new(),
        left_out: Vec::new(),
    }
}

fn file(path: &str, owner: FileOwner) -> File {
    File {
        path: path.to_owned(),
        digest: Digest::of(path.as_bytes()),
        sha1: Sha1::of(path.as_bytes()),
        hard_link_to: None,
        owner,
        original: None,
    }
}

fn bill(packages: Vec<Package>, files: Vec<File>, links: Vec<Link>) -> Sbom {
    Sbom {
        tool: Tool {
            name: "basalt".to_owned(),
            version: "1.0".to_owned(),
        },
        image: Image {
            name: "probe".to_owned(),
            version: "trixie-20261101".to_owned(),
            architecture: "amd64".to_owned(),
            digest: Digest::of(b"manifest"),
            created: 1_790_000_000,
            vendor: Some("Example".to_owned()),
        },
        system: OperatingSystem {
            id: "debian".to_owned(),
            version: "13".to_owned(),
            release: "trixie".to_owned(),
        },
        packages,
        files,
        links,
    }
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn an_empty_image_has_a_bill_too() {
    let bill = bill(Vec::new(), Vec::new(), Vec::new());
    assert_eq!(parsed(&spdx(&bill))["packages"][0]["filesAnalyzed"], false);
    assert_eq!(parsed(&cyclonedx(&bill))["components"][0]["name"], "debian");
}

#[test]
fn two_versions_of_a_source_are_two_sources() {
    let mut packages = vec![
        package("a", "1", "A <a@example.org>"),
        package("b", "2", "B"),
    ];
    packages[1].source.name = "a".to_owned();
    let document = parsed(&spdx(&bill(packages, Vec::new(), Vec::new())));
    let packages = document["packages"].as_array().expect("a list");
    let ids: Vec<&str> = packages
        .iter()
        .filter_map(|one| one["SPDXID"].as_str())
        .collect();
    assert!(
        ids.contains(&"SPDXRef-Source-a") && ids.contains(&"SPDXRef-Source-a-V2"),
        "{ids:?}"
    );
}

#[test]
fn what_slices_leave_out_is_named_with_its_digest() {
    let mut one = package("a", "1:2-3", "A Team <a@example.org>");
    one.slices = vec!["libs".to_owned()];
    one.left_out = vec![LeftOut {
        path: "/usr/bin/a".to_owned(),
        digest: Some(Digest::of(b"a")),
    }];
    let bill = bill(vec![one], Vec::new(), Vec::new());
    let digest = Digest::of(b"a").to_string();
    for document in [spdx(&bill), cyclonedx(&bill)] {
        let text = String::from_utf8(document).expect("a text");
        assert!(text.contains(&digest) && text.contains("/usr/bin/a") && text.contains("1:2-3"));
    }
}

#[test]
fn documents_of_others_are_read() {
    let spdx = json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x",
        "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: syft-1.18.1", "Organization: Anchore"]},
        "packages": [{"name": "bash", "SPDXID": "SPDXRef-1", "versionInfo": "5", "downloadLocation": "NONE",
            "licenseDeclared": "NOASSERTION", "licenseConcluded": "GPL-3.0-or-later",
            "externalRefs": [{"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:x"},
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:deb/debian/bash@5"}]}],
        "unknown": [1, {"deep": true}],
    });
    let summary = read_summary(spdx.to_string().as_bytes()).expect("it is read");
    assert_eq!(
        (summary.format, summary.tools),
        (Format::Spdx, vec!["syft-1.18.1".to_owned()])
    );
    let component = &summary.components[0];
    assert_eq!(component.purl.as_deref(), Some("pkg:deb/debian/bash@5"));
    assert_eq!(component.licence.as_deref(), Some("GPL-3.0-or-later"));

    let predicate = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.4",
        "metadata": {"tools": [{"vendor": "aquasecurity", "name": "trivy", "version": "0.50"}], "component": {"name": "image"}},
        "components": [{"type": "operating-system", "name": "debian", "version": "13"},
            {"type": "library", "name": "bash", "licenses": [{"license": {"name": "GPL-3"}}],
             "components": [{"type": "file", "name": "/bin/bash"}]}],
    });
    let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "predicate": predicate});
    for document in [predicate, statement] {
        let summary = read_summary(document.to_string().as_bytes()).expect("it is read");
        assert_eq!((summary.format, summary.files), (Format::CycloneDx, 1));
        assert_eq!(
            (summary.name.as_str(), summary.tools[0].as_str()),
            ("image", "trivy-0.50")
        );
        assert_eq!(summary.components[0].licence.as_deref(), Some("GPL-3"));
    }
}

#[test]
fn what_is_no_bill_is_refused_with_the_reason() {
    for (wrong, word) in [
        ("", "JSON"),
        ("[1]", "JSON"),
        ("{}", "neither SPDX nor CycloneDX"),
        (
            r#"{"predicate": {"other": 1}}"#,
            "neither SPDX nor CycloneDX",
        ),
        (
            r#"{"spdxVersion": "SPDX-2.3", "packages": 1}"#,
            "SPDX document",
        ),
        (
            r#"{"bomFormat": "CycloneDX", "specVersion": 1}"#,
            "CycloneDX document",
        ),
    ] {
        let error = read_summary(wrong.as_bytes()).expect_err(wrong).to_string();
        assert!(error.contains(word), "{wrong}: {error}");
    }
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let deep =
        format!(r#"{{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": {deep}}}"#);
    assert!(read_summary(deep.as_bytes()).is_err(), "bounded in depth");
}

/// Who may have brought a file: a package too that is not there.
fn owner() -> impl Strategy<Value = FileOwner> {
    let effect = |(package, effect)| FileOwner::Effect { package, effect };
    prop_oneof![
        (0..6_usize).prop_map(FileOwner::Package),
        (proptest::option::of(0..6_usize), ".{0,12}").prop_map(effect),
        ".{0,12}".prop_map(FileOwner::Spec),
        ".{0,12}".prop_map(FileOwner::Builder),
    ]
}

proptest! {
    #[test]
    fn every_document_is_read_back_with_all_that_is_in_it(
        names in proptest::collection::btree_map("[a-z0-9][a-z0-9+.-]{1,8}", (".{1,10}", ".{0,20}"), 1..6),
        paths in proptest::collection::btree_map("/[^\0]{1,20}", owner(), 0..12),
    ) {
        let packages = names.iter().map(|(name, (version, maintainer))| package(name, version, maintainer));
        let files = paths.iter().map(|(path, owner)| file(path, owner.clone()));
        let links = paths.iter().map(|(path, owner)| Link {
            path: format!("{path}.link"),
            target: "x".to_owned(),
            owner: owner.clone(),
        });
        let bill = bill(packages.collect(), files.collect(), links.collect());
        let (in_spdx, in_cyclonedx) = (spdx(&bill), cyclonedx(&bill));
        prop_assert_eq!(&in_spdx, &spdx(&bill));
        let in_spdx3 = spdx3_of_spdx(&in_spdx).expect("it is SPDX");
        let count = paths.len();
        for (document, files) in [(&in_spdx, count), (&in_cyclonedx, 2 * count), (&in_spdx3, count)] {
            let summary = read_summary(document).expect("it is read");
            prop_assert_eq!(summary.files, files);
            for package in &bill.packages {
                let purl = of_debian(package, &bill.system);
                let is_it = |one: &basalt_sbom::SummaryComponent| {
                    one.name == package.name && one.version == package.version && one.purl.as_ref() == Some(&purl)
                };
                prop_assert!(summary.components.iter().any(is_it));
            }
        }
    }

    #[test]
    fn identifiers_are_unique_and_lead_somewhere(
        names in proptest::collection::btree_set("[a-z0-9][a-z0-9+.-]{1,3}", 1..9),
        owners in proptest::collection::vec(owner(), 0..12),
    ) {
        let packages = names.iter().map(|name| package(name, "1", "A"));
        let files = owners.iter().enumerate().map(|(number, owner)| file(&format!("/{number}"), owner.clone()));
        let document = parsed(&spdx(&bill(packages.collect(), files.collect(), Vec::new())));
        let mut ids = BTreeSet::from(["SPDXRef-DOCUMENT".to_owned()]);
        for list in ["packages", "files"] {
            for one in document[list].as_array().into_iter().flatten() {
                let id = one["SPDXID"].as_str().expect("a text");
                prop_assert!(ids.insert(id.to_owned()), "{} twice", id);
                let allowed = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '.';
                prop_assert!(id.chars().all(allowed), "{}", id);
            }
        }
        for relation in document["relationships"].as_array().into_iter().flatten() {
            for end in ["spdxElementId", "relatedSpdxElement"] {
                let id = relation[end].as_str().expect("a text");
                prop_assert!(ids.contains(id), "{}", id);
            }
        }
    }

    #[test]
    fn no_copyright_file_is_too_odd(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        rest in "(?s)((Files|License|Copyright): [a-zA-Z0-9+., -]{0,30}\n( [a-z .]{0,20}\n){0,3}\n?){0,8}",
    ) {
        let _ = Copyright::parse(&bytes);
        let text = format!("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n{rest}");
        if let Some(copyright) = Copyright::parse(text.as_bytes()) {
            let licence = copyright.licence;
            let count = |sign: char| licence.expression.matches(sign).count();
            prop_assert!(!licence.expression.is_empty());
            prop_assert_eq!(count('('), count(')'));
            for one in &licence.extracted {
                prop_assert!(licence.expression.contains(&one.id));
                prop_assert!(!one.text.is_empty() && !one.name.is_empty());
            }
        }
    }

    #[test]
    fn no_document_is_too_odd(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in "\\{\"(spdxVersion|bomFormat|@graph|predicate)\": ?[\\[\\]{}0-9\",:a-z]{0,40}\\}",
    ) {
        let _ = read_summary(&bytes);
        let _ = read_summary(text.as_bytes());
        let _ = spdx3_of_spdx(text.as_bytes());
    }
}
