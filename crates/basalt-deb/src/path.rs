//! Paths within an archive, as its signed files name others.

/// The longest path taken, in bytes.
const MAXIMUM_LENGTH: usize = 1024;

/// A path within an archive in its one plain form: `./` and doubled slashes, which change nothing,
/// are taken out.
///
/// # Errors
/// Why it is none: it climbs (`..`), is absolute or names a directory, holds a backslash or a control
/// character, or is longer than 1024 bytes.
pub(crate) fn normal(path: &str) -> Result<String, &'static str> {
    if path.len() > MAXIMUM_LENGTH {
        return Err("it is longer than 1024 bytes");
    }
    if path.chars().any(|one| one.is_control() || one == '\\') {
        return Err("it holds a backslash or a control character");
    }
    if path.starts_with('/') {
        return Err("it is not a relative path");
    }
    let mut plain = String::with_capacity(path.len());
    for part in path.split('/') {
        match part {
            "" | "." => continue,
            ".." => return Err("it climbs out of its directory with `..`"),
            part => {
                if !plain.is_empty() {
                    plain.push('/');
                }
                plain.push_str(part);
            }
        }
    }
    if plain.is_empty() || path.ends_with('/') || path.ends_with("/.") {
        return Err("it is the path of a directory");
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_forms_come_to_the_plain_one_and_all_others_are_refused() {
        for path in [
            "pool/a.deb",
            "./pool/a.deb",
            "pool//a.deb",
            "././pool/./a.deb",
        ] {
            assert_eq!(normal(path).as_deref(), Ok("pool/a.deb"), "{path}");
        }
        assert_eq!(normal("a b+~:ä%2e.deb").as_deref(), Ok("a b+~:ä%2e.deb"));
        assert_eq!(normal("pool/...deb").as_deref(), Ok("pool/...deb"));
        let long = "a/".repeat(600);
        for path in [
            "",
            ".",
            "./",
            "/",
            "/etc/passwd",
            "//pool/a",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "./../a",
            "a/",
            "a/.",
            "a\\..\\b",
            "a\0b",
            "a\nb",
            "a\u{85}b",
            &long,
        ] {
            assert!(normal(path).is_err(), "{path}");
        }
    }
}
