//! The defaults of debconf's questions, from the `templates` control member.

use std::collections::BTreeMap;

/// More templates than this in one package are not read.
const MAXIMUM_TEMPLATES: usize = 10_000;

/// Answers by question; `None` where debconf would choose by itself.
pub(crate) fn defaults(text: &str) -> BTreeMap<String, Option<String>> {
    let mut answers = BTreeMap::new();
    for stanza in text.split("\n\n").take(MAXIMUM_TEMPLATES) {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let Some(question) = field("Template") else {
            continue;
        };
        let default = field("Default").unwrap_or_default();
        let is_choice = field("Choices")
            .is_some_and(|choices| choices.split(',').any(|choice| choice.trim() == default));
        // Of a select without a valid default, the frontend takes the first choice if it is asked.
        let is_certain = field("Type") != Some("select") || is_choice;
        answers.insert(question.to_owned(), is_certain.then(|| default.to_owned()));
    }
    answers
}
