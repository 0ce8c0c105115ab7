//! Why a file is reached.

use std::fmt;

/// Why a file is reached, seen from the file that leads to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A root matches it.
    Root(String),
    /// A pattern of what is to be kept matches it.
    Keep(String),
    /// The spec places it.
    Spec(String),
    /// An effect of a maintainer script, or Basalt itself, makes it.
    Made(String),
    /// What an effect or the spec makes points to it.
    MadeLink,
    /// It is a link on the way to what is reached.
    Link(String),
    /// It is the same file under another name.
    SameFile,
    /// `PT_INTERP`: the program's dynamic linker.
    Linker,
    /// `ld.so.conf` and what it includes.
    LinkerConfiguration,
    /// `DT_NEEDED`.
    Needed(String),
    /// A name in read-only data: of a library, or a path.
    Named(String),
    /// A script's `#!` line.
    Interpreter(String),
    /// An import of Python or Perl, with its line.
    Import {
        /// The module.
        module: String,
        /// The line of the statement.
        line: usize,
    },
    /// A module that the interpreter itself imports.
    Builtin {
        /// The module.
        module: String,
        /// What imports it: a part of the interpreter without a file.
        by: String,
    },
    /// A codec named by a literal, with its line.
    Codec {
        /// The codec.
        name: String,
        /// The line.
        line: usize,
    },
    /// A path in a text, with its line.
    Text(usize),
    /// A module that `nsswitch.conf` names, or a table that libc's look-ups read.
    NameService(String),
    /// A table or module of iconv.
    CharacterSets,
    /// The locale of a program that asks for one.
    Locale,
    /// OpenSSL's configuration, or a module that it names.
    OpenSsl,
    /// The authorities that a TLS library trusts.
    Certificates,
    /// The licence of a package of which something is reached.
    Copyright(String),
    /// A directory, empty in the package, that its programs may write to.
    StateDirectory(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(pattern) => write!(f, "root {pattern}"),
            Self::Keep(pattern) => write!(f, "kept by {pattern}"),
            Self::Spec(place) => write!(f, "placed by the spec, {place}"),
            Self::Made(what) => write!(f, "made: {what}"),
            Self::MadeLink => f.write_str("what is made points to it"),
            Self::Link(to) => write!(f, "link on the way to {to}"),
            Self::SameFile => f.write_str("the same file under another name"),
            Self::Linker => f.write_str("dynamic linker"),
            Self::LinkerConfiguration => f.write_str("configuration of the dynamic linker"),
            Self::Needed(name) => write!(f, "needed library {name}"),
            Self::Named(name) => write!(f, "named in read-only data: {name}"),
            Self::Interpreter(name) => write!(f, "script's interpreter {name}"),
            Self::Import { module, line } => write!(f, "imports {module}, line {line}"),
            Self::Builtin { module, by } => write!(f, "{by} imports {module}"),
            Self::Codec { name, line } => write!(f, "names the codec {name}, line {line}"),
            Self::Text(line) => write!(f, "named in line {line}"),
            Self::NameService(name) => write!(f, "name service {name}"),
            Self::CharacterSets => f.write_str("character sets of iconv"),
            Self::Locale => f.write_str("locale C.UTF-8"),
            Self::OpenSsl => f.write_str("configuration of OpenSSL"),
            Self::Certificates => f.write_str("authorities that TLS trusts"),
            Self::Copyright(package) => write!(f, "licence of {package}"),
            Self::StateDirectory(package) => {
                write!(f, "empty directory of {package}, for its state")
            }
        }
    }
}
