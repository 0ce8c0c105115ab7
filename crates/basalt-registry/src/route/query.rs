//! The part of a target behind the question mark, and what is written with percent signs.

/// The longest query that is read, in bytes.
const MAXIMUM_QUERY: usize = 4096;
/// The most parameters that are read.
const MAXIMUM_PARAMETERS: usize = 64;

/// The parameters of a query, in order; nothing when it is too long or not sound.
pub(crate) fn parameters(query: &str) -> Option<Vec<(String, String)>> {
    if query.len() > MAXIMUM_QUERY {
        return None;
    }
    let mut found = Vec::new();
    for parameter in query.split('&').filter(|one| !one.is_empty()) {
        if found.len() == MAXIMUM_PARAMETERS {
            return None;
        }
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        found.push((decode(name, true)?, decode(value, true)?));
    }
    Some(found)
}

/// Undoes the percent signs of RFC 3986, and in a query the plus signs of forms.
pub(crate) fn decode(text: &str, is_query: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| (digit as char).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                (high * 16 + low) as u8
            }
            b'+' if is_query => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Writes a text so that [`decode`] reads it back, for links.
pub(crate) fn encode(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                written.push(byte as char);
            }
            other => written.push_str(&format!("%{other:02X}")),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_read_as_forms_write_them() {
        let found = parameters("a=b%2Fc+d&x&digest=sha256:0&=e").expect("it is sound");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            pair("a", "b/c d"),
            pair("x", ""),
            pair("digest", "sha256:0"),
            pair("", "e"),
        ];
        assert_eq!(found, expected);
        for wrong in ["a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert_eq!(parameters(wrong), None, "{wrong}");
        }
        assert_eq!(parameters(&"a&".repeat(65)), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in ".*") {
            prop_assert_eq!(decode(&encode(&text), true), Some(text));
        }
    }
}
