//! What is found wrong.

use std::collections::BTreeSet;

use serde::Serialize;

/// The most problems, and the most leftovers, that are named. All are counted.
const MAXIMUM_NAMED: usize = 10_000;

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The database is not sound.
    Database,
    /// The bytes of a blob are not there.
    Missing,
    /// A blob has another length.
    Length,
    /// A blob has another digest.
    Digest,
    /// A blob is known to be damaged and was put aside.
    Quarantined,
    /// A manifest's bytes are not what they should be.
    Manifest,
    /// The database says something else of a manifest than its bytes.
    Facts,
    /// A manifest needs what is not there.
    Needs,
    /// The audit log was changed.
    Audit,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind it is.
    pub kind: Kind,
    /// What it is about: a digest, `repository@digest`, a chain.
    pub object: String,
    /// What is wrong, and how it is mended.
    pub detail: String,
    /// What it hurts, by name or digest; the first hundred.
    pub hurts: Vec<String>,
}

/// A file that belongs to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// Its path in the registry's folder.
    pub path: String,
    /// Its length, in bytes.
    pub bytes: u64,
}

/// What was looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Blobs that were looked at.
    pub blobs: u64,
    /// Their bytes, as far as they were read.
    pub blob_bytes: u64,
    /// Manifests that were looked at.
    pub manifests: u64,
    /// Lines of the audit log.
    pub audit_lines: u64,
    /// How many problems there are.
    pub problem_count: u64,
    /// The first ten thousand of them.
    pub problems: Vec<Problem>,
    /// How many files belong to nothing.
    pub leftover_count: u64,
    /// The first ten thousand of them. They are no harm: a running server removes them.
    pub leftovers: Vec<Leftover>,
}

impl Report {
    /// Notes a problem.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        object: impl Into<String>,
        detail: impl Into<String>,
        hurts: Vec<String>,
    ) {
        self.problem_count += 1;
        if self.problems.len() < MAXIMUM_NAMED {
            self.problems.push(Problem {
                kind,
                object: object.into(),
                detail: detail.into(),
                hurts,
            });
        }
    }

    /// Notes a file that belongs to nothing.
    pub(super) fn leave(&mut self, leftover: Leftover) {
        self.leftover_count += 1;
        if self.leftovers.len() < MAXIMUM_NAMED {
            self.leftovers.push(leftover);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    /// What is hurt, each once.
    pub fn hurt(&self) -> BTreeSet<&str> {
        let hurts = self.problems.iter().flat_map(|problem| &problem.hurts);
        hurts.map(String::as_str).collect()
    }
}
