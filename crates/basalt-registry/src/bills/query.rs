//! What packages are asked for: `liblzma5`, `liblzma5 < 5.4`, `openssl = 3.0.*`, `python3*`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use basalt_deb::version::Version;

use super::Package;

/// The longest question that is read, in bytes.
const MAXIMUM_QUERY: usize = 300;

/// A question for packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The name of the package, or of the source it was built of.
    pub name: String,
    /// Whether the name is only how it begins.
    pub is_prefix: bool,
    /// Which versions.
    pub version: Option<Bound>,
}

/// Which versions are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    relation: Relation,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Is,
    Begins,
    AtLeast,
    Above,
}

/// A text that is no such question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}; write it as `liblzma5`, `liblzma5 < 5.4`, `openssl = 3.0.*` or `python3*`")]
pub struct NoQuery {
    cause: &'static str,
}

/// Whether a package is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Its name is, but how its versions are ordered is not known here.
    Unordered,
}

impl FromStr for Query {
    type Err = NoQuery;

    fn from_str(text: &str) -> Result<Self, NoQuery> {
        let fail = |cause| Err(NoQuery { cause });
        let text = text.trim();
        if text.len() > MAXIMUM_QUERY || text.contains(char::is_control) {
            return fail("the question is too long, or has characters that none has");
        }
        let end = text
            .find(|letter: char| letter.is_whitespace() || "<>=".contains(letter))
            .unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let (name, is_prefix) = match name.strip_suffix('*') {
            Some(start) => (start, true),
            None => (name, false),
        };
        if name.is_empty() {
            return fail("a package must be named");
        }
        let query = Self {
            name: name.to_owned(),
            is_prefix,
            version: None,
        };
        let rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(query);
        }
        let signs = rest.len() - rest.trim_start_matches(['<', '>', '=']).len();
        let (sign, version) = rest.split_at(signs);
        let version = version.trim();
        let (relation, version) = match (sign, version.strip_suffix('*')) {
            ("=" | "==" | "", Some(start)) => (Relation::Begins, start),
            ("=" | "==" | "", None) => (Relation::Is, version),
            ("<" | "<<", None) => (Relation::Below, version),
            ("<=", None) => (Relation::AtMost, version),
            (">=", None) => (Relation::AtLeast, version),
            (">" | ">>", None) => (Relation::Above, version),
            (_, Some(_)) => return fail("`*` in a version goes with `=` alone"),
            (_, None) => return fail("versions are compared by <, <=, =, >= and >"),
        };
        if version.is_empty() || version.contains(char::is_whitespace) {
            return fail("one version must be named");
        }
        let is_order = !matches!(relation, Relation::Is | Relation::Begins);
        if is_order && Version::new(version).is_err() {
            return fail("that is no version that can be compared");
        }
        Ok(Self {
            version: Some(Bound {
                relation,
                text: version.to_owned(),
            }),
            ..query
        })
    }
}

impl Query {
    /// Whether a package, whose name or source fits, is meant. Versions of Debian packages are compared as Debian does;
    /// those of others are equal, or begin alike, or are not compared.
    pub fn matches(&self, package: &Package) -> Matched {
        let Some(Bound { relation, text }) = &self.version else {
            return Matched::Yes;
        };
        let yes = |fits| if fits { Matched::Yes } else { Matched::No };
        let order = || {
            let (own, asked) = (Version::new(&package.version), Version::new(text));
            let is_debian = package.ecosystem == "deb";
            own.ok()
                .zip(asked.ok())
                .filter(|_| is_debian)
                .map(|(own, asked)| own.cmp(&asked))
        };
        match (relation, order()) {
            (Relation::Begins, _) => yes(package.version.starts_with(text.as_str())),
            (Relation::Is, order) => {
                yes(package.version == *text || order == Some(Ordering::Equal))
            }
            (_, None) => Matched::Unordered,
            (Relation::Below, Some(order)) => yes(order == Ordering::Less),
            (Relation::AtMost, Some(order)) => yes(order != Ordering::Greater),
            (Relation::AtLeast, Some(order)) => yes(order != Ordering::Less),
            (Relation::Above, Some(order)) => yes(order == Ordering::Greater),
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_prefix { "*" } else { "" };
        write!(f, "{}{star}", self.name)?;
        let Some(Bound { relation, text }) = &self.version else {
            return Ok(());
        };
        match relation {
            Relation::Below => write!(f, " < {text}"),
            Relation::AtMost => write!(f, " <= {text}"),
            Relation::Is => write!(f, " = {text}"),
            Relation::Begins => write!(f, " = {text}*"),
            Relation::AtLeast => write!(f, " >= {text}"),
            Relation::Above => write!(f, " > {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matched(query: &str, version: &str, ecosystem: &str) -> Matched {
        let package = Package {
            name: "liblzma5".to_owned(),
            version: version.to_owned(),
            ecosystem: ecosystem.to_owned(),
            source: "xz-utils".to_owned(),
            licence: String::new(),
        };
        query.parse::<Query>().expect("it is one").matches(&package)
    }

    #[test]
    fn debian_versions_are_compared_as_debian_does_and_others_are_equal_or_begin_alike() {
        for (query, version, ecosystem, expected) in [
            ("liblzma5 < 5.4", "5.4~rc1-1", "deb", Matched::Yes),
            ("liblzma5<5.4", "5.2.10-1", "deb", Matched::Yes),
            ("liblzma5 < 5.4", "5.10-1", "deb", Matched::No),
            ("liblzma5 << 5.4", "1:5.2", "deb", Matched::No),
            ("liblzma5 >= 5.6.0-1", "5.6.0-1", "deb", Matched::Yes),
            ("liblzma5 > 5.6.0-1", "5.6.0-1", "deb", Matched::No),
            ("liblzma5 <= 5.6.0-1", "0:5.6.0-1", "deb", Matched::Yes),
            ("liblzma5 = 5.6.0-1", "0:5.6.0-1", "deb", Matched::Yes),
            ("liblzma5 5.6*", "5.6.1", "npm", Matched::Yes),
            ("liblzma5 = 5.6", "5.6.1", "npm", Matched::No),
            ("liblzma5 < 6", "5.6.1", "npm", Matched::Unordered),
            ("liblzma5", "anything at all", "", Matched::Yes),
        ] {
            assert_eq!(
                matched(query, version, ecosystem),
                expected,
                "{query} {version}"
            );
        }
    }

    #[test]
    fn what_is_no_question_is_refused_with_an_example() {
        for text in [
            "", "  ", "< 5", "x <> 5", "x <", "x < 5*", "x < 5 6", "x < a b", "x\u{0}", "x < :",
        ] {
            let error = text.parse::<Query>().expect_err(text).to_string();
            assert!(error.contains("liblzma5 < 5.4"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_question_is_read_again_as_it_is_shown(text in "[a-z*<>= .0-9]{0,20}") {
            if let Ok(query) = text.parse::<Query>() {
                prop_assert_eq!(query.to_string().parse::<Query>(), Ok(query));
            }
        }
    }
}
