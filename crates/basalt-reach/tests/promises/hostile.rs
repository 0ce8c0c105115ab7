//! No text whatever makes the readers panic, and every bound ends.

use basalt_reach::python::scan::{MAXIMUM_SOURCE, ScanError, scan};
use proptest::prelude::*;

use crate::support::Place;

proptest! {
    #[test]
    fn any_source_is_read_or_refused(text in "[imports from.*(){}\\[\\]'\"\\\\\n:;#,a-z=f]{0,300}") {
        let _ = scan(&text);
    }

    #[test]
    fn an_import_after_any_whole_lines_is_seen(lines in proptest::collection::vec("[a-z =+()\\[\\]{}]{0,20}", 0..8)) {
        // Whatever is open is closed before: the import begins a logical line.
        let text = format!("{}{}\nimport wanted\n", lines.join("\n"), ")".repeat(200));
        let found = scan(&text).expect("it is short");
        prop_assert!(found.imports.iter().any(|one| one.module == "wanted"), "{text:?}");
    }

    #[test]
    fn any_script_and_configuration_is_followed(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut script = b"#!/usr/bin/".to_vec();
        script.extend(&content);
        let place = Place::new()
            .file("usr/bin/tool", script, 0o755)
            .file("etc/tool.conf", content, 0o644);
        place.from(&["/usr/bin/tool", "/etc/tool.conf"]);
    }
}

#[test]
fn sources_too_long_or_too_deep_are_refused() {
    assert_eq!(
        scan(&" ".repeat(MAXIMUM_SOURCE + 1)),
        Err(ScanError::TooLong)
    );
    let deep = "f'{".repeat(100_000);
    assert!(matches!(scan(&deep), Err(ScanError::TooDeep { .. })));
}
