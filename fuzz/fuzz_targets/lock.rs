#![no_main]
//! A lock from anywhere: read or refused; what is read is written and read again alike.

use basalt_lock::{Lock, difference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(lock) = Lock::parse(bytes)
        && let Ok(text) = lock.render()
    {
        let again = Lock::parse(text.as_bytes());
        assert_eq!(again.as_ref(), Ok(&lock));
        assert!(difference(&lock, &lock).is_empty());
    }
});
