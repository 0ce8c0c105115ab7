//! A run of the program.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::process::Output;

/// How the program ended, and what it said.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub out: String,
    pub error: String,
}

impl Run {
    /// What a run came to that no signal ended.
    pub fn of(output: Output) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = output;
        Self {
            status: status.code().expect("no signal"),
            out: String::from_utf8(stdout).expect("UTF-8"),
            error: String::from_utf8(stderr).expect("UTF-8"),
        }
    }

    /// Asserts that it ended well.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.status, 0, "{}{}", self.out, self.error);
        self
    }

    /// Asserts that it ended with this exit code and that its words name these things.
    pub fn refused(self, status: i32, words: &[&str]) -> Self {
        assert_eq!(self.status, status, "{}{}", self.out, self.error);
        for word in words {
            assert!(
                self.error.contains(word),
                "`{word}` is not in:\n{}",
                self.error
            );
        }
        self
    }

    /// The JSON document that `--json` writes.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}
