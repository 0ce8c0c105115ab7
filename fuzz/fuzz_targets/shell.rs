//! Any text as a shell script: it is parsed or refused; what parses prints to what parses the same.
//! Scripts with here-documents are only parsed: where those stand among substitutions, the printer
//! may come to a form that the parser refuses.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(script) = basalt_shell::parse(text) {
        if !script.documents.is_empty() {
            return;
        }
        let printed = script.to_string();
        let again = basalt_shell::parse(&printed).expect("what is printed parses");
        assert_eq!(again.to_string(), printed);
    }
});
