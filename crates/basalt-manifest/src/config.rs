//! The config of an image (OCI image specification, *Image Configuration*), as far as something is decided by it.

use crate::document::{Fields, MAXIMUM_DOCUMENT};
use crate::fold::is_same;
use crate::json::{Malformed, Node, parse};

const CONFIG: [&str; 10] = [
    "created",
    "author",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "config",
    "rootfs",
    "history",
];
/// How a container is started; the last four are Docker's.
const RUNTIME: [&str; 13] = [
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "Healthcheck",
    "Shell",
    "OnBuild",
    "ArgsEscaped",
];
const ROOTFS: [&str; 2] = ["type", "diff_ids"];
const HISTORY: [&str; 5] = ["created", "created_by", "author", "comment", "empty_layer"];

/// What an image says of itself. Whoever made it wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Processor.
    pub architecture: Option<String>,
    /// Variant of the processor.
    pub variant: Option<String>,
    /// The digests of the layers' uncompressed bytes, from the first up: engines find by them what they have unpacked before.
    pub diff_ids: Vec<String>,
}

/// Reads the config of an image.
///
/// # Errors
/// When it is none, or two readers could make different things of it.
pub fn read_config(bytes: &[u8]) -> Result<Config, Malformed> {
    let node = parse(bytes, MAXIMUM_DOCUMENT)?;
    let fields = Fields::of(&node, "", &CONFIG)?;
    fields.object("config", &RUNTIME)?;
    let mut diff_ids = Vec::new();
    if let Some(root) = fields.object("rootfs", &ROOTFS)? {
        root.text("type")?;
        diff_ids = root.texts("diff_ids")?;
    }
    for (number, entry) in fields.list("history")?.iter().enumerate() {
        Fields::of(entry, &fields.entry("history", number), &HISTORY)?;
    }
    let text = |key| Ok(fields.text(key)?.map(str::to_owned));
    Ok(Config {
        created: text("created")?,
        os: text("os")?,
        architecture: text("architecture")?,
        variant: text("variant")?.filter(|variant: &String| !variant.is_empty()),
        diff_ids,
    })
}

/// Whether an engine may find the layers' digests (`rootfs`) in these bytes, without which none unpacks anything.
pub(crate) fn may_have_root(bytes: &[u8]) -> bool {
    if !begins_object(bytes) {
        return false;
    }
    match parse(bytes, MAXIMUM_DOCUMENT) {
        Ok(Node::Object(pairs)) => pairs.iter().any(|(key, _)| is_same(key, "rootfs")),
        // Another reader may make something of it.
        _ => true,
    }
}

/// Whether these bytes begin as a JSON object does, behind JSON's own blanks. Anything else is no document to anybody.
pub fn begins_object(bytes: &[u8]) -> bool {
    let first = bytes
        .iter()
        .find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    first == Some(&b'{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_says_one_thing_or_is_refused() {
        let good = br#"{"created":"2026-01-02T00:00:00Z","os":"linux","architecture":"arm64","variant":"v8",
            "config":{"User":"1","Healthcheck":{}},"rootfs":{"type":"layers","diff_ids":[]},"history":[{"created":"x"}],
            "container_config":{"anything":1}}"#;
        let config = read_config(good).expect("it is sound");
        assert_eq!(config.created.as_deref(), Some("2026-01-02T00:00:00Z"));
        assert_eq!(config.variant.as_deref(), Some("v8"));
        for bad in [
            &br#"{"created":"a","Created":"b"}"#[..],
            br#"{"created":"a","created":"b"}"#,
            br#"{"Created":"b"}"#,
            br#"{"created":7}"#,
            br#"{"rootf\u017f":{}}"#,
            br#"{"rootfs":{"Diff_IDs":[]}}"#,
            br#"{"rootfs":{"diff_ids":[1]}}"#,
            br#"{"config":{"user":"0"}}"#,
            br#"{"config":{"User":"1","User":"0"}}"#,
            br#"{"history":[{"Created":"x"}]}"#,
            br#"{"history":{}}"#,
            br#"[]"#,
        ] {
            let shown = String::from_utf8_lossy(bad);
            assert!(read_config(bad).is_err(), "{shown}");
        }
    }

    #[test]
    fn layers_are_told_of_by_any_spelling_of_rootfs_and_by_what_cannot_be_read() {
        for bytes in [
            &b"{\"rootfs\":{}}"[..],
            b" \n{\"RootFS\":null}",
            b"{\"rootf\xc5\xbf\":{}}",
            b"{\"a\":1,\"a\":2}",
            b"{\"a\":\"\xff\"}",
            b"{",
        ] {
            assert!(may_have_root(bytes), "{}", String::from_utf8_lossy(bytes));
        }
        for bytes in [
            &b"{}"[..],
            b"{\"name\":\"chart\",\"config\":{\"rootfs\":1}}",
            b"",
            b"[]",
            b"\x1f\x8b",
        ] {
            assert!(!may_have_root(bytes), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
