//! Which files of a finished tree are reached from its programs, and why each is.
//!
//! From the roots it follows what can be known without running anything: the dynamic linker's way to
//! libraries with the versions they must define, links, script interpreters, names in read-only data,
//! imports of Python and Perl, and the tables of iconv, NSS, locales and OpenSSL. What only a run could tell (a
//! directory that is scanned, a name that is put together) becomes a [`Question`], never a guess.
//!
//! It reads contents through [`basalt_tree::Contents`] and does no other I/O. The same tree and
//! [`Wish`] always give the same answer.

mod charsets;
mod configuration;
mod elf;
mod error;
mod finish;
mod fold;
mod libraries;
mod names;
pub mod perl;
mod propose;
pub mod python;
mod reach;
mod reason;
mod scripts;
mod services;
mod walk;

pub use error::ReachError;
pub use fold::{Folded, fold};
pub use propose::{Proposal, propose};
pub use reach::{Question, Reach, Reached, Wish, reach};
pub use reason::Reason;
