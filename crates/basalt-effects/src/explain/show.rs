//! An explanation as people read it.

use std::fmt;

use super::report::{Explanation, LineReport, Meaning, printable};

/// Each script line by line, then what all of them leave behind.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.package, self.version)?;
        if self.scripts.is_empty() {
            writeln!(f, "\n  it has no scripts")?;
        }
        for script in &self.scripts {
            writeln!(f, "\n  {}: {}", script.name, script.verdict)?;
            let mut shown = None;
            for line in &script.lines {
                // A line may hold more than one command.
                if shown != Some(line.number) && !line.text.is_empty() {
                    writeln!(f, "  {:>5} | {}", line.number, printable(&line.text))?;
                }
                shown = Some(line.number);
                show(line, f)?;
            }
        }
        if !self.effects.is_empty() {
            writeln!(f, "\n  left behind:")?;
        }
        for effect in &self.effects {
            writeln!(f, "    - {effect}")?;
        }
        Ok(())
    }
}

fn show(line: &LineReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (word, why) = match &line.meaning {
        Meaning::Unknown(why) => ("unexplained", why),
        Meaning::Known(why) if line.effects.is_empty() => ("ignored", why),
        Meaning::Known(why) => ("emulated", why),
    };
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    writeln!(f, "          {word}: {}", plain(&why))?;
    for effect in &line.effects {
        writeln!(f, "          - {effect}")?;
    }
    Ok(())
}

/// The text without characters that would act on a terminal.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
