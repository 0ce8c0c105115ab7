//! Numbers, dates and digests as people read them.

use maud::{Markup, html};

/// A length in bytes: `12.3 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut size = count as f64;
    let mut unit = "B";
    for next in UNITS {
        // What would be rounded up to a thousand is written with the next unit.
        if size < 999.5 {
            break;
        }
        size /= 1000.0;
        unit = next;
    }
    match size < 9.95 {
        true => format!("{size:.1} {unit}"),
        false => format!("{size:.0} {unit}"),
    }
}

/// A number with its noun: `1 tag`, `1,234 tags`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{} {noun}", grouped(count))
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A date as this program or an image writes it; as it stands if it is none.
pub fn date(text: &str) -> Markup {
    let time = text.parse::<jiff::Timestamp>().ok();
    // In UTC, whatever zone it was written in.
    let time = time.map(|time| format!("{time:.0}"));
    let parts = time.as_deref().and_then(|time| time.split_once('T'));
    let Some((day, hour)) = parts else {
        return html! { (text) };
    };
    let hour = hour.get(..5).unwrap_or(hour);
    html! {
        time datetime=(text) title={ (day) " " (hour) " UTC" } { (day) " " span class="hour" { (hour) } }
    }
}

/// A digest, shortened: its algorithm where that is not the usual one, and the first twelve digits.
pub fn digest(text: &str) -> String {
    let (algorithm, hex) = text.split_once(':').unwrap_or(("", text));
    let hex: String = hex.chars().take(12).collect();
    match algorithm {
        "sha256" | "" => hex,
        other => format!("{other}:{hex}"),
    }
}

/// A digest, shortened, with the whole of it to be seen and copied.
pub fn digest_code(text: &str) -> Markup {
    html! { code class="digest" title=(text) { (digest(text)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_or_three_digits_and_the_unit_that_fits() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (123_456_789, "123 MB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(counted(1_234_567, "tag", "tags"), "1,234,567 tags");
        assert_eq!(counted(1, "tag", "tags"), "1 tag");
    }
}
