//! `/etc/locale.gen`, as the package locales writes it: the locales that glibc supports, none of them chosen.

use std::collections::BTreeSet;

use super::error::ApplyError;
use super::work::{Work, owned};

/// One locale and its character set a line.
const SUPPORTED: &str = "/usr/share/i18n/SUPPORTED";

/// What `locale-gen` makes.
const CHOSEN: &str = "/etc/locale.gen";

/// The question whose answer chooses locales.
const QUESTION: &str = "locales/locales_to_be_generated";

/// Its last line is a `#` in the script, which then takes it for the locale that is chosen: none.
const HEAD: &str = "\
# This file lists locales that you wish to have built. You can find a list
# of valid supported locales at /usr/share/i18n/SUPPORTED, and you can add
# user defined locales to /usr/local/share/i18n/SUPPORTED. If you change
# this file, you need to rerun locale-gen.


";

/// Writes the list, unless there is one.
pub(super) fn apply(work: &mut Work<'_>, package: &str) -> Result<(), ApplyError> {
    let owner = owned(package, "the list of locales");
    let chosen = work.context.answers.get(QUESTION).map(|one| one.trim());
    if chosen.is_some_and(|chosen| !matches!(chosen, "" | "None")) {
        return Err(ApplyError::Refused {
            package: package.to_owned(),
            why: format!(
                "the answer to {QUESTION} chooses locales, and basalt compiles none; take the package locales-all"
            ),
        });
    }
    if work.exists(CHOSEN) {
        return Ok(());
    }
    let supported = work.read_text(SUPPORTED, &owner)?.unwrap_or_default();
    work.write(CHOSEN, list(&supported).into_bytes(), 0o644, &owner)
}

/// The list, in the order of bytes.
fn list(supported: &str) -> String {
    let locales: BTreeSet<&str> = supported
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_alphabetic()))
        .map(|line| line.trim_end_matches(' '))
        .collect();
    let mut text = HEAD.to_owned();
    for locale in locales {
        text.push_str(&format!("# {locale}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_locale_is_listed_once_and_none_is_chosen() {
        let text = list("# a remark\nde_DE.UTF-8 UTF-8  \naa_DJ ISO-8859-1\n\nde_DE.UTF-8 UTF-8\n");
        assert!(text.starts_with("# This file lists locales"), "{text}");
        assert!(
            text.ends_with("locale-gen.\n\n\n# aa_DJ ISO-8859-1\n# de_DE.UTF-8 UTF-8\n"),
            "{text}"
        );
    }
}
