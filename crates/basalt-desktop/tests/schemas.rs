//! Promises of compiled schemas.

use basalt_desktop::schemas::{SchemaError, compile};
use proptest::prelude::*;

const SCHEMA: &str = r#"<?xml version="1.0"?>
<schemalist gettext-domain="example">
  <enum id="org.example.Side"><value nick="left" value="0"/><value nick="right" value="1"/></enum>
  <schema id="org.example" path="/org/example/">
    <key name="side" enum="org.example.Side"><default>'left'</default></key>
    <key name="size" type="i"><range min="1" max="9"/><default>3</default></key>
    <key name="title" type="s"><default l10n="messages" context="window"> "Hello" </default></key>
    <child name="more" schema="org.example.more"/>
  </schema>
</schemalist>"#;

fn files(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn no_schemas_have_no_compiled_form() {
    let files = files(&[("README", "text"), ("a.gschema.override", "[x]\ny=1\n")]);
    assert_eq!(compile(&files), Ok(None));
}

#[test]
fn a_key_is_kept_with_its_range_choices_and_translation() {
    let bytes = compile(&files(&[("a.gschema.xml", SCHEMA)]))
        .expect("compiled")
        .expect("schemas");
    assert!(bytes.starts_with(b"GVariant\0\0\0\0"));
    // Default 3, range 1 to 9.
    assert!(holds(
        &bytes,
        b"\x03\0\0\0r\0\0\0\x01\0\0\0\x09\0\0\0\0(i(y(ii)))"
    ));
    assert!(holds(&bytes, b"window\x04\"Hello\"\0"));
    assert!(holds(&bytes, b"\xffleft\0\0\xff\x01\0\0\0\xffright\0\xff"));
    assert!(holds(&bytes, b"org.example.more\0\0s"));
}

#[test]
fn an_override_counts_if_the_key_may_have_the_value() {
    let compiled = |text: &str| {
        compile(&files(&[
            ("a.gschema.xml", SCHEMA),
            ("b.gschema.override", text),
        ]))
        .expect("compiled")
        .expect("schemas")
    };
    let plain = compiled("");
    assert_ne!(compiled("[org.example]\nsize=4\n"), plain);
    assert_ne!(compiled("[org.example:GNOME]\nside='right'\n"), plain);
    for without_effect in [
        "[org.example]\nsize=10\n",
        "[org.example]\nside='up'\n",
        "[org.example]\nother=1\n",
        "[org.other]\nsize=4\n",
        "[org.example:GNOME]\ntitle='x'\n",
    ] {
        assert_eq!(compiled(without_effect), plain, "{without_effect}");
    }
}

#[test]
fn a_file_that_is_not_understood_is_named_with_the_line() {
    let text = SCHEMA.replace(">3<", ">'three'<");
    let Err(SchemaError::File { file, cause }) = compile(&files(&[("a.gschema.xml", &text)]))
    else {
        panic!("it was understood");
    };
    assert_eq!(file, "a.gschema.xml");
    assert_eq!(cause, "line 6: `` is no value of type `i`");
}

#[test]
fn values_nested_without_end_are_refused() {
    let text = SCHEMA.replace(">'left'<", &format!(">{}<", "<".repeat(3)));
    assert!(compile(&files(&[("a.gschema.xml", &text)])).is_err());
    let text = SCHEMA
        .replace("type=\"s\"", "type=\"v\"")
        .replace("\"Hello\"", &"&lt;".repeat(100_000));
    assert!(compile(&files(&[("a.gschema.xml", &text)])).is_err());
}

proptest! {
    #[test]
    fn no_text_is_too_strange(schema in ".{0,200}", value in ".{0,40}", line in ".{0,40}") {
        let _ = compile(&files(&[("a.gschema.xml", &schema)]));
        let text = SCHEMA.replace("<default>3</default>", &format!("<default>{value}</default>"));
        let _ = compile(&files(&[("a.gschema.xml", &text), ("b.gschema.override", &line)]));
    }

    #[test]
    fn the_order_of_files_does_not_count(swap in any::<bool>()) {
        let other = SCHEMA.replace("org.example", "org.other");
        let mut files = files(&[("a.gschema.xml", SCHEMA), ("b.gschema.xml", &other)]);
        let wanted = compile(&files);
        if swap { files.reverse(); }
        prop_assert_eq!(compile(&files), wanted);
    }
}
