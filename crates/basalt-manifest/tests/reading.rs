//! What the one reader takes, and what it refuses because two engines could make different things of it.

use basalt_manifest::{Kind, read};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn digest(of: char) -> String {
    format!("sha256:{}", of.to_string().repeat(64))
}

/// A descriptor with more in it.
fn descriptor(more: &str) -> String {
    let digest = digest('a');
    format!(r#"{{"mediaType":"x/y","digest":"{digest}","size":7{more}}}"#)
}

fn manifest(more: &str) -> String {
    let one = descriptor("");
    format!(r#"{{"schemaVersion":2,"config":{one},"layers":[{one}]{more}}}"#)
}

fn index(entry: &str, more: &str) -> String {
    format!(r#"{{"schemaVersion":2,"manifests":[{entry}]{more}}}"#)
}

#[track_caller]
fn refused(text: &str) -> String {
    read(text.as_bytes()).expect_err(text).to_string()
}

#[test]
fn what_real_tools_write_is_read() {
    let full = descriptor(
        r#","urls":["https://x"],"annotations":{"Manifests":"a","digest":"b"},"data":"e30=","artifactType":"t",
        "platform":{"architecture":"arm64","os":"linux","os.version":"1","os.features":["a"],"variant":"v8","features":[]}"#,
    );
    let text = index(
        &full,
        &format!(r#","mediaType":"{INDEX}","subject":{}"#, descriptor("")),
    );
    let document = read(text.as_bytes()).expect("it is sound");
    assert_eq!(document.kind, Kind::Index);
    let one = &document.manifests[0];
    assert_eq!((one.digest.as_str(), one.size), (digest('a').as_str(), 7));
    let platform = one.platform.as_ref().expect("it has one");
    assert_eq!(platform.variant.as_deref(), Some("v8"));
    assert!(one.has_data && one.has_urls && one.annotations["Manifests"] == "a");
    // Go's libraries write null for what is empty, and others keys of their own.
    let text = manifest(
        r#","annotations":null,"subject":null,"artifactType":null,"x-own":{"Manifests":[{"a":1.5}]},"manifest":[]"#,
    );
    let document = read(text.as_bytes()).expect("it is sound");
    assert_eq!((document.kind, document.layers.len()), (Kind::Manifest, 1));
    let text = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":null}}"#,
        descriptor("")
    );
    assert!(read(text.as_bytes()).is_ok_and(|document| document.layers.is_empty()));
    // BuildKit's cache: entries that are layers.
    assert!(
        read(
            index(
                &descriptor("").replace("x/y", "application/vnd.oci.image.layer.v1.tar+gzip"),
                ""
            )
            .as_bytes()
        )
        .is_ok()
    );
    let long = descriptor("").replace(&digest('a'), &format!("sha512:{}", "a".repeat(128)));
    assert!(read(index(&long, "").as_bytes()).is_ok());
}

#[test]
fn a_key_that_some_reader_takes_for_another_is_refused_wherever_a_reader_looks() {
    for (key, value) in [
        ("Manifests", "[]"),
        ("MANIFESTS", "null"),
        ("manifest\u{17f}", "[]"),
        ("manifest\\u017f", "[]"),
        ("man\u{131}fests", "[]"),
        ("Config", "{}"),
        ("Layers", "[]"),
        ("layer\u{17f}", "[]"),
        ("MediaType", "\"x\""),
        ("mediatype", "\"x\""),
        ("Subject", "{}"),
        ("\u{17f}ubject", "{}"),
        ("ArtifactType", "\"x\""),
        ("Annotations", "{}"),
        ("SchemaVersion", "1"),
        ("FSLayers", "[]"),
        ("History", "[]"),
    ] {
        let more = format!(r#","{key}":{value}"#);
        refused(&manifest(&more));
        refused(&index(&descriptor(""), &more));
    }
    for (key, value) in [
        ("MediaType", "\"x\""),
        ("Digest", "\"x\""),
        ("d\\u0131gest", "\"x\""),
        ("Size", "1"),
        ("\u{17f}ize", "1"),
        ("Platform", "{}"),
        ("Urls", "[]"),
        ("url\u{17f}", "[]"),
        ("Data", "\"\""),
        ("Annotations", "{}"),
        ("ArtifactType", "\"\""),
        (
            "platform",
            r#"{"architecture":"a","os":"b","Architecture":"c"}"#,
        ),
        ("platform", r#"{"architecture":"a","os":"b","O\u017f":"c"}"#),
        (
            "platform",
            r#"{"architecture":"a","os":"b","OS.Version":"c"}"#,
        ),
    ] {
        let one = descriptor(&format!(r#","{key}":{value}"#));
        for text in [
            index(&one, ""),
            format!(r#"{{"schemaVersion":2,"config":{one},"layers":[]}}"#),
            format!(
                r#"{{"schemaVersion":2,"config":{},"layers":[{one}]}}"#,
                descriptor("")
            ),
            manifest(&format!(r#","subject":{one}"#)),
        ] {
            let cause = refused(&text);
            assert!(cause.contains("some readers"), "{cause}");
        }
    }
    let cause = refused(&index(&descriptor(r#","Digest":"x""#), ""));
    assert!(
        cause.contains("`manifests[0]`") && cause.contains("`digest`"),
        "{cause}"
    );
}

#[test]
fn a_key_that_stands_twice_is_refused_also_where_nobody_looks() {
    for text in [
        manifest(&format!(r#","config":{}"#, descriptor(""))),
        manifest(r#","layers":[]"#),
        manifest(r#","\u006cayers":[]"#),
        manifest(r#","annotations":{"a":"1","a":"2"}"#),
        manifest(r#","x":{"y":[{"z":1,"z":2}]}"#),
        index(&descriptor(&format!(r#","digest":"{}""#, digest('b'))), ""),
        index(&descriptor(""), r#","manifests":[]"#),
        index(&descriptor(r#","platform":{"os":"a","os":"b"}"#), ""),
    ] {
        assert!(refused(&text).contains("twice"), "{text}");
    }
}

#[test]
fn one_that_could_be_of_two_kinds_or_of_an_older_one_is_refused() {
    let one = descriptor("");
    for text in [
        manifest(r#","manifests":[]"#),
        manifest(r#","manifests":null"#),
        index(&one, r#","layers":[]"#),
        index(&one, r#","layers":null"#),
        index(&one, &format!(r#","config":{one}"#)),
        manifest(&format!(r#","mediaType":"{INDEX}""#)),
        index(&one, &format!(r#","mediaType":"{MANIFEST}""#)),
        manifest(r#","mediaType":"application/json""#),
        manifest(&format!(r#","mediaType":"{MANIFEST} ""#)),
        manifest(r#","fsLayers":[]"#),
        manifest(r#","history":[]"#),
        manifest(r#","signatures":null"#),
        manifest(r#","name":"a""#),
        manifest(r#","tag":"a""#),
        manifest(r#","architecture":"amd64""#),
        manifest("").replace("\"schemaVersion\":2", "\"schemaVersion\":1"),
        manifest("").replace("\"schemaVersion\":2", "\"schemaVersion\":2.0"),
        manifest("").replace("\"schemaVersion\":2,", ""),
        r#"{"schemaVersion":2}"#.to_owned(),
        r#"{"schemaVersion":2,"layers":[]}"#.to_owned(),
        r#"{"schemaVersion":2,"manifests":null}"#.to_owned(),
        r#"{"schemaVersion":2,"config":null,"layers":[]}"#.to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
    ] {
        refused(&text);
    }
}

#[test]
fn what_go_would_fill_in_or_replace_is_refused() {
    let entry = |from: &str, to: &str| index(&descriptor("").replace(from, to), "");
    for text in [
        entry("\"size\":7", "\"size\":7.0"),
        entry("\"size\":7", "\"size\":7e0"),
        entry("\"size\":7", "\"size\":-7"),
        entry("\"size\":7", "\"size\":-0"),
        entry("\"size\":7", "\"size\":\"7\""),
        entry("\"size\":7", "\"size\":null"),
        entry("\"size\":7", "\"size\":9223372036854775808"),
        entry(",\"size\":7", ""),
        entry("\"x/y\"", "null"),
        entry("\"mediaType\":\"x/y\",", ""),
        entry("\"x/y\"", "\"x\\ny\""),
        entry("\"x/y\"", "\"\\ud800\""),
        entry(&digest('a'), "sha256:"),
        entry(&digest('a'), &digest('A')),
        entry(&digest('a'), &digest('a').replace("sha256", "sha384")),
        entry(&digest('a'), &format!(" {}", digest('a'))),
        index("null", ""),
        index("[]", ""),
        manifest(r#","annotations":{"a":null}"#),
        manifest(r#","annotations":{"a":1}"#),
        manifest(r#","annotations":[]"#),
        manifest(r#","subject":"x""#),
        index(&descriptor(r#","urls":["a",null]"#), ""),
        index(&descriptor(r#","urls":"a""#), ""),
        index(&descriptor(r#","data":[1]"#), ""),
        index(&descriptor(r#","platform":[]"#), ""),
        index(&descriptor(r#","platform":{"os.features":"a"}"#), ""),
        manifest(&format!(r#","artifactType":"{}""#, "a".repeat(300))),
        format!("\u{feff}{}", manifest("")),
        format!("{}{{}}", manifest("")),
    ] {
        refused(&text);
    }
    let mut bytes = manifest(r#","annotations":{"a":"?"}"#).into_bytes();
    let place = bytes.iter().position(|byte| *byte == b'?').expect("there");
    bytes[place] = 0xff;
    assert!(read(&bytes).is_err());
}

#[test]
fn the_number_of_descriptors_is_bounded() {
    let one = descriptor("");
    let many = |count| index(&vec![one.as_str(); count].join(","), "");
    assert!(read(many(20_000).as_bytes()).is_ok());
    assert!(refused(&many(20_001)).contains("20000 descriptors"));
}
