//! Progress: bars on a terminal, one plain line a stage elsewhere.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use basalt_escape::line;
use basalt_fetch::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{bytes, indented, tell};

/// Shows how far a command is. May be told from several threads at once.
pub struct Progress {
    shown: bool,
    bars: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stage: Option<Stage>,
    finished: Vec<(String, Duration)>,
}

struct Stage {
    name: String,
    started: Instant,
    done: u64,
    total: u64,
    bytes: u64,
    downloads: u64,
    bar: Option<ProgressBar>,
    result: String,
}

impl Progress {
    pub(super) fn new(shown: bool, bars: bool) -> Self {
        Self {
            shown,
            bars: shown && bars,
            state: Mutex::new(State::default()),
        }
    }

    /// Begins a stage (`fetch`, `read`, `pack`) of `total` steps, 0 when unknown; the former
    /// stage ends.
    pub fn stage(&self, name: &str, total: u64) {
        let mut state = self.state();
        self.end(&mut state);
        state.stage = Some(Stage {
            name: name.to_owned(),
            started: Instant::now(),
            done: 0,
            total,
            bytes: 0,
            downloads: 0,
            bar: self.bars.then(|| bar(name)),
            result: String::new(),
        });
    }

    /// So many more steps of the stage are done; `what` is the one at hand.
    pub fn advance(&self, steps: u64, what: &str) {
        if let Some(stage) = &mut self.state().stage {
            stage.done += steps;
            stage.show(what);
        }
    }

    /// Says something that stays: a warning, a retry.
    pub fn note(&self, text: &str) {
        if !self.shown {
            return;
        }
        let text = indented(text);
        let state = self.state();
        match state.stage.as_ref().and_then(|stage| stage.bar.as_ref()) {
            Some(bar) => bar.println(text),
            None => tell(&text),
        }
    }

    /// Says what came of the stage at hand, for the line that stays of it.
    pub fn result(&self, text: &str) {
        if let Some(stage) = &mut self.state().stage {
            stage.result = text.to_owned();
        }
    }

    /// Ends the last stage; returns each stage's name and time.
    pub fn finish(&self) -> Vec<(String, Duration)> {
        let mut state = self.state();
        self.end(&mut state);
        state.finished.clone()
    }

    fn end(&self, state: &mut State) {
        let Some(stage) = state.stage.take() else {
            return;
        };
        let time = stage.started.elapsed();
        if let Some(bar) = &stage.bar {
            bar.finish_and_clear();
        } else if self.shown {
            tell(&stage.summary(time));
        }
        state.finished.push((stage.name, time));
    }

    /// A thread that panicked while it told something does not silence the others.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl basalt_build::Observer for Progress {
    fn stage_started(&self, stage: basalt_build::Stage, steps: u64) {
        self.stage(stage.name(), steps);
    }

    fn step(&self, _: basalt_build::Stage, name: &str) {
        self.advance(1, name);
    }

    fn stage_finished(&self, _: basalt_build::Stage, _: Duration, result: &str) {
        let mut state = self.state();
        if let Some(stage) = &mut state.stage {
            stage.result = result.to_owned();
        }
        self.end(&mut state);
    }

    fn warning(&self, text: &str) {
        self.note(text);
    }
}

impl Observer for Progress {
    fn event(&self, event: Event) {
        if let Event::RegistryWarned { registry, text } = &event {
            return self.note(&format!("warning: {}: {}", line(registry), line(text)));
        }
        let retried = {
            let mut state = self.state();
            let Some(stage) = &mut state.stage else {
                return;
            };
            match event {
                Event::DownloadStarted { name, .. } => {
                    stage.show(&name);
                    None
                }
                Event::DownloadProgress { name, bytes } => {
                    stage.bytes += bytes;
                    stage.show(&name);
                    None
                }
                Event::DownloadFinished { name, .. } => {
                    stage.downloads += 1;
                    // Here each download is a step; elsewhere a step may have several, or none.
                    stage.done += u64::from(stage.name == basalt_build::Stage::Fetch.name());
                    stage.show(&name);
                    None
                }
                Event::DownloadRetried { name, reason } => {
                    // A server says why: its line feeds begin no line of ours.
                    Some(format!("{}: {}; trying again", line(&name), line(&reason)))
                }
                _ => None,
            }
        };
        if let Some(text) = retried {
            self.note(&text);
        }
    }
}

impl Stage {
    fn show(&self, what: &str) {
        let Some(bar) = &self.bar else {
            return;
        };
        let mut text = String::new();
        if self.total > 0 {
            text.push_str(&format!("{}/{}  ", self.done, self.total));
        }
        if self.bytes > 0 {
            text.push_str(&format!("{}  ", bytes(self.bytes)));
        }
        // The last part of an archive path is what a person knows it by.
        text.push_str(&basalt_escape::line(
            what.rsplit('/').next().unwrap_or(what),
        ));
        bar.set_message(text);
    }

    fn summary(&self, time: Duration) -> String {
        let mut text = format!("{}: ", self.name);
        if !self.result.is_empty() {
            text.push_str(&format!("{}, ", self.result));
        } else if self.done > 0 {
            text.push_str(&format!("{} done, ", self.done));
        }
        // A result, such as that of fetching, says it already.
        if self.downloads > 0 && self.result.is_empty() {
            text.push_str(&format!(
                "{} downloads, {}, ",
                self.downloads,
                bytes(self.bytes)
            ));
        }
        text.push_str(&format!("{:.2} s", time.as_secs_f64()));
        text
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("shown", &self.shown)
            .field("bars", &self.bars)
            .finish_non_exhaustive()
    }
}

fn bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(15));
    // The cursor goes back to the line's begin: at its end, the `^C` that a terminal echoes would
    // begin a new line, and this one could no longer be cleared.
    let style = ProgressStyle::with_template("{spinner} {prefix:<10} {elapsed:>4}  {wide_msg}\r");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
