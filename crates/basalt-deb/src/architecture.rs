//! Debian's architecture names and wildcards (Debian Policy 11.1).

/// Whether this may be the name of an architecture: lower-case letters, digits and `-`.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The system and the processor of an architecture: `amd64` is `linux` and `amd64`.
fn parts(architecture: &str) -> (&str, &str) {
    architecture
        .rsplit_once('-')
        .unwrap_or(("linux", architecture))
}

/// Whether a name or wildcard (`any`, `linux-any`, `any-amd64`) covers this architecture.
pub fn matches(pattern: &str, architecture: &str) -> bool {
    if pattern == "any" || pattern == architecture {
        return true;
    }
    let (system, processor) = parts(pattern);
    let (our_system, our_processor) = parts(architecture);
    (system == "any" || system == our_system) && (processor == "any" || processor == our_processor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_cover_what_they_say() {
        for pattern in ["any", "linux-any", "any-amd64", "amd64", "linux-amd64"] {
            assert!(matches(pattern, "amd64"), "{pattern}");
        }
        for pattern in ["arm64", "hurd-any", "any-arm64", "hurd-amd64", ""] {
            assert!(!matches(pattern, "amd64"), "{pattern}");
        }
    }
}
