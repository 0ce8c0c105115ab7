//! Promises of the database of file types.

use std::collections::BTreeMap;

use basalt_desktop::mime::{MimeError, database};
use proptest::prelude::*;

const TYPES: &str = r#"<?xml version="1.0"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="text/x-example">
    <comment>Example</comment>
    <comment xml:lang="de">Beispiel &amp; mehr</comment>
    <sub-class-of type="text/plain"/>
    <generic-icon name="text-x-script"/>
    <glob pattern="*.Example" weight="60"/>
    <glob pattern="EXAMPLE" case-sensitive="true"/>
    <magic priority="80"><match type="string" offset="0:4" value="\x7fEx\101"><match type="big16" offset="5" value="0x10" mask="0xff"/></match></magic>
    <alias type="text/example"/>
    <root-XML namespaceURI="urn:example" localName="example"/>
  </mime-type>
</mime-info>"#;

fn made(files: &[(&str, &str)]) -> Result<BTreeMap<String, Vec<u8>>, MimeError> {
    let files: Vec<(String, String)> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    database(&files, "2.4")
}

fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    String::from_utf8_lossy(files.get(name).expect("it is made")).into_owned()
}

#[test]
fn a_type_stands_in_each_list_that_it_belongs_to() {
    let files = made(&[("example.xml", TYPES)]).expect("understood");
    assert!(text(&files, "globs2").ends_with(
        "\n60:text/x-example:*.example\n50:text/x-example:EXAMPLE:cs\n50:text/x-example:EXAMPLE\n"
    ));
    assert_eq!(
        text(&files, "magic"),
        "MIME-Magic\0\n[80:text/x-example]\n>0=\0\u{4}\u{7f}ExA+5\n1>5=\0\u{2}\0\u{10}&\0\u{fffd}\n"
    );
    assert_eq!(text(&files, "aliases"), "text/example text/x-example\n");
    assert_eq!(text(&files, "subclasses"), "text/x-example text/plain\n");
    assert_eq!(
        text(&files, "XMLnamespaces"),
        "urn:example example text/x-example\n"
    );
    assert_eq!(
        text(&files, "generic-icons"),
        "text/x-example:text-x-script\n"
    );
    assert_eq!(text(&files, "version"), "2.4\n");
    let xml = text(&files, "text/x-example.xml");
    assert!(
        xml.contains("\n  <comment xml:lang=\"de\">Beispiel &amp; mehr</comment>\n"),
        "{xml}"
    );
    assert!(!xml.contains("magic"), "{xml}");
    assert!(
        files
            .get("mime.cache")
            .expect("made")
            .starts_with(&[0, 1, 0, 2])
    );
}

#[test]
fn a_later_file_has_the_last_word_on_a_comment() {
    let later = TYPES.replace(">Example<", ">Another<");
    for name in ["z.xml", "Override.xml"] {
        let files = made(&[(name, &later), ("example.xml", TYPES)]).expect("understood");
        let xml = text(&files, "text/x-example.xml");
        assert!(
            xml.contains("Another") && !xml.contains(">Example<"),
            "{name}: {xml}"
        );
    }
}

#[test]
fn what_is_not_understood_is_named_with_its_place() {
    for (from, to, wanted) in [
        (
            "text/x-example\"",
            "../../etc/x\"",
            "line 3: `../../etc/x` is no name of a type",
        ),
        (
            "<comment>Example",
            "<x xmlns='urn:x'/><comment>Example",
            "line 3: `<x>` of another namespace is not understood",
        ),
        ("\"0:4\"", "\"4:0\"", "line 3: `4:0` is no offset"),
        (
            "priority=\"80\"",
            "priority=\"101\"",
            "line 3: `priority` is `101`, and not a number from 0 to 100",
        ),
    ] {
        let text = TYPES.replacen(from, to, 1);
        let Err(MimeError::File { file, cause }) = made(&[("a.xml", &text)]) else {
            panic!("{to} was understood");
        };
        assert_eq!((file.as_str(), cause.as_str()), ("a.xml", wanted));
    }
}

#[test]
fn matches_nested_without_end_are_refused() {
    let open = r#"<match type="byte" offset="0" value="1">"#;
    let deep = format!(
        "<magic>{}{}</magic><alias",
        open.repeat(200),
        "</match>".repeat(200)
    );
    assert!(made(&[("a.xml", &TYPES.replace("<alias", &deep))]).is_err());
}

proptest! {
    #[test]
    fn no_text_is_too_strange(whole in ".{0,100}", value in "[^\"<&]{0,30}", pattern in "[^\"<&]{0,30}") {
        let _ = made(&[("a.xml", &whole)]);
        let text = TYPES.replace(r"\x7fEx\101", &value).replace("*.Example", &pattern);
        let _ = made(&[("a.xml", &text)]);
    }
}
