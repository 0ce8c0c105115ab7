//! Account files are read and written back without a loss, whatever is in them.
#![no_main]

use basalt_effects::apply::Accounts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let accounts = Accounts::parse(text, text, Some(text), Some(text));
    let again = Accounts::parse(
        &accounts.passwd(),
        &accounts.group(),
        accounts.shadow().as_deref(),
        accounts.gshadow().as_deref(),
    );
    assert_eq!(accounts, again);
});
