//! The snippet of `dh_apparmor`: an empty file for local rules beside each profile.

use super::script::Snippet;
use crate::Effect;

/// What the snippet does, in words.
pub(crate) const MEANING: &str = "dh_apparmor: an empty file for local rules";

/// The lines of the snippet, with the profile's name taken out.
const BODY: &[&str] = &[
    "if [ \"$1\" = \"configure\" ]; then",
    "APP_PROFILE=\"/etc/apparmor.d/@profile@\"",
    "if [ -f \"$APP_PROFILE\" ]; then",
    "LOCAL_APP_PROFILE=\"/etc/apparmor.d/local/@profile@\"",
    "test -e \"$LOCAL_APP_PROFILE\" || {",
    "mkdir -p `dirname \"$LOCAL_APP_PROFILE\"`",
    "install --mode 644 /dev/null \"$LOCAL_APP_PROFILE\"",
    "}",
    "if aa-enabled --quiet 2>/dev/null; then",
    "apparmor_parser -r -T -W \"$APP_PROFILE\" || true",
    "fi",
    "fi",
    "fi",
];

/// The file that the snippet makes; `None` when it is not this snippet to the letter.
pub(crate) fn local_profile(snippet: &Snippet) -> Option<Effect> {
    if snippet.tool != "dh_apparmor" {
        return None;
    }
    let lines: Vec<&str> = snippet
        .body
        .iter()
        .map(|line| line.text.trim())
        .filter(|text| !text.is_empty() && !text.starts_with('#'))
        .collect();
    let profile = lines
        .get(1)?
        .strip_prefix("APP_PROFILE=\"/etc/apparmor.d/")?
        .strip_suffix('"')?;
    let same = lines.len() == BODY.len()
        && lines
            .iter()
            .zip(BODY)
            .all(|(line, known)| *line == known.replace("@profile@", profile));
    (same && is_plain(profile)).then(|| Effect::File {
        path: format!("/etc/apparmor.d/local/{profile}"),
        content: String::new(),
        mode: 0o644,
    })
}

/// Whether a word is only letters, digits and the marks of a file's name.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-+@,~".contains(letter))
}
