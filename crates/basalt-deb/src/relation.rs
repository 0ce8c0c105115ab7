//! Relations between packages (Debian Policy 7.1): `Depends`, `Conflicts`, `Provides` and the like.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::architecture;
use crate::version::{Version, VersionError};

/// The longest package name taken, in bytes.
pub const MAXIMUM_NAME_LENGTH: usize = 256;

/// The longest relation field taken, in bytes. The longest in Debian's archive has about 100 kB.
pub const MAXIMUM_RELATION_LENGTH: usize = 1 << 20;

/// How a version must stand to the one named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// `<<`: strictly earlier.
    #[serde(rename = "<<")]
    Earlier,
    /// `<=`: earlier or equal.
    #[serde(rename = "<=")]
    EarlierOrEqual,
    /// `=`: exactly equal.
    #[serde(rename = "=")]
    Equal,
    /// `>=`: later or equal.
    #[serde(rename = ">=")]
    LaterOrEqual,
    /// `>>`: strictly later.
    #[serde(rename = ">>")]
    Later,
}

impl Operator {
    /// The operator as the policy writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A demand on a version, such as `>= 2.36`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Constraint {
    /// How the version must stand to the one named.
    pub operator: Operator,
    /// The version named.
    pub version: Version,
}

impl Constraint {
    /// Parses `>= 2.36` (the operator may stand without a blank after it).
    ///
    /// The obsolete `<` and `>` mean `<=` and `>=`, as dpkg reads them.
    ///
    /// # Errors
    /// When no operator is in front, or no version follows.
    pub fn parse(text: &str) -> Result<Self, RelationError> {
        let text = text.trim_ascii();
        let length = text
            .bytes()
            .take_while(|byte| b"<>=".contains(byte))
            .count();
        let (operator, version) = text.split_at(length);
        let operator = match operator {
            "<<" => Operator::Earlier,
            "<=" | "<" => Operator::EarlierOrEqual,
            "=" => Operator::Equal,
            ">=" | ">" => Operator::LaterOrEqual,
            ">>" => Operator::Later,
            _ => {
                return Err(RelationError::new(
                    text,
                    "a constraint begins with one of `<<`, `<=`, `=`, `>=`, `>>`",
                ));
            }
        };
        Ok(Self {
            operator,
            version: Version::new(version)?,
        })
    }

    /// Whether this version meets the demand.
    pub fn is_met_by(&self, version: &Version) -> bool {
        match self.operator {
            Operator::Earlier => *version < self.version,
            Operator::EarlierOrEqual => *version <= self.version,
            Operator::Equal => *version == self.version,
            Operator::LaterOrEqual => *version >= self.version,
            Operator::Later => *version > self.version,
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator, self.version)
    }
}

/// One way to meet a dependency: a package, perhaps of a certain architecture or version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Possibility {
    /// The package, real or virtual.
    pub name: String,
    /// What stands after the name and a colon: `any`, `native` or an architecture.
    pub qualifier: Option<String>,
    /// The demand on its version.
    pub constraint: Option<Constraint>,
}

impl fmt::Display for Possibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match &self.constraint {
            Some(constraint) => write!(f, " ({constraint})"),
            None => Ok(()),
        }
    }
}

/// One dependency: it is met when any of its alternatives is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// The alternatives, the preferred one first. Never empty.
    pub alternatives: Vec<Possibility>,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, alternative) in self.alternatives.iter().enumerate() {
            if place > 0 {
                f.write_str(" | ")?;
            }
            alternative.fmt(f)?;
        }
        Ok(())
    }
}

/// A name a package stands in for, perhaps with a version (Debian Policy 7.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Provide {
    /// The name provided.
    pub name: String,
    /// The version provided; where there is none, no versioned dependency is met by it.
    pub version: Option<Version>,
}

impl fmt::Display for Provide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} (= {version})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A text that is not a relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelationError {
    /// The relation is not written as the policy says.
    #[error("the relation `{text}` cannot be read: {cause}")]
    Malformed {
        /// The piece that cannot be read.
        text: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// The version in it is none.
    #[error("a relation names a bad version: {0}")]
    Version(#[from] VersionError),
}

impl RelationError {
    fn new(text: &str, cause: &'static str) -> Self {
        Self::Malformed {
            text: text.trim_ascii().chars().take(200).collect(),
            cause,
        }
    }
}

/// Whether this may be a package's name: letters, digits and `+-._`, first a letter or digit.
///
/// This is dpkg's rule, which is wider than the policy's (5.6.1) by capitals and `_`.
pub fn is_package_name(name: &str) -> bool {
    name.len() <= MAXIMUM_NAME_LENGTH
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
}

/// Parses a relation field, as `Depends` or `Conflicts`.
///
/// Alternatives that an architecture list (`[amd64 arm64]`, `[!i386]`, `[linux-any]`) rules out for
/// `architecture`, or a build profile (`<!nocheck>`, with no profile active) rules out, are left
/// out, and so are dependencies of which nothing is left.
///
/// # Errors
/// When a name, version, operator or bracket is wrong, or it is longer than [`MAXIMUM_RELATION_LENGTH`].
pub fn parse_dependencies(
    text: &str,
    architecture: &str,
) -> Result<Vec<Dependency>, RelationError> {
    if text.len() > MAXIMUM_RELATION_LENGTH {
        return Err(RelationError::new(text, "the field is longer than 1 MiB"));
    }
    let mut dependencies = Vec::new();
    for piece in text.split(',') {
        // dpkg-gencontrol leaves empty pieces where a substitution came out empty.
        if piece.trim_ascii().is_empty() {
            continue;
        }
        let mut alternatives = Vec::new();
        for alternative in piece.split('|') {
            if let Some(possibility) = parse_possibility(alternative, architecture)? {
                alternatives.push(possibility);
            }
        }
        if !alternatives.is_empty() {
            dependencies.push(Dependency { alternatives });
        }
    }
    Ok(dependencies)
}

/// Parses a `Provides` field.
///
/// # Errors
/// As [`parse_dependencies`]; also when an alternative or another operator than `=` stands in it.
pub fn parse_provides(text: &str, architecture: &str) -> Result<Vec<Provide>, RelationError> {
    let mut provides = Vec::new();
    for dependency in parse_dependencies(text, architecture)? {
        let shown = || dependency.to_string();
        let [possibility] = dependency.alternatives.as_slice() else {
            return Err(RelationError::new(
                &shown(),
                "`Provides` has no alternatives",
            ));
        };
        let version = match &possibility.constraint {
            None => None,
            Some(constraint) if constraint.operator == Operator::Equal => {
                Some(constraint.version.clone())
            }
            Some(_) => {
                return Err(RelationError::new(&shown(), "`Provides` knows only `=`"));
            }
        };
        provides.push(Provide {
            name: possibility.name.clone(),
            version,
        });
    }
    Ok(provides)
}

/// Takes what stands between the brackets at the front of `rest`, if they are there.
fn take_bracketed<'a>(
    rest: &mut &'a str,
    open: char,
    close: char,
    whole: &str,
) -> Result<Option<&'a str>, RelationError> {
    *rest = rest.trim_ascii_start();
    let Some(inside) = rest.strip_prefix(open) else {
        return Ok(None);
    };
    let Some((inside, after)) = inside.split_once(close) else {
        return Err(RelationError::new(whole, "a bracket is not closed"));
    };
    *rest = after;
    Ok(Some(inside))
}

fn parse_possibility(text: &str, architecture: &str) -> Result<Option<Possibility>, RelationError> {
    let text = text.trim_ascii();
    let name_end = text
        .find(|character: char| character.is_ascii_whitespace() || "([<:".contains(character))
        .unwrap_or(text.len());
    let (name, mut rest) = text.split_at(name_end);
    if !is_package_name(name) {
        return Err(RelationError::new(
            text,
            "a package's name must be there, of letters, digits and `+-._`",
        ));
    }
    let mut qualifier = None;
    if let Some(after) = rest.strip_prefix(':') {
        let end = after
            .find(|character: char| character.is_ascii_whitespace() || "([<".contains(character))
            .unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        if !architecture::is_name(word) {
            return Err(RelationError::new(
                text,
                "after `:` must stand `any`, `native` or an architecture",
            ));
        }
        qualifier = Some(word.to_owned());
        rest = after;
    }
    let constraint = match take_bracketed(&mut rest, '(', ')', text)? {
        None => None,
        Some(inside) => Some(Constraint::parse(inside)?),
    };
    let mut applies = true;
    if let Some(list) = take_bracketed(&mut rest, '[', ']', text)? {
        applies &= applies_to(list, architecture, text)?;
    }
    // Groups of profiles are alternatives to each other; the terms in one must all hold.
    let (mut groups, mut held) = (0, false);
    while let Some(group) = take_bracketed(&mut rest, '<', '>', text)? {
        groups += 1;
        held |= group
            .split_ascii_whitespace()
            .all(|term| term.starts_with('!'));
    }
    applies &= groups == 0 || held;
    if !rest.trim_ascii().is_empty() {
        return Err(RelationError::new(text, "something stands after its end"));
    }
    Ok(applies.then(|| Possibility {
        name: name.to_owned(),
        qualifier,
        constraint,
    }))
}

/// Whether an architecture list, without its brackets, holds for this architecture.
fn applies_to(list: &str, architecture: &str, whole: &str) -> Result<bool, RelationError> {
    let mut plain = 0;
    let mut negated = 0;
    let mut matched = false;
    for term in list.split_ascii_whitespace() {
        let pattern = match term.strip_prefix('!') {
            Some(pattern) => {
                negated += 1;
                pattern
            }
            None => {
                plain += 1;
                term
            }
        };
        matched |= architecture::matches(pattern, architecture);
    }
    match (plain, negated) {
        (0, 0) => Err(RelationError::new(whole, "the architecture list is empty")),
        (0, _) => Ok(!matched),
        (_, 0) => Ok(matched),
        _ => Err(RelationError::new(
            whole,
            "an architecture list mixes names with and without `!`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, architecture: &str) -> String {
        let all = parse_dependencies(text, architecture).expect(text);
        let each: Vec<_> = all.iter().map(Dependency::to_string).collect();
        each.join(", ")
    }

    #[test]
    fn relations_are_read_whatever_their_blanks() {
        assert_eq!(
            shown("libc6(>=2.36),a|b:any", "amd64").as_str(),
            "libc6 (>= 2.36), a | b:any",
        );
    }

    #[test]
    fn architectures_and_profiles_leave_out_what_is_not_for_us() {
        let text = "a [amd64], b [!amd64] | c, d <!nocheck>, e <stage1>, f [linux-any], g [any-arm64], h [hurd-any] <!x> <y>";
        assert_eq!(shown(text, "amd64"), "a, c, d, f");
        assert_eq!(shown(text, "arm64"), "b | c, d, f, g");
    }

    #[test]
    fn constraints_hold_as_written() {
        let version = Version::new("1.5").expect("a version");
        for (constraint, met) in [
            ("<< 1.5", false),
            ("<= 1.5", true),
            ("= 1.5-0", true),
            (">= 1.5", true),
            (">> 1.5", false),
            ("< 1.5", true),
            (">1.4", true),
        ] {
            let constraint = Constraint::parse(constraint).expect(constraint);
            assert_eq!(constraint.is_met_by(&version), met, "{constraint}");
        }
    }

    #[test]
    fn provides_carry_versions_only_with_equals() {
        let provides = parse_provides("awk, mta (= 1.0)", "amd64").expect("provides");
        assert_eq!(provides[0].to_string(), "awk");
        assert_eq!(provides[1].to_string(), "mta (= 1.0)");
        assert!(parse_provides("mta (>= 1.0)", "amd64").is_err());
        assert!(parse_provides("a | b", "amd64").is_err());
    }

    #[test]
    fn refuses_malformed_relations() {
        for text in [
            "(>= 1)",
            "a (1)",
            "a (>= )",
            "a (>= 1",
            "a |",
            "a b",
            "a (= 1) x",
            "-a",
            "a:",
            "a [",
            "a []",
            "a [x !y]",
            "../a",
            "a (=< 1)",
        ] {
            assert!(parse_dependencies(text, "amd64").is_err(), "{text}");
        }
    }
}
