//! A manifest, an index or a config from anywhere: read the same as any JSON reader reads it, or refused.
#![no_main]

use basalt_manifest::{Descriptor, Kind, Limits, Source, read, read_config, runnable};
use libfuzzer_sys::fuzz_target;

/// Gives the input for everything that is asked for.
struct Same<'i>(&'i [u8]);

impl Source for Same<'_> {
    type Error = std::convert::Infallible;

    fn document(&mut self, _: &str) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(Some(self.0.to_vec()))
    }

    fn blob(&mut self, _: &Descriptor, _: u64) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(Some(self.0.to_vec()))
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = read(bytes) {
        // Another reader, to which the last of two equal keys would count.
        let other: serde_json::Value = serde_json::from_slice(bytes).expect("it is JSON");
        let keys = ["manifests", "layers"];
        for (key, own) in keys
            .into_iter()
            .zip([&document.manifests, &document.layers])
        {
            let listed = other.get(key).and_then(|list| list.as_array());
            let digests = listed
                .into_iter()
                .flatten()
                .map(|one| one["digest"].as_str());
            assert!(digests.eq(own.iter().map(|one| Some(one.digest.as_str()))));
        }
        assert_eq!(document.kind == Kind::Index, document.config.is_none());
    }
    let _ = read_config(bytes);
    let limits = Limits {
        reads: 100,
        bytes: 1 << 20,
    };
    let _ = runnable("sha256:", limits, &mut Same(bytes));
});
