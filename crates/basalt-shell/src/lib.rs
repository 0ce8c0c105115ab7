//! A parser of POSIX shell, as maintainer scripts are written in it.
//!
//! It makes a tree in which every command and word knows its lines, runs nothing and expands nothing.
//! What it does not know (arrays, `select`, process substitution) is an error with its line, never a
//! guess. Size, depth and number of parts are bounded.

mod compound;
mod error;
mod heredoc;
mod parser;
mod print;
mod tree;
mod word;

pub use error::{ParseError, Problem};
pub use tree::{
    AndOr, Arm, Assignment, Branch, Command, Document, Item, Joint, Kind, Lines, List, Operation,
    Parameter, Piece, Pipeline, Redirection, RedirectionKind, Script, Target, Word,
};

/// A longer script is not read.
pub const MAXIMUM_SIZE: usize = 1 << 20;

/// Deeper nesting of commands, substitutions and quotes is not read.
pub const MAXIMUM_DEPTH: usize = 48;

/// More words, commands and parts of words than this in one script are not read.
pub const MAXIMUM_PARTS: usize = 200_000;

/// Parses a whole script.
///
/// # Errors
/// When it is no shell that this parser knows, or exceeds a bound.
pub fn parse(text: &str) -> Result<Script, ParseError> {
    parser::script(text)
}
