//! Ctrl-C: what is half done goes away, and the person gets the terminal back.
//!
//! Threads cannot be stopped from outside, and one that still writes cannot be cleaned up after.
//! So the process begins anew in its own place (`exec`): that ends all its threads at once and
//! gives up the locks that mark what is being written. What is then left is what a `kill -9` at
//! that moment would leave, less the wait for the next run to clear it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::thread;

use basalt_fetch::Cache;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::arguments::GlobalArguments;
use crate::failure::{Failure, Status};
use crate::terminal::{self, Terminal};

/// The first argument of a process that begins anew. The others: the signal's number, `json` or
/// `text`, caches behind [`CACHE`], folders behind [`FOLDER`], targets.
const AFTER_SIGNAL: &str = "--after-signal";
/// Stands before the path of a cache.
const CACHE: &str = "--cache";
/// Stands before the path of a folder that is needed for this run alone.
const FOLDER: &str = "--folder";

/// What is written to, as arguments of the process that clears up.
static PLACES: Mutex<Vec<OsString>> = Mutex::new(Vec::new());

/// Notes a cache or a vendor store in which files may be half written.
pub fn writes_into(cache: &Path) {
    note(&[CACHE.into(), cache.into()]);
}

/// Notes a file or a layout beside which it may be made.
pub fn writes(target: &Path) {
    note(&[target.into()]);
}

/// Notes a folder that is to be gone when the run ends.
pub fn works_in(folder: &Path) {
    note(&[FOLDER.into(), folder.into()]);
}

fn note(arguments: &[OsString]) {
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    places.extend_from_slice(arguments);
}

/// From now on a signal ends the process in good order.
///
/// # Errors
/// When the system gives no thread or no signals.
pub fn watch(json: bool) -> io::Result<()> {
    let mut wanted = vec![SIGINT, SIGTERM];
    // `nohup` is to be heeded.
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted)?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                begin_anew(signal, json);
            }
        })?;
    Ok(())
}

/// Whether the process was started with this signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

/// Becomes the process that clears up. Returns never.
fn begin_anew(signal: i32, json: bool) {
    let places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(env!("CARGO_PKG_NAME"))
        .arg(AFTER_SIGNAL)
        .arg(signal.to_string())
        .arg(if json { "json" } else { "text" })
        .args(places.iter());
    let _ = command.exec();
    // Where nothing may be executed, the next run clears up.
    std::process::exit(128 + signal);
}

/// Clears up, if this is the process that is to do it.
pub fn after_signal(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    arguments.next()?;
    arguments.next().filter(|first| first == AFTER_SIGNAL)?;
    let signal: u8 = arguments.next()?.to_str()?.parse().ok()?;
    let json = arguments.next()? == "json";
    terminal::clear_line();
    while let Some(argument) = arguments.next() {
        if argument == CACHE {
            // Where there is none yet, none is made.
            if let Some(folder) = arguments.next().map(PathBuf::from)
                && folder.is_dir()
                && let Ok(cache) = Cache::open(folder)
            {
                cache.sweep_after(std::process::id());
            }
        } else if argument == FOLDER {
            if let Some(folder) = arguments.next() {
                let _ = std::fs::remove_dir_all(folder);
            }
        } else {
            basalt_oci::clear_unfinished(Path::new(&argument));
        }
    }
    let (status, words) = match i32::from(signal) {
        SIGINT => (Status::Interrupted, "interrupted"),
        SIGTERM => (Status::Terminated, "ended by SIGTERM"),
        _ => (Status::HungUp, "the terminal was closed"),
    };
    let failure =
        Failure::new(status, words).help("run it again to go on; nothing half done was left");
    let global = GlobalArguments {
        json,
        ..GlobalArguments::default()
    };
    Terminal::new(&global).failure(&failure);
    Some(status.into())
}
