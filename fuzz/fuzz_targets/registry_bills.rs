//! A question for packages, a manifest and a document that it carries, from anywhere: read within bounds, or refused.
#![no_main]

use basalt_registry::bills::{Form, Query, documents, packages};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, bytes) = input;
    let query = text.parse::<Query>();
    let _ = documents(bytes, &[text]);
    for form in [Form::Bare, Form::Statement, Form::Signed] {
        if let Ok(Some((_, found))) = packages(bytes, form)
            && let Ok(query) = &query
        {
            found.iter().for_each(|package| {
                query.matches(package);
            });
        }
    }
});
