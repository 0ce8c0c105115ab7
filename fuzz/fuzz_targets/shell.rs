//! Any text as a shell script: it is parsed or refused; what parses prints to what parses the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(script) = basalt_shell::parse(text) {
        let printed = script.to_string();
        let again = basalt_shell::parse(&printed).expect("what is printed parses");
        assert_eq!(again.to_string(), printed);
    }
});
