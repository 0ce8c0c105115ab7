//! A configuration of the registry from anywhere is read, or refused with an error that points into it; so is a file of users.
#![no_main]

use std::path::Path;

use basalt_registry::access::Htpasswd;
use basalt_registry::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = Config::parse(Path::new("registry.yaml"), text) {
        let _ = error.render(false);
    }
    let _ = Htpasswd::parse(text);
});
