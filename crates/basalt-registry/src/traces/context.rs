//! What ties spans of several programs together (W3C *Trace Context*): the header `traceparent`.

use std::fmt;

use hyper::HeaderMap;

/// The header.
const TRACEPARENT: &str = "traceparent";
/// How long it is in the version that is known.
const LENGTH: usize = 55;

/// The name of a trace, which all programs share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

/// The name of a span within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

/// The span of another program that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// Whether who began the trace wants it to be kept.
    pub is_sampled: bool,
}

impl TraceId {
    /// One that nobody has had.
    pub fn random() -> Self {
        Self(fastrand::u128(1..))
    }
}

impl SpanId {
    /// One that nobody has had in this trace.
    pub fn random() -> Self {
        Self(fastrand::u64(1..))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Parent {
    /// What a request says; nothing when it says nothing, something twice, or what cannot be.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).into_iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Self::parse(one.to_str().ok()?.trim()),
            _ => None,
        }
    }

    /// Reads `00-<32 digits>-<16 digits>-<flags>`. A later version may say more behind that.
    fn parse(text: &str) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let mut part = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length)?;
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            part.bytes().all(is_hex).then_some(part)
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let is_whole = match version {
            "00" => rest.is_empty(),
            "ff" => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let trace = u128::from_str_radix(trace, 16).ok()?;
        let span = u64::from_str_radix(span, 16).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        (is_whole && trace != 0 && span != 0).then_some(Self {
            trace: TraceId(trace),
            span: SpanId(span),
            is_sampled: flags & 1 == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_request_belongs_to_the_trace_that_it_names() {
        let parent = Parent::parse(SOUND).expect("it is sound");
        assert_eq!(parent.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(parent.span.to_string(), "00f067aa0ba902b7");
        assert!(parent.is_sampled);
        let unwanted = SOUND.replace("-01", "-00");
        assert!(Parent::parse(&unwanted).is_some_and(|parent| !parent.is_sampled));
        let later = SOUND.replacen("00-", "01-", 1) + "-more";
        assert!(Parent::parse(&later).is_some());
    }

    #[test]
    fn what_cannot_be_is_passed_over() {
        for wrong in [
            String::new(),
            SOUND.to_uppercase(),
            SOUND.replacen("00-", "ff-", 1),
            format!("{SOUND}-more"),
            SOUND.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            SOUND.replace("00f067aa0ba902b7", &"0".repeat(16)),
            "ü".repeat(40),
        ] {
            assert_eq!(Parent::parse(&wrong), None, "{wrong}");
        }
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, SOUND.parse().expect("a value"));
        assert!(Parent::of(&headers).is_some());
        headers.append(TRACEPARENT, SOUND.parse().expect("a value"));
        assert_eq!(Parent::of(&headers), None);
    }
}
