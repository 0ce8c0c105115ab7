//! The closures are those apt comes to, for packages drawn from Debian's
//! archive.
//!
//! Runs apt in a sandbox of its own (its own lists, an empty dpkg status), with
//! the mirrors of the machine's apt sources. `BASALT_ORACLE_COUNT` and
//! `BASALT_ORACLE_SEED` say how many packages are drawn and how;
//! `BASALT_ORACLE_SANDBOX` names a directory in which the lists and apt's
//! answers stay between runs; `BASALT_REPORT` a file the report is written to.

mod apt;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use basalt_deb::packages::{self, CompiledIndex};
use basalt_solve::{Closure, Request, SolveError, Universe, Want, solve};

const ARCHITECTURE: &str = "amd64";
const SUITES: [(&str, &str); 3] = [
    ("debian", "trixie"),
    ("debian", "trixie-updates"),
    ("debian-security", "trixie-security"),
];

/// A set of packages: name and version.
type Set = BTreeMap<String, String>;

/// What both sides come to for one package.
struct Compared<'name> {
    name: &'name str,
    ours: Result<Closure, SolveError>,
    theirs: Option<Set>,
    /// How long ours took.
    time: Duration,
}

impl Compared<'_> {
    fn our_set(&self) -> Option<Set> {
        self.ours.as_ref().ok().map(|closure| {
            closure
                .packages
                .iter()
                .map(|chosen| {
                    let record = &chosen.record;
                    (record.name.clone(), record.version.to_string())
                })
                .collect()
        })
    }

    fn is_equal(&self) -> bool {
        self.our_set() == self.theirs
    }
}

fn number_from(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// A draw without repeats, the same for the same seed (SplitMix64).
fn draw<'name>(names: &[&'name str], count: usize, seed: u64) -> Vec<&'name str> {
    let mut state = seed;
    let mut drawn = BTreeSet::new();
    while drawn.len() < count.min(names.len()) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        drawn.insert(names[(mixed % names.len() as u64) as usize]);
    }
    drawn.into_iter().collect()
}

/// A list's suite, of its file's name.
fn suite(list: &Path) -> String {
    let name = list.file_name().expect("a name").to_string_lossy();
    let suite = name
        .split_once("_dists_")
        .and_then(|(_, rest)| rest.split('_').next());
    suite.expect("a suite").to_owned()
}

#[test]
#[ignore = "needs the archive; run by ./test peers"]
fn closures_are_those_apt_comes_to() {
    let count = number_from("BASALT_ORACLE_COUNT", 300) as usize;
    let seed = number_from("BASALT_ORACLE_SEED", 20_261_123);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let root = std::env::var("BASALT_ORACLE_SANDBOX")
        .map_or_else(|_| folder.path().to_owned(), PathBuf::from);
    let sandbox = apt::Sandbox::new(&root);
    let lists = sandbox.lists();
    let texts: Vec<String> = lists
        .iter()
        .map(|path| fs::read_to_string(path).expect("a list"))
        .collect();
    let indexes: Vec<CompiledIndex> = texts
        .iter()
        .map(|text| {
            let compiled =
                packages::compile(text.as_bytes(), ARCHITECTURE).expect("the list compiles");
            CompiledIndex::open(compiled).expect("the index opens")
        })
        .collect();
    let named = lists.iter().map(|path| suite(path)).zip(&indexes);
    let universe = Universe::new(
        ARCHITECTURE,
        named.map(|(suite, index)| (suite, index, 500)).collect(),
    );
    let stanzas = apt::stanzas(&texts);
    let names: Vec<&str> = stanzas
        .keys()
        .map(|(name, _)| *name)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let drawn = draw(&names, count, seed);

    sandbox.closure("dpkg"); // Builds apt's own cache, once.
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(name) = drawn.get(next.fetch_add(1, Ordering::Relaxed)) {
                    sandbox.closure(name);
                }
            });
        }
    });

    let compared: Vec<Compared<'_>> = drawn
        .iter()
        .map(|name| {
            let request = Request {
                install: vec![Want {
                    name: (*name).to_owned(),
                    constraint: None,
                }],
                ..Request::default()
            };
            let start = Instant::now();
            let ours = solve(&universe, &request);
            Compared {
                name,
                ours,
                time: start.elapsed(),
                theirs: sandbox.closure(name),
            }
        })
        .collect();
    let mut invalid = Vec::new();
    for one in compared.iter().filter(|one| !one.is_equal()) {
        let is_sound = one
            .our_set()
            .is_some_and(|ours| apt::is_valid(folder.path(), &ours, &stanzas));
        if !is_sound {
            invalid.push(one.name);
        }
    }
    let report = report::Report {
        seed,
        apt_version: sandbox.version(),
        compared: &compared,
        invalid: &invalid,
        indexes: &indexes,
        lists: &lists,
    }
    .to_string();
    println!("{report}");
    if let Some(slowest) = compared.iter().max_by_key(|one| one.time) {
        // Not part of the report: it differs from run to run.
        println!("the slowest took {:?}: {}", slowest.time, slowest.name);
    }
    if let Ok(path) = std::env::var("BASALT_REPORT") {
        fs::write(path, &report).expect("the report is written");
    }
    let equal = compared.iter().filter(|one| one.is_equal()).count();
    assert!(invalid.is_empty(), "these are not valid: {invalid:?}");
    assert!(
        equal * 100 >= compared.len() * 99,
        "fewer than 99 of 100 are equal"
    );
}
