//! Texts of a spec that must have a form. They are checked as they are read, so that an error names
//! the place.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use basalt_tree::{IdError, check_id, numeric_id};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::image::ARCHITECTURES;
use crate::suggest::nearest;

/// Parts a message from what to do about it, on its way through the parser's own error.
pub(crate) const HELP: &str = " ⇒ ";

/// A message with what to do about it.
pub(crate) fn wrong(message: impl fmt::Display, help: impl fmt::Display) -> String {
    format!("{message}{HELP}{help}")
}

/// Ends what says of a text what is wrong with it, where the text may hold a secret: it is not shown then.
pub(crate) const HIDDEN: &str = " ⊘";

/// As [`wrong`], of a text that may hold a secret.
fn wrong_and_hidden(message: impl fmt::Display, help: impl fmt::Display) -> String {
    format!("{message}{HELP}{help}{HIDDEN}")
}

/// A form that a text must have.
pub(crate) trait Form {
    /// What is wrong with a text, if anything is.
    fn check(text: &str) -> Result<(), String>;
}

struct Checked<F>(String, PhantomData<F>);

impl<'de, F: Form> Deserialize<'de> for Checked<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfForm<F>(PhantomData<F>);

        impl<F: Form> Visitor<'_> for OfForm<F> {
            type Value = Checked<F>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Checked<F>, E> {
                F::check(text).map_err(E::custom)?;
                Ok(Checked(text.to_owned(), PhantomData))
            }
        }
        deserializer.deserialize_str(OfForm(PhantomData))
    }
}

impl<F> PartialEq for Checked<F> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<F> Eq for Checked<F> {}

impl<F> PartialOrd for Checked<F> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<F> Ord for Checked<F> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

fn texts<F>(list: Vec<Checked<F>>) -> Vec<String> {
    list.into_iter().map(|one| one.0).collect()
}

/// One text of a form.
pub(crate) fn one<'de, D: Deserializer<'de>, F: Form>(deserializer: D) -> Result<String, D::Error> {
    Ok(Checked::<F>::deserialize(deserializer)?.0)
}

/// One, or none.
pub(crate) fn option<'de, D: Deserializer<'de>, F: Form>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(Option::<Checked<F>>::deserialize(deserializer)?.map(|one| one.0))
}

/// A list of them.
pub(crate) fn list<'de, D: Deserializer<'de>, F: Form>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    Ok(texts(Vec::<Checked<F>>::deserialize(deserializer)?))
}

/// A list, or none.
pub(crate) fn optional_list<'de, D: Deserializer<'de>, F: Form>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    Ok(Option::<Vec<Checked<F>>>::deserialize(deserializer)?.map(texts))
}

/// A mapping whose keys have the form.
pub(crate) fn keys<'de, D: Deserializer<'de>, F: Form, V: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, V>, D::Error> {
    let map = BTreeMap::<Checked<F>, V>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(key, value)| (key.0, value)).collect())
}

/// Environment variables.
pub(crate) fn variables<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let map = keys::<_, Variable, Checked<Argument>>(deserializer)?;
    Ok(map.into_iter().map(|(key, value)| (key, value.0)).collect())
}

/// What is wrong with the numeric id of a user or group, if anything is (Debian Policy 9.2.2).
pub(crate) fn id(number: u32) -> Result<(), String> {
    check_id(number).map(drop).map_err(wrong_id)
}

/// What is wrong with a user or group that is given as a number; a name is not looked at.
pub(crate) fn id_of_text(text: &str) -> Result<(), String> {
    numeric_id(text).map(drop).map_err(wrong_id)
}

fn wrong_id(error: IdError) -> String {
    wrong(
        format_args!("{error}"),
        "write one up to 65534, or from 65536 to 2147483647",
    )
}

/// The id of a user or group, or none.
pub(crate) fn optional_id<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    let number = Option::<u32>::deserialize(deserializer)?;
    number.map_or(Ok(()), id).map_err(D::Error::custom)?;
    Ok(number)
}

/// A number of layers.
pub(crate) fn layers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    match (1..=100).contains(&number) {
        true => Ok(number),
        false => Err(D::Error::custom(wrong(
            format_args!("an image cannot have {number} layers"),
            "write 1 to 100: runtimes take 127, and images built on this one need some",
        ))),
    }
}

/// The name of an image or of a variant.
pub(crate) struct Name;

impl Form for Name {
    fn check(text: &str) -> Result<(), String> {
        let is_name = text.len() <= 100
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        match is_name {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{text}` is no name for an image or a variant"),
                "lower-case letters, digits, `-`, `_` and `.`, first a letter or digit",
            )),
        }
    }
}

/// What an archive is called: part of names of files and of variables.
pub(crate) struct ArchiveName;

impl Form for ArchiveName {
    fn check(text: &str) -> Result<(), String> {
        let is_name = text.len() <= 100
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        match is_name {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{text}` is no name for an archive"),
                "letters, digits, `-`, `_` and `.`, first a letter or digit",
            )),
        }
    }
}

/// The name of a file in a directory.
pub(crate) struct FileName;

impl Form for FileName {
    fn check(text: &str) -> Result<(), String> {
        if is_whiteout(text) {
            return Err(whiteout(text));
        }
        match ["", ".", ".."].contains(&text) || text.contains(['/', '\0']) || text.len() > 255 {
            false => Ok(()),
            true => Err(wrong(
                format_args!("`{text}` is no name of a file"),
                "write a name without `/`",
            )),
        }
    }
}

/// A locale whose translations are kept, or `*` for all.
pub(crate) struct KeptLocale;

impl Form for KeptLocale {
    fn check(text: &str) -> Result<(), String> {
        let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b));
        match is_name || text == "*" {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{text}` is no locale"),
                "write a name such as `de` or `pt_BR`, or `\"*\"` for all",
            )),
        }
    }
}

/// The name of a label or an annotation (OCI image specification, *Annotations*).
pub(crate) struct Key;

impl Form for Key {
    fn check(text: &str) -> Result<(), String> {
        match text.is_empty() || text.contains(char::is_control) {
            false => Ok(()),
            true => Err(wrong(
                format_args!("`{}` is no name of a label", text.escape_debug()),
                "write `org.example.name: value`",
            )),
        }
    }
}

/// A word that is handed to a program.
pub(crate) struct Argument;

impl Form for Argument {
    fn check(text: &str) -> Result<(), String> {
        match text.contains('\0') {
            false => Ok(()),
            true => Err(wrong(
                format_args!("`{}` cannot be handed to a program", text.escape_debug()),
                "write it without NUL",
            )),
        }
    }
}

/// The codename or suite of a release.
pub(crate) struct Release;

impl Form for Release {
    fn check(text: &str) -> Result<(), String> {
        let is_word = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        match is_word {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{text}` is no release"),
                "write its codename, such as `trixie`, or its suite, such as `stable`",
            )),
        }
    }
}

/// Whether a text is a path of plain parts within an archive: letters, digits and `+-._~:`.
fn is_within_archive(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"+-._~:".contains(&b);
    text.len() <= 200
        && text
            .split('/')
            .all(|part| part != ".." && part.bytes().all(is_letter))
}

/// A suite of an archive, or the folder of a flat repository.
pub(crate) struct Suite;

impl Form for Suite {
    fn check(text: &str) -> Result<(), String> {
        let is_folder = text == "/" || text.ends_with('/') && !text.starts_with('/');
        let is_suite = !text.is_empty() && text.split('/').all(|part| !matches!(part, "" | "."));
        match (is_folder || is_suite) && is_within_archive(text) {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{}` is no suite of an archive", text.escape_debug()),
                "write a suite such as `trixie`, or `./` or `path/` for a flat repository",
            )),
        }
    }
}

/// A component of an archive.
pub(crate) struct Component;

impl Form for Component {
    fn check(text: &str) -> Result<(), String> {
        let is_plain = text.split('/').all(|part| !matches!(part, "" | "."));
        match is_plain && is_within_archive(text) {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{}` is no component of an archive", text.escape_debug()),
                "write one such as `main`",
            )),
        }
    }
}

/// An architecture.
pub(crate) struct Architecture;

impl Form for Architecture {
    fn check(text: &str) -> Result<(), String> {
        if ARCHITECTURES.contains(&text) {
            return Ok(());
        }
        let near = match text {
            "x86_64" | "x86-64" => Some("amd64"),
            "aarch64" | "arm64/v8" => Some("arm64"),
            "ppc64le" => Some("ppc64el"),
            other => nearest(other, ARCHITECTURES),
        };
        let help = near.map_or_else(
            || format!("possible are: {}", ARCHITECTURES.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        Err(wrong(
            format_args!("`{text}` is no architecture of Debian"),
            help,
        ))
    }
}

/// The name of a slice.
pub(crate) struct SliceName;

impl Form for SliceName {
    fn check(text: &str) -> Result<(), String> {
        let is_name = text.len() >= 3
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        match is_name {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{}` is no name of a slice", text.escape_debug()),
                "lower-case letters, digits and `-`, three at least, first a letter; without the package",
            )),
        }
    }
}

/// A path from the root.
pub(crate) struct Absolute;

impl Form for Absolute {
    fn check(text: &str) -> Result<(), String> {
        if !text.starts_with('/') {
            return Err(wrong(
                format_args!("`{text}` is not absolute"),
                "begin it with `/`",
            ));
        }
        if text.contains('\0') || text.split('/').any(|part| part == "..") {
            return Err(wrong(
                format_args!("`{}` is no path in an image", text.escape_debug()),
                "write it without `..`",
            ));
        }
        match text.split('/').any(is_whiteout) {
            false => Ok(()),
            true => Err(whiteout(text)),
        }
    }
}

/// Whether runtimes take a name for a deletion (OCI image specification, *Whiteouts*).
fn is_whiteout(name: &str) -> bool {
    name.starts_with(".wh.")
}

fn whiteout(text: &str) -> String {
    wrong(
        format_args!(
            "`{}` would delete files of lower layers",
            text.escape_debug()
        ),
        "write it without a name that begins with `.wh.`, which image layers reserve for deletions",
    )
}

/// The URL of an archive. Its text is published, so what is secret may not be in it.
pub(crate) struct ArchiveUrl;

impl Form for ArchiveUrl {
    fn check(text: &str) -> Result<(), String> {
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        let scheme = scheme.to_ascii_lowercase();
        let help = "write it as http://HOST/FOLDER, https://… or file:///FOLDER";
        let is_remote = scheme == "http" || scheme == "https";
        if !(is_remote && rest.starts_with("//") || scheme == "file" && rest.starts_with('/')) {
            return Err(wrong_and_hidden("this is no URL of an archive", help));
        }
        // An `@` in a path may belong to a password that was not encoded: it is written %40 there.
        if is_remote && rest.contains('@') {
            return Err(wrong_and_hidden(
                "the URL of an archive holds a user name or password, which would be published with the image",
                "name it by --mirror ARCHIVE=URL or BASALT_MIRROR_ARCHIVE, or the password in ~/.netrc or apt's \
                 auth.conf (an `@` in a path is written %40)",
            ));
        }
        if rest.contains(['?', '#']) {
            return Err(wrong_and_hidden(
                "the URL of an archive ends before a `?` or `#`",
                "a mirror is a folder; a token goes into a user name and password, by --mirror, BASALT_MIRROR_ARCHIVE, \
                 ~/.netrc or apt's auth.conf",
            ));
        }
        if rest
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control())
        {
            return Err(wrong_and_hidden("this is no URL of an archive", help));
        }
        Ok(())
    }
}

/// A port with its protocol.
pub(crate) struct Port;

impl Form for Port {
    fn check(text: &str) -> Result<(), String> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let is_number = number.bytes().all(|b| b.is_ascii_digit())
            && number.parse::<u16>().is_ok_and(|number| number > 0);
        match is_number && ["tcp", "udp", "sctp"].contains(&protocol) {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{text}` is no port"),
                "write a number from 1 to 65535 and a protocol: `80/tcp`",
            )),
        }
    }
}

/// A locale as programs ask for it: `de_DE.UTF-8`, `sr_RS.UTF-8@latin`, `C.UTF-8`.
pub(crate) struct Locale;

impl Form for Locale {
    fn check(text: &str) -> Result<(), String> {
        let (rest, modifier) = text.split_once('@').unwrap_or((text, "any"));
        let (place, codeset) = rest.split_once('.').unwrap_or((rest, "any"));
        let (language, territory) = place.split_once('_').unwrap_or((place, "XX"));
        let all =
            |text: &str, is: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|b| is(&b));
        let is_language =
            (2..=3).contains(&language.len()) && all(language, u8::is_ascii_lowercase);
        let is_territory = (2..=3).contains(&territory.len())
            && all(territory, |b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let is_codeset = all(codeset, |b| b.is_ascii_alphanumeric() || *b == b'-');
        let is_modifier = all(modifier, u8::is_ascii_alphanumeric);
        match text == "C.UTF-8" || is_language && is_territory && is_codeset && is_modifier {
            true if text.len() <= 64 => Ok(()),
            _ => Err(wrong(
                format_args!("`{}` is no locale", text.escape_debug()),
                "write language, territory and character set: `de_DE.UTF-8`",
            )),
        }
    }
}

/// The name of an environment variable.
pub(crate) struct Variable;

impl Form for Variable {
    fn check(text: &str) -> Result<(), String> {
        match text.is_empty() || text.contains(['=', '\0']) {
            false => Ok(()),
            true => Err(wrong(
                format_args!("`{}` is no name of a variable", text.escape_debug()),
                "write `NAME: value`",
            )),
        }
    }
}

/// The name of a user or group (as adduser(8) takes it).
pub(crate) struct Account;

impl Form for Account {
    fn check(text: &str) -> Result<(), String> {
        let is_name = text.len() <= 32
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        match is_name {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{}` is no name of a user or group", text.escape_debug()),
                "lower-case letters, digits, `-`, `_` and `.`, 32 at most, first a letter",
            )),
        }
    }
}

/// Something that stands in a line of `/etc/passwd`.
pub(crate) struct Field;

impl Form for Field {
    fn check(text: &str) -> Result<(), String> {
        match text.contains([':', '\n', '\r', '\0']) {
            false => Ok(()),
            true => Err(wrong(
                format_args!("`{}` cannot stand in /etc/passwd", text.escape_debug()),
                "write it without `:`, in one line",
            )),
        }
    }
}

fn is_account_or_number(text: &str) -> bool {
    numeric_id(text).is_ok_and(|number| number.is_some()) || Account::check(text).is_ok()
}

/// Who owns a file: a name or a number.
pub(crate) struct Owner;

impl Form for Owner {
    fn check(text: &str) -> Result<(), String> {
        match is_account_or_number(text) {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{}` is no user or group", text.escape_debug()),
                "write a name or a number",
            )),
        }
    }
}

/// Whom an image runs as: a name or a number, maybe with a group.
pub(crate) struct RunAs;

impl Form for RunAs {
    fn check(text: &str) -> Result<(), String> {
        let (user, group) = text.split_once(':').unwrap_or((text, "root"));
        match is_account_or_number(user) && is_account_or_number(group) {
            true => Ok(()),
            false => Err(wrong(
                format_args!("`{}` is no user", text.escape_debug()),
                "write a name or a number, or `user:group`",
            )),
        }
    }
}

/// A signal.
pub(crate) struct Signal;

const SIGNALS: [&str; 15] = [
    "SIGABRT", "SIGALRM", "SIGCONT", "SIGHUP", "SIGINT", "SIGIO", "SIGKILL", "SIGPIPE", "SIGPWR",
    "SIGQUIT", "SIGSTOP", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH",
];

impl Form for Signal {
    fn check(text: &str) -> Result<(), String> {
        let is_number = text
            .parse::<u8>()
            .is_ok_and(|number| (1..=64).contains(&number));
        let is_realtime = text
            .strip_prefix("SIGRTMIN+")
            .or_else(|| text.strip_prefix("SIGRTMAX-"))
            .is_some_and(|rest| rest.parse::<u8>().is_ok_and(|number| number <= 30));
        if is_number || is_realtime || SIGNALS.contains(&text) {
            return Ok(());
        }
        let upper = text.to_ascii_uppercase();
        let full = match upper.starts_with("SIG") {
            true => upper,
            false => format!("SIG{upper}"),
        };
        let help = nearest(&full, SIGNALS).map_or_else(
            || "write a name such as `SIGTERM`, or a number".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        Err(wrong(
            format_args!("`{}` is no signal", text.escape_debug()),
            help,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<F: Form>(right: &[&str], false_ones: &[&str]) {
        for text in right {
            assert_eq!(F::check(text), Ok(()), "{text}");
        }
        for text in false_ones {
            assert!(F::check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn forms_take_what_they_should_and_nothing_else() {
        all::<Name>(&["python", "a.b-c_1", "3"], &["", "-a", "A", "a b", "ä"]);
        all::<Release>(&["trixie", "n0ble"], &["", "Trixie", "13", "a/b"]);
        all::<Suite>(
            &[
                "trixie",
                "bookworm/updates",
                "./",
                "/",
                "a/",
                "./a/b/",
                "1.2~x",
            ],
            &[
                "", "..", "../", "a/../b/", "/a/", "/a", "a//b", ".", "a b", "a?b", "ä",
            ],
        );
        all::<Component>(&["main", "updates/main"], &["", "/", "../x", "a b", "./"]);
        all::<Architecture>(&["amd64"], &["", "x86_64", "AMD64"]);
        all::<SliceName>(&["libs", "core-2"], &["", "ab", "Libs", "libc6_libs"]);
        all::<Absolute>(
            &["/", "/a/b..c", "/a/x.wh.y"],
            &["", "a", "/a/../b", "/a\0", "/a/.wh.b/c", "/.wh..wh..opq"],
        );
        all::<ArchiveUrl>(
            &[
                "http://a/b",
                "HTTPS://[::1]:80/a%40b",
                "file:///a@b",
                "file:/a",
            ],
            &[
                "",
                "a/b",
                "ftp://a",
                "http:/a",
                "http://me:x@a",
                "https://token@a/b",
                "http://me:x/y@a",
                "http://a/?token=x",
                "http://a#x",
                "http://a b",
                "file:a",
            ],
        );
        all::<Port>(
            &["80", "53/udp"],
            &["", "0", "65536", "+80", "80/icmp", "80/"],
        );
        all::<Variable>(&["A", "a.b"], &["", "A=B"]);
        all::<Account>(&["_apt", "www-data"], &["", "1a", "a:b", "Root", "a b"]);
        all::<Field>(&["", "a b"], &["a:b", "a\nb"]);
        all::<RunAs>(
            &["65532", "a:b", "0:0"],
            &[
                "",
                "a:",
                ":b",
                "a:b:c",
                "4294967295",
                "0:4294967295",
                "65535",
                "2147483648",
            ],
        );
        all::<Owner>(
            &["0", "_apt", "65534", "2147483647"],
            &[
                "",
                "a:b",
                "-1",
                "65535",
                "4294967294",
                "4294967295",
                "99999999999",
            ],
        );
        all::<ArchiveName>(&["own", "a.b_C-1"], &["", "../a", "a/b", ".a", "a b"]);
        all::<FileName>(&["sh", "["], &["", ".", "..", "a/b", "a\0"]);
        all::<KeptLocale>(&["*", "de", "pt_BR.UTF-8@x"], &["", "../de", "a/b", "**"]);
        all::<Key>(&["org.example.a"], &["", "a\nb", "\u{1b}[0m"]);
        all::<Argument>(&["", "a\nb"], &["a\0b"]);
        all::<Signal>(&["SIGTERM", "15", "SIGRTMIN+3"], &["", "TERM", "0", "99"]);
    }
}
