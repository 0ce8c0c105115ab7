//! Maintainer scripts explained as declarative effects, and those effects applied to a tree.

pub mod apply;
mod effect;
mod explain;

pub use effect::{Condition, Effect, Pages, Slave, Writer};
pub use explain::{
    Explanation, LineReport, Meaning, PackageScripts, ScriptReport, Unexplained, Verdict, explain,
    explain_answered,
};
