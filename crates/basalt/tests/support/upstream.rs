//! The real archive, asked once for each file. Its mirror is found as the program finds it.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use basalt_fetch::{MirrorOptions, Mirrors};

type Slot = Arc<OnceLock<Option<Arc<Vec<u8>>>>>;

/// A file of the real archive: `debian/dists/trixie/InRelease`. `None` when there is none.
///
/// # Panics
/// When the mirror cannot be reached.
pub fn file(path: &str) -> Option<Arc<Vec<u8>>> {
    static MEMORY: Mutex<Option<HashMap<String, Slot>>> = Mutex::new(None);
    let slot = MEMORY
        .lock()
        .expect("nobody panics here")
        .get_or_insert_default()
        .entry(path.to_owned())
        .or_default()
        .clone();
    slot.get_or_init(|| fetch(path).map(Arc::new)).clone()
}

/// A file that the real archive must have.
///
/// # Panics
/// When it has it not, or cannot be reached.
pub fn known(path: &str) -> Arc<Vec<u8>> {
    file(path).unwrap_or_else(|| panic!("the archive's mirror has no {path}"))
}

/// Fails with a clear message when there is no network, before a test fails with an unclear one.
pub fn require() {
    known("debian/dists/trixie/InRelease");
    known("debian-security/dists/trixie-security/InRelease");
}

fn fetch(path: &str) -> Option<Vec<u8>> {
    let (archive, rest) = path.split_once('/')?;
    let mirrors = Mirrors::discover(MirrorOptions::default()).expect("the mirrors can be read");
    let mirror = mirrors.of(archive).ok()?.into_iter().next()?;
    let url = format!("{mirror}/{rest}");
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--location", "--fail"])
        .args(["--connect-timeout", "15", "--retry", "2", "--"])
        .arg(&url)
        .output()
        .expect("these tests fetch with `curl`: install it");
    match output.status.code() {
        Some(0) => Some(output.stdout),
        // The server answers, but has no such file.
        Some(22 | 37) => None,
        _ => panic!(
            "these tests need the archive's mirror, and {url} cannot be reached: {}\
             set BASALT_MIRROR_DEBIAN and BASALT_MIRROR_DEBIAN_SECURITY to one that can",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}
