//! Follows `case` and `if` through the lines of a script as a fresh install would.
//!
//! It knows little on purpose: a line it is not sure of stays unexplained.

use super::command::{Understood, understand};
use super::condition::{Answer, Call, answer, is_plain, unquoted};
use super::script::Line;
use super::words::join_continued;

/// What came of following some lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Followed {
    /// The lines that run and are understood.
    pub understood: Vec<(Line, Understood)>,
    /// The lines that are not.
    pub unexplained: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    Runs,
    MayRun,
    Skipped,
}

enum Frame {
    /// `if`: the branch now in, the answer so far (`Yes` when a branch has run).
    If { now: Branch, taken: Answer },
    /// `case`: the word looked for the branch now in, whether one matched.
    Case {
        word: &'static str,
        now: Branch,
        matched: bool,
        in_pattern: bool,
    },
}

/// Deeper nesting than this is not followed.
const MAXIMUM_DEPTH: usize = 32;

/// What comes after a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The line after it.
    Line,
    /// Nothing: the script has ended.
    End,
    /// The reader has lost its way: it cannot tell which of the lines after it run.
    Lost,
}

/// Shell that this reader does not follow: it would have to know more than lines.
fn beyond(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    let word = matches!(
        first,
        "for"
            | "while"
            | "until"
            | "do"
            | "done"
            | "function"
            | "eval"
            | "exec"
            | "trap"
            | "{"
            | "("
    );
    word || text.contains("<<") || text.contains("()") || has_open_quote(text)
}

fn has_open_quote(text: &str) -> bool {
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some('\''), '\'') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                letters.next();
            }
            (Some(mark), _) if letter == mark => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            _ => {}
        }
    }
    quote.is_some()
}

/// Whether a word of `if` or `case` stands in the middle of a line, as in `true; fi`.
fn hides_structure(text: &str) -> bool {
    text.split([';', '&', '|', '{', '('])
        .skip(1)
        .filter_map(|part| part.split_whitespace().next())
        .any(|word| {
            matches!(
                word,
                "if" | "then" | "else" | "elif" | "fi" | "case" | "esac" | "exit" | "exec" | "eval"
            )
        })
}

/// Follows these lines.
pub(crate) fn follow(lines: &[Line], call: Call) -> Followed {
    let lines = join_continued(lines);
    let significant: Vec<&Line> = lines
        .iter()
        .filter(|line| !line.text.is_empty() && !line.text.starts_with('#'))
        .collect();
    let mut followed = Followed::default();
    if significant.iter().any(|line| beyond(&line.text)) {
        followed.unexplained = significant.into_iter().cloned().collect();
        return followed;
    }
    let mut frames: Vec<Frame> = Vec::new();
    for (index, line) in significant.iter().enumerate() {
        match step(line, call, &mut frames, &mut followed) {
            Next::Line => {}
            Next::End => return followed,
            Next::Lost => {
                let rest = significant.iter().skip(index);
                followed
                    .unexplained
                    .extend(rest.map(|line| (*line).clone()));
                return followed;
            }
        }
    }
    followed
}

fn state(frames: &[Frame]) -> Branch {
    let mut sum = Branch::Runs;
    for frame in frames {
        let (Frame::If { now, .. } | Frame::Case { now, .. }) = frame;
        match now {
            Branch::Skipped => return Branch::Skipped,
            Branch::MayRun => sum = Branch::MayRun,
            Branch::Runs => {}
        }
    }
    sum
}

fn step(line: &Line, call: Call, frames: &mut Vec<Frame>, followed: &mut Followed) -> Next {
    let mut text = line.text.as_str();
    if let Some(Frame::Case {
        word,
        now,
        matched,
        in_pattern: in_pattern @ true,
    }) = frames.last_mut()
    {
        if text == "esac" || text == "esac;" {
            frames.pop();
            return Next::Line;
        }
        let Some((patterns, rest)) = text.split_once(')') else {
            return Next::Lost;
        };
        let Some(fits) = matches_pattern(patterns, word) else {
            return Next::Lost;
        };
        *in_pattern = false;
        *now = if fits && !*matched {
            Branch::Runs
        } else {
            Branch::Skipped
        };
        *matched |= fits;
        text = rest.trim();
    }
    let ends_branch = text.ends_with(";;");
    let text = text
        .trim_end_matches(";;")
        .trim()
        .trim_end_matches(';')
        .trim();
    let next = if text.is_empty() {
        Next::Line
    } else {
        statement(line, text, call, frames, followed)
    };
    if ends_branch && next == Next::Line {
        match frames.last_mut() {
            Some(Frame::Case { in_pattern, .. }) => *in_pattern = true,
            _ => return Next::Lost,
        }
    }
    next
}

/// Whether a word fits a pattern of `case`; `None` when the pattern is more than words or `*`.
fn matches_pattern(patterns: &str, word: &str) -> Option<bool> {
    let patterns = patterns.trim_start_matches('(');
    let mut fits = false;
    for pattern in patterns.split('|') {
        let pattern = unquoted(pattern.trim());
        let known = pattern.is_empty() || pattern == "*" || is_plain(pattern);
        if !known {
            return None;
        }
        fits |= pattern == "*" || pattern == word;
    }
    Some(fits)
}

fn statement(
    line: &Line,
    text: &str,
    call: Call,
    frames: &mut Vec<Frame>,
    followed: &mut Followed,
) -> Next {
    let first = text.split_whitespace().next().unwrap_or_default();
    match first {
        "if" | "elif" => condition(line, text, first, call, frames, followed),
        "then" if text == "then" => Next::Line,
        "else" if text == "else" => match frames.last_mut() {
            Some(Frame::If { now, taken }) => {
                *now = branch(match taken {
                    Answer::Yes => Answer::No,
                    Answer::No => Answer::Yes,
                    Answer::Either => Answer::Either,
                });
                Next::Line
            }
            _ => Next::Lost,
        },
        "fi" if text == "fi" && matches!(frames.last(), Some(Frame::If { .. })) => {
            frames.pop();
            Next::Line
        }
        "esac" if text == "esac" && matches!(frames.last(), Some(Frame::Case { .. })) => {
            frames.pop();
            Next::Line
        }
        "case" => {
            let word = text
                .strip_prefix("case")
                .and_then(|rest| rest.trim().strip_suffix("in"))
                .map(|word| unquoted(word.trim()));
            let word = match word {
                Some("$1" | "${1}") => call.action,
                Some("$2" | "${2}") => "",
                _ => return Next::Lost,
            };
            if frames.len() >= MAXIMUM_DEPTH {
                return Next::Lost;
            }
            frames.push(Frame::Case {
                word,
                now: Branch::Skipped,
                matched: false,
                in_pattern: true,
            });
            Next::Line
        }
        "then" | "else" | "fi" | "esac" => Next::Lost,
        _ if hides_structure(text) && understand(text).is_none() => Next::Lost,
        "exit" if text == "exit 0" && state(frames) == Branch::Runs => Next::End,
        _ => {
            match (state(frames), understand(text)) {
                (Branch::Skipped, _) => {}
                (Branch::Runs, Some(known)) => followed.understood.push((line.clone(), known)),
                (Branch::MayRun, Some(known)) if only_writers(&known) => {
                    followed.understood.push((line.clone(), known));
                }
                _ => followed.unexplained.push(line.clone()),
            }
            Next::Line
        }
    }
}

fn condition(
    line: &Line,
    text: &str,
    first: &str,
    call: Call,
    frames: &mut Vec<Frame>,
    followed: &mut Followed,
) -> Next {
    let rest = text.strip_prefix(first).unwrap_or_default().trim();
    let condition = rest.strip_suffix("then").map_or(rest, str::trim_end);
    let condition = condition.trim_end_matches(';').trim_end();
    if frames.len() >= MAXIMUM_DEPTH || condition.contains(';') || hides_structure(condition) {
        return Next::Lost;
    }
    let before = state(match first {
        "elif" => frames
            .get(..frames.len().saturating_sub(1))
            .unwrap_or_default(),
        _ => frames,
    });
    let known = answer(condition, call);
    if known.is_none() && before != Branch::Skipped {
        followed.unexplained.push(line.clone());
    }
    let here = known.unwrap_or(Answer::Either);
    if first == "if" {
        frames.push(Frame::If {
            now: branch(here),
            taken: here,
        });
        return Next::Line;
    }
    let Some(Frame::If { now, taken }) = frames.last_mut() else {
        return Next::Lost;
    };
    (*now, *taken) = match (*taken, here) {
        (Answer::Yes, _) => (Branch::Skipped, Answer::Yes),
        (Answer::No, _) => (branch(here), here),
        (Answer::Either, Answer::No) => (Branch::Skipped, Answer::Either),
        (Answer::Either, _) => (Branch::MayRun, Answer::Either),
    };
    Next::Line
}

fn branch(answer: Answer) -> Branch {
    match answer {
        Answer::Yes => Branch::Runs,
        Answer::No => Branch::Skipped,
        Answer::Either => Branch::MayRun,
    }
}

/// Native writers stand in for programs that the image need not have, and may run twice, so
/// `if command -v` does not matter to them.
fn only_writers(known: &Understood) -> bool {
    known
        .effects
        .iter()
        .all(|effect| matches!(effect, crate::Effect::Run { .. }))
}
