//! How `ldconfig` orders library names and cache entries.

use std::cmp::Ordering;

use super::CacheEntry;

/// Compares two library names, runs of digits as numbers, a digit after
/// anything else. The dynamic linker searches the cache by this order.
pub(super) fn compare_names(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(digit), other) if digit.is_ascii_digit() => {
                if !other.is_some_and(u8::is_ascii_digit) {
                    return Ordering::Greater;
                }
                let order = take_number(&mut left).cmp(&take_number(&mut right));
                if order.is_ne() {
                    return order;
                }
            }
            (Some(_), None) => return Ordering::Greater,
            (Some(_), Some(digit)) if digit.is_ascii_digit() => return Ordering::Less,
            (Some(one), Some(other)) if one != other => return one.cmp(other),
            (Some(_), Some(_)) => {
                left = left.get(1..).unwrap_or_default();
                right = right.get(1..).unwrap_or_default();
            }
        }
    }
}

/// Takes a run of digits as C's `int` would hold it, wrapping where it does
/// not fit.
fn take_number(text: &mut &[u8]) -> i32 {
    let mut number = 0i32;
    while let Some((digit, rest)) = text.split_first()
        && digit.is_ascii_digit()
    {
        number = number
            .wrapping_mul(10)
            .wrapping_add(i32::from(digit.wrapping_sub(b'0')));
        *text = rest;
    }
    number
}

/// The order of entries in the cache: names descending, then flags descending,
/// entries of `glibc-hwcaps` first, these by name.
pub(super) fn compare_entries(left: &CacheEntry, right: &CacheEntry) -> Ordering {
    compare_names(&right.soname, &left.soname)
        .then_with(|| right.flags.cmp(&left.flags))
        .then_with(|| match (&left.hardware, &right.hardware) {
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (left, right) => left.cmp(right),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_runs_of_digits_as_numbers() {
        assert_eq!(compare_names("libx.so.10", "libx.so.9"), Ordering::Greater);
        assert_eq!(compare_names("libx.so.2", "libx.so.2"), Ordering::Equal);
        assert_eq!(compare_names("libx.so", "libx.so.1"), Ordering::Less);
    }

    #[test]
    fn puts_a_digit_after_any_letter() {
        assert_eq!(compare_names("lib1", "liba"), Ordering::Greater);
        assert_eq!(compare_names("liba", "lib1"), Ordering::Less);
    }
}
