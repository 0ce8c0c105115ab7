//! The `Range` header of a download (RFC 9110, section 14) and the `Content-Range` of an upload's chunk.

/// The longest header that is read; a longer one is as good as none.
const MAXIMUM_LENGTH: usize = 64;

/// What of a blob is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: there is no header, or one that may be ignored.
    Whole,
    /// From the first of these bytes up to, and without, the other.
    Part(u64, u64),
    /// Bytes that it does not have.
    Unsatisfiable,
}

/// Reads a `Range` header for a blob of this length. Several ranges, other units and what is not understood give the
/// whole, as RFC 9110 allows; a range that begins behind the end, or ends before it begins, cannot be given.
pub fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(range) = header
        .filter(|header| header.len() <= MAXIMUM_LENGTH)
        .and_then(|header| header.trim().strip_prefix("bytes="))
        .filter(|range| !range.contains(','))
    else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.split_once('-') else {
        return Wanted::Whole;
    };
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(0) => Wanted::Unsatisfiable,
            Some(_) if length == 0 => Wanted::Unsatisfiable,
            Some(count) => Wanted::Part(length - count.min(length), length),
            None => Wanted::Whole,
        },
        (first, last) => {
            let end = match last {
                "" => Some(length),
                last => number(last).map(|last| last.saturating_add(1).min(length)),
            };
            match (number(first), end) {
                (Some(first), Some(end)) if first < end => Wanted::Part(first, end),
                (Some(_), Some(_)) => Wanted::Unsatisfiable,
                _ => Wanted::Whole,
            }
        }
    }
}

/// Reads the `Content-Range` of a chunk, `<first>-<last>`, also as `bytes <first>-<last>/<length>`: where it begins
/// and how long it is.
pub fn chunk(header: &str) -> Option<(u64, u64)> {
    if header.len() > MAXIMUM_LENGTH {
        return None;
    }
    let range = header.trim();
    let range = range.strip_prefix("bytes ").unwrap_or(range);
    let range = range.split_once('/').map_or(range, |(range, _)| range);
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let length = last.checked_sub(first)?.checked_add(1)?;
    Some((first, length))
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_read_as_rfc_9110_says() {
        for (header, expected) in [
            ("bytes=0-0", Wanted::Part(0, 1)),
            ("bytes=500-1499", Wanted::Part(500, 1500)),
            ("bytes=500-", Wanted::Part(500, 2048)),
            ("bytes=-500", Wanted::Part(1548, 2048)),
            ("bytes=-5000", Wanted::Part(0, 2048)),
            ("bytes=2000-5000", Wanted::Part(2000, 2048)),
            ("bytes=500-0", Wanted::Unsatisfiable),
            ("bytes=5000-10000", Wanted::Unsatisfiable),
            ("bytes=2048-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 2048), expected, "{header}");
        }
        assert_eq!(wanted(None, 0), Wanted::Whole);
    }

    #[test]
    fn a_chunk_says_where_it_begins_and_how_long_it_is() {
        assert_eq!(chunk("0-1023"), Some((0, 1024)));
        assert_eq!(chunk("bytes 5-5/10"), Some((5, 1)));
        for wrong in ["", "5", "5-4", "a-b", "-5", "0-18446744073709551615"] {
            assert_eq!(chunk(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_blob(header in "bytes=[0-9]{0,20}-[0-9]{0,20}", length in any::<u64>()) {
            if let Wanted::Part(first, end) = wanted(Some(&header), length) {
                prop_assert!(first < end && end <= length);
            }
        }

        #[test]
        fn any_header_is_read_or_left(header in ".*", length in any::<u64>()) {
            if let Wanted::Part(first, end) = wanted(Some(&header), length) {
                prop_assert!(first < end && end <= length);
            }
            let _ = chunk(&header);
        }
    }
}
