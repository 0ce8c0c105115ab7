//! Why no closure was found, in plain words.

use std::fmt;

use basalt_deb::packages::{Fault, IndexError};

use crate::explain::shortened;

/// Why the wanted packages cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum SolveError {
    /// An index is damaged.
    #[error("the index {label} cannot be read; fetch it anew")]
    Index {
        /// Its label.
        label: String,
        /// What is wrong with it.
        source: IndexError,
    },
    /// The version to take has a stanza in the index that cannot be used.
    #[error("{label}: {fault}; ask for another version of it, or have the archive mended{}", After(.consequence))]
    Unusable {
        /// Which index, counted as given to [`crate::Universe::new`].
        index: usize,
        /// Its label.
        label: String,
        /// What is wrong with it.
        fault: Box<Fault>,
        /// What cannot be had for that reason; empty when it is what was asked for.
        consequence: String,
    },
    /// No index has the name.
    #[error("no package is named {name} in {archives}{}", Suggestion(.similar))]
    NotFound {
        /// The name asked for.
        name: String,
        /// The indexes looked in.
        archives: String,
        /// Names nearly so.
        similar: Vec<String>,
    },
    /// The name is virtual and more than one package provides it.
    #[error("{name} is provided by more than one package: {}; ask for the one wanted", shortened(.providers, ", "))]
    Ambiguous {
        /// The name asked for.
        name: String,
        /// Who provides it.
        providers: Vec<String>,
    },
    /// The package is there, but not in that version.
    #[error("{wanted} is asked for, but {available}; ask for a version that is there")]
    NoSuchVersion {
        /// The demand.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// The package is both wanted and excluded.
    #[error("{name} is asked for and excluded; take it out of one of the two")]
    Excluded {
        /// The name.
        name: String,
    },
    /// What a wanted package needs cannot be had.
    #[error("{wanted} cannot be installed:\n{}", Lines(.reasons))]
    Unsatisfiable {
        /// The wanted package.
        wanted: String,
        /// The chain of reasons, from the wanted package to the last cause.
        reasons: Vec<String>,
    },
}

struct Suggestion<'names>(&'names [String]);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("; see that the name and the suite are right");
        }
        write!(formatter, "; is {} meant?", self.0.join(" or "))
    }
}

struct After<'text>(&'text str);

impl fmt::Display for After<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            text => write!(formatter, "\n{text}"),
        }
    }
}

struct Lines<'lines>(&'lines [String]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "  {line}")?;
        }
        Ok(())
    }
}
