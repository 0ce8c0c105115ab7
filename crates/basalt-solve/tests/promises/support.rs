//! Small archives, written out in the tests.

use basalt_deb::packages::{CompiledIndex, compile};
use basalt_deb::relation::Constraint;
use basalt_deb::version::Version;
use basalt_digest::Digest;
use basalt_solve::{Closure, Pin, Request, SolveError, Universe, Want};

const ARCHITECTURE: &str = "amd64";

/// Indexes with their labels, of the same priority.
pub struct Archives(Vec<(String, CompiledIndex)>);

/// Reads stanzas of a `Packages` file; what a stanza lacks (`Version: 1`,
/// `Architecture: amd64`, where the file is) is put in.
fn index(text: &str) -> CompiledIndex {
    index_for(text, ARCHITECTURE)
}

/// The same for an architecture.
pub fn index_for(text: &str, architecture: &str) -> CompiledIndex {
    let mut whole = String::new();
    for stanza in text.trim().split("\n\n").map(str::trim) {
        whole.push_str(stanza);
        for (field, value) in [
            ("Version", "1"),
            ("Architecture", architecture),
            ("Filename", "pool/file.deb"),
            ("Size", "1"),
            ("SHA256", &Digest::of(stanza.as_bytes()).hex()),
        ] {
            if !stanza
                .lines()
                .any(|line| line.starts_with(&format!("{field}:")))
            {
                whole.push_str(&format!("\n{field}: {value}"));
            }
        }
        whole.push_str("\n\n");
    }
    let compiled = compile(whole.as_bytes(), architecture).expect("the stanzas compile");
    CompiledIndex::open(compiled).expect("the index opens")
}

impl Archives {
    /// One index, `debian trixie main`.
    pub fn one(text: &str) -> Self {
        Self::many(&[("debian trixie main", text)])
    }

    /// Several, each with its label.
    pub fn many(suites: &[(&str, &str)]) -> Self {
        Self(
            suites
                .iter()
                .map(|(label, text)| ((*label).to_owned(), index(text)))
                .collect(),
        )
    }

    /// What comes of a request, with priorities in the order of the indexes.
    pub fn solve_by_priority(
        &self,
        priorities: &[i32],
        request: &Request,
    ) -> Result<Closure, SolveError> {
        let archives = self
            .0
            .iter()
            .zip(priorities)
            .map(|((label, index), priority)| (label.clone(), index, *priority))
            .collect();
        basalt_solve::solve(&Universe::new(ARCHITECTURE, archives), request)
    }

    /// What comes of a request.
    pub fn solve(&self, request: &Request) -> Result<Closure, SolveError> {
        self.solve_by_priority(&vec![500; self.0.len()], request)
    }

    /// The closure of some names, as `name version` each.
    pub fn closure(&self, names: &[&str]) -> Vec<String> {
        self.set(&wanting(names))
    }

    /// The closure of a request, as `name version` each.
    pub fn set(&self, request: &Request) -> Vec<String> {
        listed(&self.solve(request).expect("there is a closure"))
    }

    /// Why there is no closure of a request.
    pub fn error(&self, request: &Request) -> String {
        self.solve(request).expect_err("there is none").to_string()
    }
}

/// A closure as `name version` each.
pub fn listed(closure: &Closure) -> Vec<String> {
    closure
        .packages
        .iter()
        .map(|chosen| format!("{} {}", chosen.record.name, chosen.record.version))
        .collect()
}

/// A request for names, each perhaps with a constraint: `tool (>= 2)`.
pub fn wanting(names: &[&str]) -> Request {
    let install = names
        .iter()
        .map(|text| match text.split_once(" (") {
            Some((name, constraint)) => Want {
                name: name.to_owned(),
                constraint: Some(
                    Constraint::parse(constraint.trim_end_matches(')')).expect("a constraint"),
                ),
            },
            None => Want {
                name: (*text).to_owned(),
                constraint: None,
            },
        })
        .collect();
    Request {
        install,
        ..Request::default()
    }
}

/// A pin.
pub fn pin(name: &str, version: &str) -> Pin {
    Pin {
        name: name.to_owned(),
        version: version.parse::<Version>().expect("a version"),
    }
}
