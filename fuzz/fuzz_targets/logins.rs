//! No file of passwords, no URL and no text with a secret may break who reads it.
#![no_main]

use basalt_fetch::address::{self, Url};
use basalt_fetch::logins;
use basalt_spec::secrets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    logins::parse(text);
    let shown = secrets::masked(text);
    assert_eq!(shown.chars().count(), text.chars().count());
    address::shown(text);
    let base = Url::parse("https://host/a/b").expect("it is one");
    for url in [Url::parse(text), base.redirected(text)]
        .into_iter()
        .flatten()
    {
        let again = Url::parse(&url.whole()).expect("it was written");
        assert_eq!(again.whole(), url.whole());
    }
    let _ = text.parse::<basalt_fetch::Mirror>();
});
