//! The `Range` header of a download (RFC 9110, section 14) and the `Content-Range` of an upload's chunk.

/// The longest `Content-Range` that is read; a longer one is as good as none.
const MAXIMUM_LENGTH: usize = 64;
/// The longest `Range`, likewise: one that names [`MAXIMUM_PARTS`] parts of a large blob.
const MAXIMUM_RANGES: usize = 32 << 10;
/// The most parts that are given in one answer: clients that pull a layer by its chunks ask for so many.
const MAXIMUM_PARTS: usize = 1024;

/// What of a blob is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: there is no header, or one that may be ignored.
    Whole,
    /// From the first of these bytes up to, and without, the other.
    Part(u64, u64),
    /// Several such parts, none of which overlaps another: together no more than the whole.
    Parts(Vec<(u64, u64)>),
    /// Bytes that it does not have.
    Unsatisfiable,
}

/// Reads a `Range` header for a blob of this length. Other units, what is not understood, and more parts than are given at once
/// are as good as no header, as RFC 9110 allows (section 14.2); a range that begins behind the end, or ends before it begins,
/// cannot be given, and is left out beside others that can. Parts that overlap become one (section 15.3.7.2), so that
/// no header is answered with more than the blob has; all others come as they were asked for, in their order.
pub fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(ranges) = header
        .filter(|header| header.len() <= MAXIMUM_RANGES)
        .and_then(|header| header.trim().split_once('='))
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .map(|(_, ranges)| ranges)
    else {
        return Wanted::Whole;
    };
    let mut parts = Vec::new();
    let mut count = 0;
    // A list may have empty elements (section 5.6.1).
    for range in ranges
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
    {
        count += 1;
        if count > MAXIMUM_PARTS {
            return Wanted::Whole;
        }
        match one(range, length) {
            Some(Some(part)) => parts.push(part),
            Some(None) => {}
            None => return Wanted::Whole,
        }
    }
    if count == 0 {
        return Wanted::Whole;
    }
    let parts = apart(parts);
    match parts.as_slice() {
        [] => Wanted::Unsatisfiable,
        [(first, end)] => Wanted::Part(*first, *end),
        _ => Wanted::Parts(parts),
    }
}

/// One range: its first byte and its end; nothing within when the blob does not have it, nothing when it is no range.
fn one(range: &str, length: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = range.split_once('-')?;
    let (first, end) = match (first.trim(), last.trim()) {
        ("", last) => (length - number(last)?.min(length), length),
        (first, "") => (number(first)?, length),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(length)),
    };
    Some(Some((first, end)).filter(|(first, end)| first < end))
}

/// The same bytes in parts that do not overlap: in the order in which they are, unless some do.
fn apart(parts: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    let mut sorted = parts.clone();
    sorted.sort_unstable();
    let is_apart = sorted.windows(2).all(|pair| pair[0].1 <= pair[1].0);
    if is_apart {
        return parts;
    }
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (first, end) in sorted {
        match merged.last_mut() {
            Some(last) if first < last.1 => last.1 = last.1.max(end),
            _ => merged.push((first, end)),
        }
    }
    merged
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
            ("Bytes=0-0", Wanted::Part(0, 1)),
            ("bytes=0-1,5-6", Wanted::Parts(vec![(0, 2), (5, 7)])),
            ("bytes=5-6 , ,0-1,", Wanted::Parts(vec![(5, 7), (0, 2)])),
            ("bytes=0-1,2-3", Wanted::Parts(vec![(0, 2), (2, 4)])),
            ("bytes=-1,0-0", Wanted::Parts(vec![(2047, 2048), (0, 1)])),
            (
                "bytes=0-9,5-20,2000-",
                Wanted::Parts(vec![(0, 21), (2000, 2048)]),
            ),
            ("bytes=0-,0-,0-", Wanted::Part(0, 2048)),
            ("bytes=0-1,9999-", Wanted::Part(0, 2)),
            ("bytes=9999-,-0", Wanted::Unsatisfiable),
            ("bytes=0-1,x", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=,", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 2048), expected, "{header}");
        }
        assert_eq!(wanted(None, 0), Wanted::Whole);
        let many = |count: usize| {
            let ranges: Vec<String> = (0..count).map(|one| format!("{0}-{0}", 2 * one)).collect();
            wanted(Some(&format!("bytes={}", ranges.join(","))), 1 << 20)
        };
        assert!(matches!(many(1024), Wanted::Parts(parts) if parts.len() == 1024));
        assert_eq!(many(1025), Wanted::Whole);
    }

    #[test]
    fn a_chunk_says_where_it_begins_and_how_long_it_is() {
        assert_eq!(chunk("0-1023"), Some((0, 1024)));
        assert_eq!(chunk("bytes 5-5/10"), Some((5, 1)));
        for wrong in ["", "5", "5-4", "a-b", "-5", "0-18446744073709551615"] {
            assert_eq!(chunk(wrong), None, "{wrong}");
        }
    }

    /// What is given lies within the blob, and is no more than the blob, however it was asked for.
    fn is_within(wanted: &Wanted, length: u64) -> bool {
        let parts = match wanted {
            Wanted::Whole | Wanted::Unsatisfiable => return true,
            Wanted::Part(first, end) => vec![(*first, *end)],
            Wanted::Parts(parts) => parts.clone(),
        };
        let total = parts.iter().try_fold(0_u64, |sum, (first, end)| {
            sum.checked_add(end.checked_sub(*first)?)
        });
        parts
            .iter()
            .all(|(first, end)| first < end && *end <= length)
            && total.is_some_and(|total| total <= length)
            && parts.len() <= MAXIMUM_PARTS
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_blob(
            header in "bytes=[0-9]{0,20}-[0-9]{0,20}",
            length in any::<u64>(),
        ) {
            prop_assert!(is_within(&wanted(Some(&header), length), length));
        }

        #[test]
        fn several_parts_have_the_bytes_that_were_asked_for_and_no_others(
            ranges in proptest::collection::vec((0_u64..40, 0_u64..40), 1..30),
            length in 0_u64..40,
        ) {
            let text: Vec<String> = ranges.iter().map(|(a, b)| format!("{a}-{b}")).collect();
            let wanted = wanted(Some(&format!("bytes={}", text.join(","))), length);
            prop_assert!(is_within(&wanted, length));
            let given: Vec<(u64, u64)> = match wanted {
                Wanted::Whole => vec![(0, length)],
                Wanted::Part(first, end) => vec![(first, end)],
                Wanted::Parts(parts) => parts,
                Wanted::Unsatisfiable => Vec::new(),
            };
            for byte in 0..length {
                let asked = ranges.iter().any(|(a, b)| (*a..=*b).contains(&byte));
                let got = given.iter().any(|(first, end)| (*first..*end).contains(&byte));
                prop_assert_eq!(asked, got);
            }
        }

        #[test]
        fn any_header_is_read_or_left(header in ".*", length in any::<u64>()) {
            prop_assert!(is_within(&wanted(Some(&header), length), length));
            let _ = chunk(&header);
        }
    }
}
