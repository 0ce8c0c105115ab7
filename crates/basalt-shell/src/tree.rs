//! The parts of a script.

/// The lines of a part, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lines {
    /// The line it begins in.
    pub first: usize,
    /// The line it ends in.
    pub last: usize,
}

/// A whole script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Its commands.
    pub list: List,
    /// The here-documents that its redirections name.
    pub documents: Vec<Document>,
}

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its text: one quoted piece if the mark was quoted, else pieces as in double quotes.
    pub body: Vec<Piece>,
    /// Whether the mark was quoted, so that nothing in it is expanded.
    pub quoted: bool,
    /// The lines of its text.
    pub lines: Lines,
}

/// Commands one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Its commands.
    pub items: Vec<Item>,
}

/// One and-or list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is run.
    pub and_or: AndOr,
    /// Whether it ends in `&`.
    pub background: bool,
}

/// Pipelines joined by `&&` and `||`, from left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AndOr {
    /// The first.
    pub first: Pipeline,
    /// Those that follow, and how each is joined to what stands before it.
    pub rest: Vec<(Joint, Pipeline)>,
}

/// How two pipelines are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// `&&`
    And,
    /// `||`
    Or,
}

/// Commands joined by `|`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Whether it begins with `!`.
    pub negated: bool,
    /// The commands: one or more.
    pub commands: Vec<Command>,
}

/// A command with its redirections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What it is.
    pub kind: Kind,
    /// Its redirections, in order.
    pub redirections: Vec<Redirection>,
    /// Its lines, without those of here-documents.
    pub lines: Lines,
}

/// What a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Assignments, then words.
    Simple {
        /// Assignments before the words.
        assignments: Vec<Assignment>,
        /// The name of the command and its arguments; may be none.
        words: Vec<Word>,
    },
    /// `{ …; }`
    Group(List),
    /// `( … )`
    Subshell(List),
    /// `if`, and each `elif`.
    If {
        /// Condition and body of `if` and of each `elif`.
        branches: Vec<Branch>,
        /// The body of `else`.
        otherwise: Option<List>,
    },
    /// `case`
    Case {
        /// What is compared.
        word: Word,
        /// The arms.
        arms: Vec<Arm>,
    },
    /// `for`
    For {
        /// The variable.
        name: String,
        /// The words after `in`; without them `"$@"`.
        words: Option<Vec<Word>>,
        /// The body.
        body: List,
    },
    /// `while`, or `until`.
    While {
        /// Whether it is `until`.
        until: bool,
        /// What is asked each time.
        condition: List,
        /// The body.
        body: List,
    },
    /// The definition of a function.
    Function {
        /// Its name.
        name: String,
        /// Its body.
        body: Box<Command>,
    },
    /// `[[ … ]]` of bash: the words between, operators among them as plain words.
    Brackets(Vec<Word>),
}

/// A condition and what is run when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The condition.
    pub condition: List,
    /// The body.
    pub body: List,
}

/// An arm of `case`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// The patterns, one or more.
    pub patterns: Vec<Word>,
    /// The body.
    pub body: List,
}

/// `name=value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// The value; may have no pieces.
    pub value: Word,
}

/// A redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirection {
    /// The file descriptor before the mark, if one is written.
    pub descriptor: Option<u32>,
    /// The mark.
    pub kind: RedirectionKind,
    /// What follows it.
    pub target: Target,
}

/// The mark of a redirection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectionKind {
    /// `<`
    Read,
    /// `>` or `>|`
    Write,
    /// `>>`
    Append,
    /// `<>`
    ReadWrite,
    /// `<&`
    CopyRead,
    /// `>&`
    CopyWrite,
    /// `&>` of bash
    WriteBoth,
    /// `<<` or `<<-`
    HereDocument,
    /// `<<<` of bash
    HereString,
}

/// What a redirection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A word.
    Word(Word),
    /// A here-document, by its place in [`Script::documents`].
    Document(usize),
}

/// A word as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// Its pieces, one after the other.
    pub pieces: Vec<Piece>,
    /// Its lines.
    pub lines: Lines,
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bare text, in which `*`, `?`, `[` and a leading `~` have their meaning; in double quotes
    /// and here-documents, plain text.
    Text(String),
    /// Text in single quotes, or after a backslash.
    Quoted(String),
    /// `"…"`
    Double(Vec<Piece>),
    /// `$name` or `${…}`
    Parameter(Parameter),
    /// `$(…)` or `` `…` ``
    Command(List),
    /// `$((…))`, as it is written
    Arithmetic(String),
}

/// The expansion of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// A name, a number, or one of `@*#?-$!`.
    pub name: String,
    /// What is done to its value.
    pub operation: Operation,
}

/// What is done to the value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Nothing.
    Value,
    /// `${#name}`
    Length,
    /// `${name-word}`; with a colon also when empty.
    Default {
        /// Whether there is a colon.
        colon: bool,
        /// The word.
        word: Word,
    },
    /// `${name=word}`
    Assign {
        /// Whether there is a colon.
        colon: bool,
        /// The word.
        word: Word,
    },
    /// `${name?word}`
    Fail {
        /// Whether there is a colon.
        colon: bool,
        /// The word.
        word: Word,
    },
    /// `${name+word}`
    Alternative {
        /// Whether there is a colon.
        colon: bool,
        /// The word.
        word: Word,
    },
    /// `${name#pattern}`, `${name##pattern}`
    WithoutPrefix {
        /// Whether the longest match is taken away.
        longest: bool,
        /// The pattern.
        pattern: Word,
    },
    /// `${name%pattern}`, `${name%%pattern}`
    WithoutSuffix {
        /// Whether the longest match is taken away.
        longest: bool,
        /// The pattern.
        pattern: Word,
    },
}

impl Word {
    /// The text of a word that is bare text only: nothing in it is quoted or expanded.
    pub fn bare(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}
