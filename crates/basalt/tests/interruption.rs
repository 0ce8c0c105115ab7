//! What Ctrl-C, or a signal of the system, leaves behind.
//!
//! These tests need the archive's mirror.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::mirror::{Lie, Mirror};
use support::workplace::{Run, SPEC, Workplace};

/// The byte of which the endless packages are made.
const FILLING: u8 = b'a';

/// A mirror whose packages never end, so that a build is always in the middle of one.
fn endless() -> Mirror {
    Mirror::lying(|path| {
        path.ends_with(".deb")
            .then(|| Lie::Slow(vec![FILLING; 1 << 12]))
    })
}

/// Starts a build, sends it a signal as soon as a package is half there, and waits for its end.
fn interrupted_by(signal: &str, place: &Workplace, arguments: &[&str]) -> Run {
    let mirror = endless();
    let child = place
        .command_from(&mirror, &["build", "image.yaml", "-o", "out/image"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    until(|| begun(&place.path("cache"), child.id()).is_some());
    let sent = Command::new("kill")
        .args(["-s", signal, &child.id().to_string()])
        .status();
    assert!(sent.expect("`kill` is there").success());
    let asked = Instant::now();
    let output = child.wait_with_output().expect("it ends");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it takes its time"
    );
    Run {
        status: output.status.code().expect("an exit code, no signal"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        error: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// The file in the cache in which this process has written a part of an endless package. The
/// indexes it writes before do not count: they end, and get their names.
fn begun(cache: &Path, process: u32) -> Option<PathBuf> {
    let mark = format!("writing-{process}-");
    let files = fs::read_dir(cache.join("temporary")).ok()?.flatten();
    let mut begun = files.filter(|file| {
        file.file_name().to_string_lossy().starts_with(&mark)
            && fs::read(file.path()).is_ok_and(|bytes| is_filling(&bytes))
    });
    Some(begun.next()?.path())
}

fn is_filling(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| byte == FILLING)
}

fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Every file below a folder whose name tells that it is not finished.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(".tmp") || name.starts_with("writing-") {
            found.push(entry.path());
        }
        found.extend(unfinished(&entry.path()));
    }
    found
}

#[test]
fn ctrl_c_in_a_download_is_code_130_and_leaves_nothing_half_done() {
    let place = Workplace::warm(SPEC);
    let run = interrupted_by("INT", &place, &[]);
    assert_eq!(run.status, 130, "{}", run.error);
    assert!(run.error.contains("error: interrupted\n"), "{}", run.error);
    assert!(!run.error.contains('\u{1b}'), "escapes without a terminal");
    assert_eq!(run.out, "");
    assert_eq!(unfinished(&place.path("")), Vec::<PathBuf>::new());
    assert!(!place.path("out/image").exists(), "an image appeared");
    // What was there stays good, and the next run goes on from it.
    place.build_from(&Mirror::honest()).succeeded();
}

#[test]
fn a_signal_of_the_system_has_its_own_code_and_is_told_to_machines() {
    let place = Workplace::warm(SPEC);
    let run = interrupted_by("TERM", &place, &["--json"]);
    assert_eq!(run.status, 143, "{}", run.error);
    assert_eq!(run.json()["error"]["status"], 143);
    assert_eq!(unfinished(&place.path("")), Vec::<PathBuf>::new());
}

#[test]
fn an_interruption_does_not_touch_what_another_build_writes() {
    let (first, second) = (Workplace::warm(SPEC), Workplace::cold(SPEC));
    let mirror = endless();
    let shared = first.path("cache");
    let mut other = second
        .command_from(&mirror, &["build", "image.yaml", "-o", "out"])
        .env("BASALT_CACHE", &shared)
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    until(|| begun(&shared, other.id()).is_some());
    let its = begun(&shared, other.id()).expect("it is there");
    interrupted_by("INT", &first, &[]);
    assert!(its.exists(), "the other build's file is gone");
    other.kill().expect("it runs");
    other.wait().expect("it ends");
}
