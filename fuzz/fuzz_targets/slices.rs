//! A slice definition from anywhere is read, or refused with an error that points into it; whatever is
//! read can be chosen from.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use basalt_slice::{Library, Target};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut library = Library::default();
    if library.add(Path::new("slices.yaml"), text).is_err() {
        return;
    }
    for error in library.malformed() {
        let _ = error.to_string();
    }
    let target = Target {
        release: "trixie",
        architecture: "amd64",
    };
    let malformed = BTreeMap::from([("slices".to_owned(), BTreeSet::from(["libs".to_owned()]))]);
    if library.definitions().next().is_none() {
        assert!(library.closure(&malformed, target).is_err());
    }
    for definition in library.definitions() {
        for slice in definition.malformed.keys() {
            assert!(!definition.slices.contains_key(slice));
            let one =
                BTreeMap::from([(definition.package.clone(), BTreeSet::from([slice.clone()]))]);
            assert!(library.closure(&one, target).is_err());
        }
    }
    let all: BTreeMap<String, BTreeSet<String>> = library
        .definitions()
        .map(|one| (one.package.clone(), one.slices.keys().cloned().collect()))
        .collect();
    if let Ok(closure) = library.closure(&all, target) {
        let _ = library.select(&closure, target);
    }
});
