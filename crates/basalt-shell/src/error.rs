//! Why a script cannot be parsed.

/// What is wrong with a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is longer than [`crate::MAXIMUM_SIZE`].
    #[error("the script is longer than 1 MiB")]
    TooLong,
    /// It nests deeper than [`crate::MAXIMUM_DEPTH`].
    #[error("commands or quotes nest too deeply")]
    TooDeep,
    /// It has more parts than [`crate::MAXIMUM_PARTS`].
    #[error("the script has too many parts")]
    TooManyParts,
    /// A character stands where none of its kind can.
    #[error("`{0}` is not expected here")]
    Unexpected(char),
    /// The script ends in the middle of something.
    #[error("the script ends before {0}")]
    Ends(&'static str),
    /// Something else was needed.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Shell that this parser does not know.
    #[error("{0} is not understood")]
    Unknown(&'static str),
}

/// Why a script cannot be parsed, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: Problem,
}
