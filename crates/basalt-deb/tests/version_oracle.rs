//! The order of versions is dpkg's: `dpkg --compare-versions` is asked about hard pairs, about
//! generated ones, and about the versions of Debian's archive.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use basalt_deb::stanza::Stanzas;
use basalt_deb::version::Version;

/// Pairs that implementations get wrong: tildes, letters and signs, zeros, long numbers, missing
/// revisions, hyphens in the upstream version, colons after the epoch.
const HARD: &[(&str, &str)] = &[
    ("1.0~", "1.0"),
    ("1.0~~", "1.0~"),
    ("1.0~~a", "1.0~"),
    ("1.0~a", "1.0~~"),
    ("1.0~", "1.0-0"),
    ("1.0-~", "1.0"),
    ("1.0-0~", "1.0-0"),
    ("1.0-0", "1.0"),
    ("1.0-00", "1.0-0"),
    ("1.0-0.0", "1.0"),
    ("1.0-a", "1.0-"),
    ("1.", "1.0"),
    ("1.a", "1.0a"),
    ("1.0", "1.00"),
    ("1.01", "1.1"),
    ("01", "1"),
    ("0", "~"),
    ("0a", "a"),
    ("1a", "1+"),
    ("1+", "1-"),
    ("1+", "1."),
    ("1.", "1-1"),
    ("1.", "1~"),
    ("1a", "1."),
    ("1A", "1a"),
    ("1Z", "1a"),
    ("1z", "1."),
    ("1.0+dfsg", "1.0"),
    ("1.0+dfsg-1", "1.0-1"),
    ("1.0.dfsg", "1.0+dfsg"),
    ("1.0-1.1", "1.0-1+b1"),
    ("1.0-1+b9", "1.0-1+b10"),
    ("1.0-1~bpo12+1", "1.0-1"),
    ("1.0-1+deb13u1", "1.0-1"),
    ("1.0-1+deb13u1", "1.0-1.1"),
    ("1.0-rc1-1", "1.0-1"),
    ("1.0-rc1-1", "1.0-rc1"),
    ("1.0-1-1", "1.0-1"),
    ("1:0", "999"),
    ("0:1", "1"),
    ("00:1", "0:1"),
    ("1:1:2", "1:1.2"),
    ("1:1:2", "1:1+2"),
    ("2147483647:0", "1:0"),
    ("2147483648:0", "1:0"),
    ("4294967296:0", "1:0"),
    ("18446744073709551616", "18446744073709551615"),
    ("100000000000000000000000", "99999999999999999999999"),
    ("000000000000000000000000000001", "2"),
    ("9:1a:b", "9:1ab"),
    ("20240203", "20240203+really"),
    ("5.3.28+dfsg2-9", "5.3.28+dfsg1-10"),
    ("7.88.1-10+deb12u14", "7.88.1-10+deb12u5"),
    ("2.41-12+deb13u1", "2.41-12"),
    ("a", "b"),
    ("a1", "1"),
    ("~1", "1"),
    ("1.2.3", "1.2"),
    ("1.2.3", "1.2-3"),
    (":1", "1"),
    ("1:", "1"),
    ("a:1", "1"),
    ("-1", "1"),
    ("1_0", "1"),
    ("1-é", "1"),
    ("1-1:1", "1"),
    ("1 1", "1"),
];

/// What dpkg says of each pair; `None` where it says that one of them is no version. A first
/// character that is no digit it only warns of, and compares all the same.
///
/// A process is started per question, as dpkg answers one at a time; shells share them out.
fn dpkg(pairs: &[(&str, &str)]) -> Vec<Option<Ordering>> {
    const SCRIPT: &str = r#"
while IFS='|' read -r left right; do
    if said=$(dpkg --compare-versions "$left" lt "$right" 2>&1); then answer=lt
    elif said=$(dpkg --compare-versions "$left" eq "$right" 2>&1); then answer=eq
    else answer=gt; fi
    if [ -n "$said" ] && echo "$said" | grep -qv 'does not start with digit$'; then answer=bad; fi
    echo $answer
done"#;
    let shells = std::thread::available_parallelism().map_or(2, usize::from);
    let share = pairs.len().div_ceil(shells).max(1);
    let run = |part: &[(&str, &str)]| {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs a shell and dpkg");
        let mut input = shell.stdin.take().expect("a pipe");
        let text: String = part
            .iter()
            .map(|(left, right)| format!("{left}|{right}\n"))
            .collect();
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let output = shell.wait_with_output().expect("the shell ends");
        writer.join().expect("a writer").expect("questions");
        let answers: Vec<Option<Ordering>> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| match line {
                "lt" => Some(Ordering::Less),
                "eq" => Some(Ordering::Equal),
                "gt" => Some(Ordering::Greater),
                _ => None,
            })
            .collect();
        assert_eq!(answers.len(), part.len(), "an answer to each question");
        answers
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = pairs
            .chunks(share)
            .map(|part| scope.spawn(move || run(part)))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().expect("the answers"))
            .collect()
    })
}

/// Fails with every pair of which dpkg says otherwise.
fn agree(pairs: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (pair, theirs) in pairs.iter().zip(dpkg(pairs)) {
        let ours = match (Version::new(pair.0), Version::new(pair.1)) {
            (Ok(left), Ok(right)) => Some(left.cmp(&right)),
            _ => None,
        };
        if ours != theirs {
            wrong.push(format!(
                "{} and {}: {ours:?}, dpkg: {theirs:?}",
                pair.0, pair.1
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} pairs:\n{}",
        wrong.len(),
        pairs.len(),
        wrong.join("\n")
    );
}

/// A deterministic source of numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) % limit as u64) as usize
    }

    /// A text of up to six pieces that versions are made of, a version most times.
    fn version(&mut self) -> String {
        const PIECES: &[&str] = &[
            "0", "1", "10", "9", "00", "01", ".", "+", "~", "-", "a", "b", "Z", "rc", "~~", "-1",
            "+b1", "-0", "~0", ":",
        ];
        let mut text = ["", "", "0:", "1:"][self.below(4)].to_owned();
        text.push_str(["0", "1", "1.0", "2"][self.below(4)]);
        for _ in 0..self.below(6) {
            text.push_str(PIECES[self.below(PIECES.len())]);
        }
        text
    }

    /// The same text with one piece put in, taken out or doubled, so that the two are near.
    fn neighbour(&mut self, text: &str) -> String {
        let place = self.below(text.len() + 1);
        let (front, back) = text.split_at(place);
        match self.below(3) {
            0 => format!("{front}{}{back}", ["0", "~", "a", ".", "-0"][self.below(5)]),
            1 => format!("{front}{}", back.get(1..).unwrap_or_default()),
            _ => format!("{front}{}{back}", back.get(..1).unwrap_or_default()),
        }
    }
}

#[test]
fn hard_pairs_are_ordered_as_dpkg_does() {
    let both: Vec<(&str, &str)> = HARD
        .iter()
        .flat_map(|(left, right)| [(*left, *right), (*right, *left)])
        .collect();
    agree(&both);
}

#[test]
fn generated_pairs_are_ordered_as_dpkg_does() {
    let mut numbers = Numbers(20_261_123);
    let texts: Vec<(String, String)> = (0..800)
        .map(|place| {
            let left = numbers.version();
            let right = match place % 2 {
                0 => numbers.version(),
                _ => numbers.neighbour(&left),
            };
            (left, right)
        })
        .collect();
    let pairs: Vec<(&str, &str)> = texts
        .iter()
        // dpkg takes nothing at all as a version before every other.
        .filter(|(_, right)| !right.is_empty())
        .map(|(left, right)| (left.as_str(), right.as_str()))
        .collect();
    agree(&pairs);
}

const SUITES: [(&str, &str); 6] = [
    ("debian", "trixie"),
    ("debian", "trixie-updates"),
    ("debian-security", "trixie-security"),
    ("debian", "bookworm"),
    ("debian-security", "bookworm-security"),
    ("debian", "trixie-backports"),
];

/// The mirror of an archive: of the machine's apt sources, else Debian's own.
fn mirror(archive: &str) -> String {
    let ending = format!("/{archive}");
    let files = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .chain([PathBuf::from("/etc/apt/sources.list")]);
    for file in files {
        let text = fs::read_to_string(file).unwrap_or_default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let found = words.find(|word| {
                word.starts_with("http") && word.trim_end_matches('/').ends_with(&ending)
            });
            if let Some(found) = found {
                return found.to_owned();
            }
        }
    }
    match archive {
        "debian-security" => "http://security.debian.org/debian-security".to_owned(),
        _ => "http://ftp.debian.org/debian".to_owned(),
    }
}

/// The package indexes of the suites, fetched by an apt that is shut off from the machine's state.
fn package_indexes(root: &Path) -> Vec<PathBuf> {
    for folder in ["state/lists/partial", "cache/archives/partial", "etc"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    fs::write(root.join("status"), "").expect("a status");
    let sources: String = SUITES
        .iter()
        .map(|(archive, suite)| {
            format!(
                "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {} {suite} main\n",
                mirror(archive)
            )
        })
        .collect();
    fs::write(root.join("etc/sources.list"), sources).expect("sources");
    let path = root.display();
    let configuration = format!(
        "Dir \"{path}\";\nDir::State \"{path}/state\";\nDir::State::status \"{path}/status\";\n\
         Dir::Cache \"{path}/cache\";\nDir::Etc \"{path}/etc\";\nAPT::Architecture \"amd64\";\n\
         Acquire::Languages \"none\";\nAcquire::GzipIndexes \"false\";\nAPT::Sandbox::User \"root\";\n"
    );
    fs::write(root.join("apt.conf"), configuration).expect("a configuration");
    let update = Command::new("apt-get")
        .env("APT_CONFIG", root.join("apt.conf"))
        .arg("update")
        .output()
        .expect("this test needs apt-get");
    assert!(
        update.status.success(),
        "apt-get update failed: {}",
        String::from_utf8_lossy(&update.stderr)
    );
    fs::read_dir(root.join("state/lists"))
        .expect("the lists")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with("_Packages"))
        .collect()
}

#[test]
#[ignore = "needs the archive; run by ./test peers"]
fn the_versions_of_the_archive_are_ordered_as_dpkg_does() {
    let root = std::env::temp_dir().join(format!("basalt-versions-{}", std::process::id()));
    fs::create_dir_all(&root).expect("a folder");
    let indexes = package_indexes(&root);
    let mut by_package: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for index in &indexes {
        let text = fs::read_to_string(index).expect("an index");
        for stanza in Stanzas::new(&text) {
            let stanza = stanza.expect("a stanza");
            let field = |name| stanza.get(name).expect(name).to_owned();
            by_package
                .entry(field("Package"))
                .or_default()
                .insert(field("Version"));
        }
    }
    fs::remove_dir_all(&root).expect("the folder goes");
    assert_eq!(indexes.len(), SUITES.len());

    let texts: BTreeSet<&str> = by_package.values().flatten().map(String::as_str).collect();
    let mut versions: Vec<Version> = texts
        .iter()
        .map(|text| Version::new(text).expect("a version of the archive"))
        .collect();
    versions.sort();
    // In a sorted list the order of neighbours decides that of all pairs.
    let mut pairs: BTreeSet<(&str, &str)> = versions
        .windows(2)
        .map(|pair| (pair[0].as_str(), pair[1].as_str()))
        .collect();
    let neighbours = pairs.len();
    for versions in by_package.values() {
        for left in versions {
            for right in versions.iter().filter(|right| *right > left) {
                pairs.insert((left, right));
            }
        }
    }
    println!(
        "{} versions, {neighbours} neighbours, {} pairs with those of one package",
        versions.len(),
        pairs.len()
    );
    assert!(versions.len() > 20_000, "only {} versions", versions.len());
    agree(&pairs.into_iter().collect::<Vec<_>>());
}
