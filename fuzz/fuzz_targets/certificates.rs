//! A certificate, PEM or DER, whatever is in it.
#![no_main]

use basalt_effects::apply::certificates_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = certificates_of(bytes);
});
