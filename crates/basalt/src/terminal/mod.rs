//! What people and machines see: answers on the standard output, all else on the standard error.
//!
//! Nothing is written to either but by this module, and all that it writes is escaped first
//! ([`basalt_escape`]): whatever an image, a registry or a spec says, no terminal obeys it.

mod progress;

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::json;

use crate::arguments::GlobalArguments;
use crate::failure::Failure;

pub use progress::Progress;

/// Clears the line of a progress bar, where `^C` now stands too, and shows the cursor.
const CLEAR_LINE: &[u8] = b"\r\x1b[2K\x1b[?25h";

/// Where output goes, and in which form.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    quiet: bool,
    json: bool,
}

impl Terminal {
    /// Output as these arguments ask.
    pub fn new(global: &GlobalArguments) -> Self {
        Self {
            quiet: global.quiet,
            json: global.json,
        }
    }

    /// Whether a JSON document is wanted.
    pub fn json(&self) -> bool {
        self.json
    }

    /// A progress display: bars on a terminal, a line a stage in a log, nothing when quiet.
    pub fn progress(&self) -> Progress {
        let bars = io::stderr().is_terminal() && !self.json;
        Progress::new(!self.quiet, bars)
    }

    /// Writes what was asked for: the document, or the text made of it.
    ///
    /// # Errors
    /// When the standard output takes no more, other than by being closed.
    pub fn answer(
        &self,
        document: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json {
            let mut bytes = serde_json::to_vec_pretty(document)?;
            bytes.push(b'\n');
            self.write_document(&bytes)
        } else {
            self.write(text().as_bytes())
        }
    }

    /// Like [`Terminal::answer`], for what nobody asked for by name: the table at the end of a
    /// build. Quiet drops the text, not the document.
    ///
    /// # Errors
    /// When the standard output takes no more, other than by being closed.
    pub fn summary(
        &self,
        document: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.quiet && !self.json {
            return Ok(());
        }
        self.answer(document, text)
    }

    /// Writes text to the standard output. A reader that has gone (`| head`) is no error.
    ///
    /// # Errors
    /// When the standard output takes no more.
    pub fn write(&self, text: &[u8]) -> Result<(), Failure> {
        put_out(&basalt_escape::text(text))
    }

    /// Writes a JSON document to the standard output: its value stays what it is, but its hidden
    /// characters are escaped. What is no JSON is written as text.
    ///
    /// # Errors
    /// When the standard output takes no more.
    pub fn write_document(&self, bytes: &[u8]) -> Result<(), Failure> {
        match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
            Ok(_) => put_out(&basalt_escape::json(bytes)),
            Err(_) => self.write(bytes),
        }
    }

    /// Shows what is wrong with the command line, or the help that was asked for.
    pub fn usage(error: &clap::Error) {
        let text = error.render().to_string();
        let sound = std::env::args_os().all(|argument| {
            let bytes = argument.as_encoded_bytes();
            basalt_escape::text(bytes).as_bytes() == bytes && !bytes.contains(&b'\n')
        });
        match text.strip_prefix("error: ").filter(|_| error.use_stderr()) {
            // An argument that another program put together (a file name, a tag) may be hostile.
            Some(message) if !sound => {
                let text = format!("{}: {}\n", red("error"), indented(message));
                let _ = anstream::stderr().lock().write_all(text.as_bytes());
            }
            _ => drop(error.print()),
        }
    }

    /// Shows a failure: the error, its causes, what to do.
    pub fn failure(&self, failure: &Failure) {
        let messages = failure.messages();
        let (first, causes) = match messages.split_first() {
            Some((first, causes)) => (first.as_str(), causes),
            None => ("it failed", &[][..]),
        };
        let dim = Style::new().bold();
        let mut text = format!("{}: {}\n", red("error"), indented(first));
        for cause in causes {
            text.push_str(&format!("  {dim}cause{dim:#}: {}\n", indented(cause)));
        }
        if let Some(help) = &failure.help {
            text.push_str(&format!("   {dim}help{dim:#}: {}\n", indented(help)));
        }
        // Drops colour when there is no terminal, or NO_COLOR is set. All else in it is escaped.
        let _ = anstream::stderr().lock().write_all(text.as_bytes());
        if self.json {
            let document = json!({"error": {
                "message": first,
                "causes": causes,
                "help": failure.help,
                "status": failure.status as u8,
            }});
            let _ = self.answer(&document, String::new);
        }
    }
}

/// Says something on the standard error, escaped. A closed one is no reason to stop.
pub fn tell(text: &str) {
    let text = basalt_escape::text(text.as_bytes());
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A message with its further lines under the first, so that none of them poses as one of ours;
/// escaped.
fn indented(text: &str) -> String {
    basalt_escape::text(text.trim_end().as_bytes()).replace('\n', "\n         ")
}

fn red(word: &str) -> String {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    format!("{red}{word}{red:#}")
}

/// The one place that writes to the standard output.
fn put_out(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Clears the line of the standard error in which a progress bar stood, and shows the cursor.
pub fn clear_line() {
    if io::stderr().is_terminal() {
        let _ = io::stderr().lock().write_all(CLEAR_LINE);
    }
}

/// A number of bytes for people: `512 B`, `8.7 MB`. Powers of 1000, as registries count.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("kB");
    if value < 9.995 {
        format!("{value:.2} {name}")
    } else {
        format!("{value:.1} {name}")
    }
}

/// A line of a summary: its title, then facts with commas between, in as many lines as a narrow
/// terminal needs. A fact is never cut.
pub fn listed(title: &str, facts: &[String]) -> String {
    const WIDTH: usize = 60;
    let mut text = format!("{title:<6}  ");
    let mut used = 8;
    for (number, fact) in facts.iter().enumerate() {
        let fact = basalt_escape::line(fact);
        let more = number + 1 < facts.len();
        let width = fact.chars().count() + usize::from(more);
        if number > 0 && used + 1 + width > WIDTH {
            text.push_str("\n        ");
            used = 8;
        } else if number > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(&fact);
        if more {
            text.push(',');
        }
        used += width;
    }
    text.push('\n');
    text
}

/// Columns with two spaces between; the first column is aligned left, all others right.
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<_>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| basalt_escape::line(cell)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column == 0 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("  {cell:>width$}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_command_the_terminal() {
        let shown = indented("the path \u{1b}]0;evil\u{7} and \u{9b}2J\nis refused\n");
        assert_eq!(
            shown,
            "the path \\u{1b}]0;evil\\u{7} and \\u{9b}2J\n         is refused"
        );
    }

    #[test]
    fn sizes_read_as_registries_show_them() {
        let shown: Vec<String> = [0, 999, 1000, 8_700_000, 999_999, 12_345_678_901]
            .into_iter()
            .map(bytes)
            .collect();
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.00 kB", "8.70 MB", "1.00 MB", "12.3 GB"]
        );
    }

    #[test]
    fn a_long_line_of_a_summary_fits_a_narrow_terminal() {
        let facts = [
            "fetch 10245 ms",
            "read 3619 ms",
            "assemble 152 ms",
            "pack 578 ms",
        ];
        let text = listed("time", &facts.map(str::to_owned));
        assert_eq!(
            text,
            "time    fetch 10245 ms, read 3619 ms, assemble 152 ms,\n        pack 578 ms\n"
        );
    }

    #[test]
    fn a_table_aligns_its_columns() {
        let rows = [["a", "1"], ["long", "200"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "a       1\nlong  200\n");
    }
}
