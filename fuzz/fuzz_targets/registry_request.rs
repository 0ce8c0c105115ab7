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
    if let Wanted::Part(first, end) = wanted(Some(path), length) {
        assert!(first < end && end <= length);
    }
    let _ = chunk(query);
});
