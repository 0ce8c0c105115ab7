//! Warnings beside an answer (OCI distribution specification 1.1, *Warnings*): `Warning: 299 - "…"`.

use super::request::Reply;
use crate::access::Caller;
use crate::metadata::Moment;

/// How long the texts of all warnings of an answer may be together, in bytes.
const MAXIMUM: usize = 4096;
/// How long one may be.
const MAXIMUM_TEXT: usize = 1024;
/// How long before a robot's end its users hear of it, in milliseconds.
const NOTICE: Moment = 7 * 24 * 3600 * 1000;

/// The answer with these warnings, as far as there is room for them.
pub(super) fn with_warnings(mut reply: Reply, texts: Vec<String>) -> Reply {
    let mut room = MAXIMUM;
    for text in texts {
        let value = format!("299 - {}", quoted(&text));
        let Some(left) = room.checked_sub(value.len()) else {
            break;
        };
        room = left;
        reply = reply.header("warning", value);
    }
    reply
}

/// What whoever asks should know of themselves: that a robot's time is almost over.
pub(super) fn of_caller(caller: &Caller, now: Moment) -> Option<String> {
    let Caller::Robot(robot) = caller else {
        return None;
    };
    let expires = robot
        .expires
        .filter(|end| end.saturating_sub(now) <= NOTICE)?;
    let end = jiff::Timestamp::from_second(expires.div_euclid(1000)).unwrap_or_default();
    Some(format!(
        "the account {} ends at {end}; ask for a new one (basalt registry robot create)",
        robot.name
    ))
}

/// A quoted string (RFC 9110) of what can be printed in ASCII; anything else becomes a question mark.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if quoted.len() >= MAXIMUM_TEXT {
            quoted.push_str("...");
            break;
        }
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            ' '..='~' => quoted.push(letter),
            '\n' | '\t' => quoted.push(' '),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    #[test]
    fn a_warning_is_a_quoted_string_of_ascii_whatever_is_in_it() {
        assert_eq!(quoted("a \"b\" \\ c"), r#""a \"b\" \\ c""#);
        assert_eq!(quoted("ü\u{1b}[2J\r\nx"), "\"??[2J? x\"");
        assert!(quoted(&"\"".repeat(5000)).len() <= MAXIMUM_TEXT + 6);
    }

    #[test]
    fn warnings_are_no_more_than_the_specification_allows() {
        let reply = Reply::empty(StatusCode::OK);
        let reply = with_warnings(reply, vec!["x".repeat(5000); 10]);
        let lengths = reply.headers.iter().map(|(_, value)| value.len());
        assert!(reply.headers.len() == 3 && lengths.sum::<usize>() <= MAXIMUM);
    }
}
