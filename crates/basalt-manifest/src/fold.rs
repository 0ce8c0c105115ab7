//! Keys that another reader takes for one that it knows.

/// A key as the most tolerant of the readers compares it: Go's `encoding/json` folds by Unicode's simple case folding, which
/// for an ASCII name adds U+017F (`ſ`, folds to `s`) and U+212A (the Kelvin sign, `k`); libraries that lower the key instead
/// also make an `i` of U+0130 and U+0131.
fn folded(key: &str) -> impl Iterator<Item = char> + '_ {
    key.chars().map(|one| match one {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{130}' | '\u{131}' => 'i',
        other => other.to_ascii_lowercase(),
    })
}

/// Whether two keys are one to the most tolerant reader.
pub(crate) fn is_same(key: &str, other: &str) -> bool {
    folded(key).eq(folded(other))
}

/// The known key that this one could be taken for, if it is spelled otherwise.
pub(crate) fn mistaken<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let found = known.iter().find(|one| is_same(key, one))?;
    (*found != key).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_folds_to_a_known_one_is_found_and_the_known_one_is_not() {
        let known = ["manifests", "mediaType", "digest", "platform", "urls"];
        for key in [
            "Manifests",
            "MANIFESTS",
            "manifest\u{17f}",
            "mediatype",
            "MediaType",
            "dıgest",
            "D\u{130}GEST",
            "url\u{17f}",
        ] {
            assert!(mistaken(key, &known).is_some(), "{key}");
        }
        assert_eq!(mistaken("\u{212a}ey", &["key"]), Some("key"));
        for key in [
            "manifests",
            "manifest",
            "manifestss",
            "x-digest",
            "",
            "dïgest",
        ] {
            assert_eq!(mistaken(key, &known), None, "{key}");
        }
    }
}
