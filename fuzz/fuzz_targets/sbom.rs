#![no_main]
//! A bill of materials from anywhere is read or refused, whole or for one path; one in SPDX 2.3 becomes one in SPDX 3 that names as much.

use basalt_sbom::{Format, path_record, read_summary, spdx3_of_spdx};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(record)) = path_record(bytes, "/etc/passwd") {
        assert_eq!(record.path, "/etc/passwd");
    }
    let Ok(summary) = read_summary(bytes) else {
        return;
    };
    if summary.format == Format::Spdx
        && let Ok(document) = spdx3_of_spdx(bytes)
    {
        let other = read_summary(&document).expect("it is SPDX 3");
        assert_eq!(other.components.len(), summary.components.len());
        assert_eq!(other.files, summary.files);
    }
});
