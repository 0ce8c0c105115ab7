//! The first line of a request, and its ranges, from anywhere: read to a route with sound names, or refused.
#![no_main]

use basalt_registry::name::RepositoryName;
use basalt_registry::range::{Wanted, chunk, wanted};
use basalt_registry::route::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str, u64)| {
    let (method, path, query, length) = input;
    if let Ok(route) = parse(method, path, query)
        && let Some(repository) = route.repository()
    {
        assert!(repository.as_str().parse::<RepositoryName>().is_ok());
        assert!(!repository.as_str().contains(".."));
    }
    let parts = match wanted(Some(path), length) {
        Wanted::Part(first, end) => vec![(first, end)],
        Wanted::Parts(parts) => parts,
        Wanted::Whole | Wanted::Unsatisfiable => Vec::new(),
    };
    // However it is asked for, no more is given than there is.
    let mut sum = 0;
    for (first, end) in &parts {
        assert!(first < end && *end <= length);
        sum += end - first;
    }
    assert!(sum <= length && parts.len() <= 1024);
    let _ = chunk(query);
});
