//! A policy from anywhere is read, or refused with an error that points into it.
#![no_main]

use std::path::Path;

use basalt_attest::policy::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match basalt_spec::from_yaml::<Policy>(Path::new("policy.yaml"), text, 10_000) {
        Ok(policy) => {
            let _ = policy.check();
        }
        Err(error) => {
            let _ = error.render(false);
        }
    }
});
