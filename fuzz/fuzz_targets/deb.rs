//! A package from anywhere is read within its limits, or refused.
#![no_main]

use std::io;

use basalt_deb::deb::{Limits, read, read_control};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        data: 1 << 24,
        ratio: 100,
        always: 1 << 20,
        entries: 1000,
        control: 1 << 20,
        names: 1 << 20,
    };
    let mut taken = 0;
    let whole = read(bytes, &limits, &mut |_, content| {
        taken += io::copy(content, &mut io::sink())?;
        Ok(())
    });
    assert!(taken <= limits.data);
    if let Ok(whole) = whole {
        assert_eq!(read_control(bytes, &limits).ok(), Some(whole));
    }
});
