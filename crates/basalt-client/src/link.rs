//! Headers that say where one is in a list or a blob: `Link` (RFC 8288), `Content-Range` and the `Range` of an
//! upload (OCI distribution specification, *Pushing a blob in chunks*).

/// The longest header that is read, in bytes.
const MAXIMUM_LENGTH: usize = 8192;

/// Where the next page of a list is: the first target whose relation is `next`.
pub fn next(header: &str) -> Option<&str> {
    if header.len() > MAXIMUM_LENGTH {
        return None;
    }
    let mut rest = header;
    loop {
        let (target, behind) = rest
            .trim_start_matches([' ', '\t', ','])
            .strip_prefix('<')?
            .split_once('>')?;
        let (parameters, after) = split_link(behind);
        let is_next = parameters.split(';').any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                let relations = value.trim().trim_matches('"');
                name.trim().eq_ignore_ascii_case("rel")
                    && relations
                        .split_ascii_whitespace()
                        .any(|relation| relation.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            let plain = !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_graphic());
            return plain.then_some(target);
        }
        rest = after;
    }
}

/// The parameters of a link, up to the comma that ends it outside of quotes, and what is behind.
fn split_link(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    });
    end.map_or((text, ""), |end| text.split_at(end))
}

/// How many bytes of an upload the registry has: `0-99` (some write `bytes=0-99`) is 100. `0-0` is what an upload
/// without any has.
pub fn received(range: &str) -> Option<u64> {
    let range = range.trim();
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let (start, end) = range.split_once('-')?;
    if start.trim() != "0" {
        return None;
    }
    match end.trim().parse::<u64>().ok()? {
        0 => Some(0),
        last => last.checked_add(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        for header in [
            "</v2/a/tags/list?last=b&n=2>; rel=\"next\"",
            "</v2/a/tags/list?last=b&n=2>;rel=next",
            "</x>; rel=\"prev\"; title=\"a, b\", </v2/a/tags/list?last=b&n=2>; rel=\"last next\"",
        ] {
            assert_eq!(next(header), Some("/v2/a/tags/list?last=b&n=2"), "{header}");
        }
        for header in [
            "",
            "</a>",
            "</a>; rel=prev",
            "/a; rel=next",
            "<a b>; rel=next",
            "<>; rel=next",
        ] {
            assert_eq!(next(header), None, "{header}");
        }
    }

    #[test]
    fn an_upload_tells_how_far_it_is() {
        assert_eq!(received("0-99"), Some(100));
        assert_eq!(received("bytes=0-99"), Some(100));
        assert_eq!(received("0-0"), Some(0));
        for wrong in ["", "5-9", "0-", "-9", "0--1", "x", "0-18446744073709551615"] {
            assert_eq!(received(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_header_breaks_it(text in "[<>a-z;,=\" /?&\u{e9}]{0,120}") {
            next(&text);
            received(&text);
        }
    }
}
