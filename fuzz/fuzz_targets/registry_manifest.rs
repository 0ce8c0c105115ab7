//! A manifest from anywhere is read, or refused.
#![no_main]

use basalt_registry::manifest::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for media_type in [
        None,
        Some("application/vnd.oci.image.index.v1+json"),
        Some("application/vnd.oci.image.manifest.v1+json"),
    ] {
        if let Ok(facts) = read(media_type, bytes) {
            let lists = !facts.children.is_empty() || !facts.others.is_empty();
            assert!(facts.blobs.is_empty() || !lists);
        }
    }
});
