//! Text from outside, written so that no terminal obeys it and no reader is misled by it.
//!
//! Three forms, by where the text goes: [`text`] for a whole output, whose line breaks are the
//! program's own; [`line`] for one value within a line; [`json`] for a JSON document. What is
//! escaped is the same in all of them: see [`is_hidden`]. Escaping twice changes nothing more.

use std::borrow::Cow;

/// Whether a character must not reach a reader as it is: a terminal obeys it, or it changes how
/// the text around it looks, or it cannot be seen at all.
///
/// These are the control characters (C0, DEL, C1), the line and paragraph separators, all format
/// characters (Unicode's category Cf: bidirectional controls, zero-width characters, tags), and
/// the other characters that Unicode says are to be ignored when shown (variation selectors,
/// fillers). Line feed and tab are among them: [`text`] and [`json`] let those pass.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A whole output of lines: hidden characters as `\u{1b}`, bytes that are not UTF-8 as `\x9b`;
/// line feeds and tabs stay.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |letter| matches!(letter, '\n' | '\t'), write_plain)
}

/// One value within a line: as [`text`], with line feeds and tabs escaped too, so that a value
/// cannot pose as a line of the program's own.
pub fn line(value: &str) -> Cow<'_, str> {
    escaped(value.as_bytes(), |_| false, write_plain)
}

/// A JSON document with the same value: hidden characters as `\u001b`. What no JSON document may
/// hold is made harmless likewise: bytes that are not UTF-8 become `\ufffd`, and a carriage return,
/// which JSON allows between tokens alone, a blank.
pub fn json(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |letter| matches!(letter, '\n' | '\t'), write_json)
}

/// What stands in the place of something hidden.
enum Hidden {
    Letter(char),
    Byte(u8),
}

fn escaped(
    bytes: &[u8],
    passes: impl Fn(char) -> bool,
    write: impl Fn(&mut String, Hidden),
) -> Cow<'_, str> {
    let stays = |letter: char| passes(letter) || !is_hidden(letter);
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.chars().all(stays)
    {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match stays(letter) {
                true => shown.push(letter),
                false => write(&mut shown, Hidden::Letter(letter)),
            }
        }
        for byte in chunk.invalid() {
            write(&mut shown, Hidden::Byte(*byte));
        }
    }
    Cow::Owned(shown)
}

fn write_plain(shown: &mut String, hidden: Hidden) {
    match hidden {
        Hidden::Letter(letter) => shown.extend(letter.escape_unicode()),
        Hidden::Byte(byte) => shown.push_str(&format!("\\x{byte:02x}")),
    }
}

fn write_json(shown: &mut String, hidden: Hidden) {
    match hidden {
        Hidden::Letter('\r') => shown.push(' '),
        Hidden::Letter(letter) => {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        }
        Hidden::Byte(_) => shown.push_str("\\ufffd"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        let hostile = b"a \x1b]0;evil\x07 \xc2\x9b2J \x9b2J \x7f\r\x08 b\n\tc";
        assert_eq!(
            text(hostile),
            "a \\u{1b}]0;evil\\u{7} \\u{9b}2J \\x9b2J \\u{7f}\\u{d}\\u{8} b\n\tc"
        );
    }

    #[test]
    fn what_hides_or_turns_text_is_spelled_out() {
        let hidden = [
            0x61c, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069,
            0xfeff, 0xad, 0xfe0f, 0xe0041, 0xe01ef, 0x85,
        ];
        for number in hidden {
            let letter = char::from_u32(number).expect("a character");
            assert_eq!(line(&letter.to_string()), format!("\\u{{{number:x}}}"));
        }
        assert_eq!(line("a\nb\tc"), "a\\u{a}b\\u{9}c");
    }

    #[test]
    fn what_people_write_stays() {
        for plain in [
            "Grüße, Žluťoučký",
            "日本語",
            "שלום",
            "العربية",
            "🦀",
            "→ …",
            "\\u{1b}",
        ] {
            assert!(
                matches!(text(plain.as_bytes()), Cow::Borrowed(_)),
                "{plain}"
            );
            assert_eq!(line(plain), plain);
            assert_eq!(json(plain.as_bytes()), plain);
        }
    }

    #[test]
    fn a_json_document_keeps_its_value() {
        let value = serde_json::json!({"a\u{202e}": "\u{1b}[31m\u{7f}\u{9b}\u{2028}\u{e0041}\r\n"});
        let document = serde_json::to_vec_pretty(&value).expect("it is written");
        let shown = json(&document);
        assert_eq!(
            shown,
            "{\n  \"a\\u202e\": \"\\u001b[31m\\u007f\\u009b\\u2028\\udb40\\udc41\\r\\n\"\n}"
        );
        let again: serde_json::Value = serde_json::from_str(&shown).expect("it is JSON");
        assert_eq!(again, value);
        assert_eq!(json(b"{\r\n\"a\": \"\xff\"}"), "{ \n\"a\": \"\\ufffd\"}");
    }

    proptest! {
        #[test]
        fn nothing_hidden_gets_through(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let shown = text(&bytes);
            prop_assert!(shown.chars().all(|c| !is_hidden(c) || c == '\n' || c == '\t'));
            prop_assert_eq!(text(shown.as_bytes()), shown.as_ref());
            prop_assert!(json(&bytes).chars().all(|c| !is_hidden(c) || c == '\n' || c == '\t'));
        }

        #[test]
        fn no_character_gets_through_that_is_hidden(value in "\\PC{0,40}|.{0,40}") {
            let shown = line(&value);
            prop_assert!(!shown.chars().any(is_hidden));
            let document = serde_json::to_string(&value).expect("it is written");
            let again: String = serde_json::from_str(&json(document.as_bytes())).expect("JSON");
            prop_assert_eq!(again, value);
        }
    }
}
