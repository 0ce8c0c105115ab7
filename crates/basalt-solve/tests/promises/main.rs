//! What is promised of a closure, each on an archive made for it.

mod choices;
mod errors;
mod support;
