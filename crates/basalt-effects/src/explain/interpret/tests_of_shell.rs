//! `test`, `[` and `[[`.

use basalt_shell::Word;

use super::Interpreter;
use super::pattern::Pattern;
use super::state::{Status, Touched, Value, normal};
use super::words::Fields;
use crate::{Condition, Writer};

impl<'s> Interpreter<'s> {
    /// Asks the image, unless the script itself has settled it.
    pub(super) fn ask(&self, condition: Condition) -> Status {
        if super::state::weight(&condition) > MAXIMUM_QUESTION {
            return Status::Unknown;
        }
        match self.state.assumed.get(&condition) {
            Some(holds) => Status::of(*holds),
            // Who came or what was made by then is not told by the packages alone.
            None => match &condition {
                Condition::User(_) | Condition::Group(_)
                    if self.state.written.contains(&Writer::SystemUsers) =>
                {
                    Status::Unknown
                }
                Condition::User(_) | Condition::Group(_) | Condition::Command(_) => {
                    Status::Depends(condition)
                }
                _ if self.state.written.is_empty() => Status::Depends(condition),
                _ => Status::Unknown,
            },
        }
    }

    pub(super) fn test(&mut self, fields: &Fields) -> Status {
        if !fields.exact {
            return Status::Unknown;
        }
        self.expression(&fields.values, 0)
    }

    fn expression(&self, words: &[Value], depth: usize) -> Status {
        if depth > 16 {
            return Status::Unknown;
        }
        let is =
            |index: usize, text: &str| words.get(index).and_then(Option::as_deref) == Some(text);
        match words.len() {
            0 => return Status::Failure,
            1 => {
                return match words.first() {
                    Some(Some(text)) => Status::of(!text.is_empty()),
                    _ => Status::Unknown,
                };
            }
            2 if is(0, "!") => return self.expression(&words[1..], depth + 1).negated(),
            2 => return self.unary(words[0].as_deref(), &words[1]),
            3 => {
                if let Some(status) = binary(&words[0], words[1].as_deref(), &words[2]) {
                    return status;
                }
                if is(0, "!") {
                    return self.expression(&words[1..], depth + 1).negated();
                }
            }
            _ => {}
        }
        for (operator, and) in [("-o", false), ("-a", true)] {
            if let Some(place) = words
                .iter()
                .position(|word| word.as_deref() == Some(operator))
            {
                let left = self.expression(&words[..place], depth + 1);
                let right = self.expression(&words[place + 1..], depth + 1);
                return match (left, and) {
                    (Status::Success, true) | (Status::Failure, false) => right,
                    (Status::Failure, true) => Status::Failure,
                    (Status::Success, false) => Status::Success,
                    (Status::Depends(condition), and) => Status::joined(&condition, and, right),
                    (Status::Unknown, _) => Status::Unknown,
                };
            }
        }
        if is(0, "!") {
            return self.expression(&words[1..], depth + 1).negated();
        }
        Status::Unknown
    }

    fn unary(&self, operator: Option<&str>, word: &Value) -> Status {
        let Some(text) = word else {
            return Status::Unknown;
        };
        match operator {
            Some("-n") => Status::of(!text.is_empty()),
            Some("-z") => Status::of(text.is_empty()),
            Some("-t") => Status::Failure,
            Some(
                "-e" | "-f" | "-d" | "-h" | "-L" | "-x" | "-r" | "-s" | "-w" | "-S" | "-p" | "-b"
                | "-c",
            ) => self.path_test(operator.unwrap_or_default(), text),
            _ => Status::Unknown,
        }
    }

    fn path_test(&self, operator: &str, path: &str) -> Status {
        if path.is_empty() {
            return Status::Failure;
        }
        if !path.starts_with('/') {
            return Status::Unknown;
        }
        let path = normal(path);
        if path.contains("/../") || path.ends_with("/..") {
            return Status::Unknown;
        }
        // What dpkg and ucf leave of versions before; there are none.
        if LEFTOVERS.iter().any(|suffix| path.ends_with(suffix)) {
            return Status::Failure;
        }
        if path.starts_with("/run/systemd/") || path == "/run/systemd" {
            return Status::Failure;
        }
        if ["/dev/", "/proc/", "/sys/"]
            .iter()
            .any(|top| path.starts_with(top))
        {
            return Status::Unknown;
        }
        match (operator, self.state.touched(&path)) {
            // A link may dangle.
            ("-h" | "-L", Some(Touched::Missing)) if !self.state.paths.contains_key(&path) => {}
            (_, Some(Touched::Missing)) => return Status::Failure,
            (_, Some(Touched::Unsure)) => return Status::Unknown,
            ("-e", Some(_)) | ("-d", Some(Touched::Directory)) | ("-f", Some(Touched::File(_))) => {
                return Status::Success;
            }
            ("-f" | "-h" | "-L", Some(Touched::Directory)) | ("-d", Some(Touched::File(_))) => {
                return Status::Failure;
            }
            _ if self.state.paths.contains_key(&path) => return Status::Unknown,
            _ => {}
        }
        if SERVICES.contains(&path.as_str()) {
            return Status::Success;
        }
        self.ask(match operator {
            "-e" => Condition::Exists(path),
            "-f" => Condition::File(path),
            "-d" => Condition::Directory(path),
            "-h" | "-L" => Condition::Link(path),
            "-x" => Condition::Executable(path),
            _ => return Status::Unknown,
        })
    }

    /// `[[ … ]]`, as far as it is `[ … ]`.
    pub(super) fn brackets(&mut self, words: &'s [Word]) -> Status {
        let has_operators = words.iter().any(|word| {
            matches!(
                word.bare(),
                Some("&&" | "||" | "<" | ">" | "=~" | "-a" | "-o")
            )
        });
        // Numbers are arithmetic: that with a zero before it is octal, and a name is a variable.
        let compares = words.get(1).and_then(Word::bare).is_some_and(|operator| {
            matches!(operator, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge")
        }) || words.len() > 3;
        let mut fields = Fields {
            values: Vec::new(),
            exact: !has_operators,
            ..Fields::default()
        };
        for word in words {
            let pattern = self.pattern(word);
            let is_plain = |pattern: &Pattern| {
                !pattern.has_wildcards() && !pattern.has_escape() && !pattern.has_alternatives()
            };
            if !pattern.as_ref().is_none_or(is_plain) {
                fields.exact = false;
            }
            let text = pattern.map(|pattern| pattern.text());
            let is_octal = |text: &String| {
                let digits = text.trim_start_matches(['+', '-']);
                digits.len() > 1 && digits.starts_with('0')
            };
            fields
                .values
                .push(text.filter(|text| !compares || !is_octal(text)));
        }
        self.test(&fields)
    }
}

/// A longer question is of no path or name that an image can have.
const MAXIMUM_QUESTION: u64 = 4096;

/// How the names of files end that dpkg and ucf keep of former versions.
const LEFTOVERS: [&str; 9] = [
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-dist",
    ".dpkg-bak",
    ".dpkg-backup",
    ".dpkg-remove",
    ".ucf-new",
    ".ucf-old",
    ".ucf-dist",
];

/// Programs whose work is done natively, in the image or not.
pub(super) const SERVICES: [&str; 2] = ["/usr/bin/systemd-tmpfiles", "/usr/bin/systemd-sysusers"];

fn binary(left: &Value, operator: Option<&str>, right: &Value) -> Option<Status> {
    let operator = operator?;
    let known = left.as_ref().zip(right.as_ref());
    let of = |compare: &dyn Fn(&str, &str) -> Option<bool>| {
        known
            .and_then(|(left, right)| compare(left, right))
            .map_or(Status::Unknown, Status::of)
    };
    let number = |compare: &dyn Fn(i64, i64) -> bool| {
        of(&|left, right| Some(compare(left.parse().ok()?, right.parse().ok()?)))
    };
    Some(match operator {
        "=" | "==" => of(&|left, right| Some(left == right)),
        "!=" => of(&|left, right| Some(left != right)),
        "-eq" => number(&|left, right| left == right),
        "-ne" => number(&|left, right| left != right),
        "-lt" => number(&|left, right| left < right),
        "-le" => number(&|left, right| left <= right),
        "-gt" => number(&|left, right| left > right),
        "-ge" => number(&|left, right| left >= right),
        "-nt" | "-ot" | "-ef" | "<" | ">" => Status::Unknown,
        _ => return None,
    })
}
