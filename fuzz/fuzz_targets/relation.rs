//! A relation that is read is shown as a relation that is read alike.
#![no_main]

use basalt_deb::relation::{Dependency, parse_dependencies, parse_provides};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(dependencies) = parse_dependencies(text, "amd64") {
        let shown: Vec<String> = dependencies.iter().map(Dependency::to_string).collect();
        assert_eq!(
            parse_dependencies(&shown.join(", "), "amd64"),
            Ok(dependencies)
        );
    }
    if let Ok(provides) = parse_provides(text, "amd64") {
        let shown: Vec<String> = provides.iter().map(ToString::to_string).collect();
        assert_eq!(parse_provides(&shown.join(", "), "amd64"), Ok(provides));
    }
});
