#![no_main]
//! A tar archive of a layout from anywhere: read to the last layer, or refused.

use std::io::Write;

use basalt_oci::{ContentLimits, Layout, filesystem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut file) = tempfile::NamedTempFile::new() else {
        return;
    };
    if file.write_all(bytes).is_err() {
        return;
    }
    let Ok(layout) = Layout::open(file.path()) else {
        return;
    };
    let limits = ContentLimits {
        bytes: 1 << 24,
        entries: 10_000,
        kept: 1 << 20,
    };
    for image in layout.images().unwrap_or_default() {
        let _ = filesystem(&layout, &image, limits, |_| true);
    }
});
