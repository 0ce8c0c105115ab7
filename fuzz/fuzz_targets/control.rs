//! What dpkg's records are made of: control stanzas, `conffiles`, `md5sums`.
#![no_main]

use basalt_deb::stanza::Stanza;
use basalt_deb::status::{Conffile, conffiles, installed, md5sums, record_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let paths = conffiles(bytes);
    let _ = md5sums(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = record_name(text);
    let with_digests: Vec<Conffile> = paths
        .into_iter()
        .map(|listed| Conffile {
            path: listed.path,
            md5: "0".repeat(32),
        })
        .collect();
    let record = installed(text, &with_digests);
    // One package's record must not become two.
    if Stanza::parse(text).is_ok_and(|stanza| stanza.get("Status").is_none()) {
        assert!(!record.trim_end().contains("\n\n"), "{record:?}");
    }
});
