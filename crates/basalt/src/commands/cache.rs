//! `basalt cache size|prune|verify`.

use std::time::Duration;

use basalt_fetch::Cache;
use basalt_fetch::cache::PrunePolicy;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::arguments::GlobalArguments;
use crate::failure::{Failure, Status};
use crate::terminal::{Terminal, bytes};

/// What `cache` takes.
#[derive(Debug, Args)]
pub struct CacheArguments {
    /// What to do.
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Show where the cache is and what it holds
    Size,
    /// Remove what was not used for long; builds that run meanwhile are safe
    Prune {
        /// Remove what was not used for so many days
        #[arg(long, value_name = "DAYS", required_unless_present = "maximum_size")]
        older_than: Option<u32>,
        /// Then remove the longest unused until so much is left: 500M, 2G
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        maximum_size: Option<u64>,
    },
    /// Read everything and remove what is damaged
    Verify,
}

pub(super) fn run(
    own: &CacheArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    let cache = open(global)?;
    let folder = cache.root().display().to_string();
    match &own.command {
        CacheCommand::Size => {
            let size = cache.size()?;
            let document = json!({
                "folder": folder,
                "blobs": size.blobs,
                "blob-bytes": size.blob_bytes,
                "facts": size.facts,
                "fact-bytes": size.fact_bytes,
                "temporary-bytes": size.temporary_bytes,
            });
            terminal.answer(&document, || {
                let row = |what: &str, count: u64, size: u64| {
                    format!("  {what:<12}{count:>8}{:>12}\n", bytes(size))
                };
                let mut text = format!("{folder}\n");
                text.push_str(&row("blobs", size.blobs, size.blob_bytes));
                text.push_str(&row("facts", size.facts, size.fact_bytes));
                if size.temporary_bytes > 0 {
                    text.push_str(&format!(
                        "  unfinished{:>22}\n",
                        bytes(size.temporary_bytes)
                    ));
                }
                text
            })?;
        }
        CacheCommand::Prune {
            older_than,
            maximum_size,
        } => {
            let report = cache.prune(&PrunePolicy {
                unused_for: older_than.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
                maximum_size: *maximum_size,
            })?;
            let document = json!({
                "folder": folder,
                "removed": report.removed,
                "removed-bytes": report.removed_bytes,
                "kept-bytes": report.kept_bytes,
                "held": report.held,
            });
            terminal.answer(&document, || {
                let held = match report.held {
                    0 => String::new(),
                    held => format!("; {held} files are held by builds that run"),
                };
                format!(
                    "removed {} files, {}; {} stay{held}\n",
                    report.removed,
                    bytes(report.removed_bytes),
                    bytes(report.kept_bytes)
                )
            })?;
        }
        CacheCommand::Verify => {
            let report = cache.verify()?;
            let corrupt: Vec<String> = report
                .corrupt
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let document = json!({
                "folder": folder,
                "checked": report.checked,
                "checked-bytes": report.checked_bytes,
                "corrupt": corrupt,
            });
            terminal.answer(&document, || {
                let mut text: String = corrupt
                    .iter()
                    .map(|path| format!("damaged: {path}\n"))
                    .collect();
                text.push_str(&format!(
                    "read {} files, {}; {} damaged\n",
                    report.checked,
                    bytes(report.checked_bytes),
                    corrupt.len()
                ));
                text
            })?;
            if !corrupt.is_empty() {
                return Ok(Status::Trust);
            }
        }
    }
    Ok(Status::Done)
}

/// The cache that `--cache` or the environment names.
///
/// # Errors
/// When there is no such folder and it cannot be made.
pub fn open(global: &GlobalArguments) -> Result<Cache, Failure> {
    let folder = match &global.cache {
        Some(folder) => folder.clone(),
        None => Cache::default_path()?,
    };
    Ok(Cache::open(folder)?)
}

/// A number of bytes: `1048576`, `500M`, `2G`; the letters are powers of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "write it as a number with K, M, G or T behind it, such as 500M".to_owned();
    let text = text
        .trim()
        .trim_end_matches(['B', 'b'])
        .trim_end_matches('i');
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..).unwrap_or("") {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}
