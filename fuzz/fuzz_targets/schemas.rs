//! A file of GSettings schemas and one of overrides, whatever is in them.
#![no_main]

use basalt_desktop::schemas::compile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (String, String)| {
    let _ = compile(&[
        ("a.gschema.xml".to_owned(), texts.0),
        ("a.gschema.override".to_owned(), texts.1),
    ]);
});
