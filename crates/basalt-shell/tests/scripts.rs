//! Real maintainer scripts: those of the packages that are installed here.

use std::fs;

#[test]
#[ignore = "needs a Debian system, and says how many of its scripts parse; run by ./test peers"]
fn reads_the_maintainer_scripts_of_this_machine() {
    let directory =
        std::env::var("BASALT_TEST_SCRIPTS").unwrap_or_else(|_| "/var/lib/dpkg/info".to_owned());
    let mut read = 0;
    let mut refused = Vec::new();
    for entry in fs::read_dir(directory).expect("dpkg's records") {
        let path = entry.expect("an entry").path();
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        if !text.starts_with("#!/bin/sh") && !text.starts_with("#! /bin/sh") {
            continue;
        }
        read += 1;
        match basalt_shell::parse(&text) {
            Ok(script) => {
                let printed = script.to_string();
                let again = basalt_shell::parse(&printed).expect("what is printed parses");
                assert_eq!(again.to_string(), printed, "{}", path.display());
            }
            Err(error) => refused.push(format!("{}: {error}", path.display())),
        }
    }
    println!(
        "{read} scripts, {} refused\n{}",
        refused.len(),
        refused.join("\n")
    );
    assert!(read > 20, "only {read} scripts were read");
    assert!(refused.len() * 50 <= read, "more than 2 % are refused");
}
