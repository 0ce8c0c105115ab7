//! A package's file of file types, whatever is in it.
#![no_main]

use basalt_desktop::mime::database;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: String| {
    let _ = database(&[("a.xml".to_owned(), text)], "1");
});
