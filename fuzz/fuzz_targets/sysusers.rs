//! Fragments of sysusers.d and tmpfiles.d, whatever is in them.
#![no_main]

use basalt_effects::apply::{system_users, temporary_files};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = system_users(text, "fragment.conf");
    let _ = temporary_files(text, "fragment.conf");
});
