//! Credential helpers: programs called `docker-credential-NAME` that keep secrets, as Docker and podman use them.
//! They are asked on their standard input and answer with JSON on their standard output.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::credentials::Credential;
use crate::docker_config::docker_key;
use crate::error::ClientError;
use crate::secret::Secret;

/// How long a helper may take. It may have to ask a person.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest answer that is read, in bytes.
const MAXIMUM_ANSWER: u64 = 64 << 10;

/// The user name by which a helper says that its secret is an identity token.
pub(crate) const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: Secret,
}

/// A credential helper.
pub(crate) struct Helper {
    program: String,
}

impl Helper {
    /// The helper of this name: only lower-case letters, digits and dashes, so that no path can be named.
    pub(crate) fn new(name: &str) -> Result<Self, ClientError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let program = format!(
            "docker-credential-{}",
            name.chars().take(60).collect::<String>()
        );
        if name.is_empty() || name.len() > 60 || !name.bytes().all(plain) {
            return Err(ClientError::Helper {
                program,
                cause: "its name may have only a-z, 0-9 and dashes".to_owned(),
            });
        }
        Ok(Self { program })
    }

    /// What it has for a host.
    pub(crate) fn get(&self, host: &str) -> Result<Option<Credential>, ClientError> {
        let (well, said) = self.run("get", docker_key(host).as_bytes())?;
        if !well {
            let text = String::from_utf8_lossy(&said);
            // The words of docker-credential-helpers, by which all helpers say so.
            if text.contains("credentials not found") || text.contains("no credentials") {
                return Ok(None);
            }
            return Err(self.fails(&text));
        }
        let answer: Answer = serde_json::from_slice(&said)
            .map_err(|_| self.error("its answer is not the JSON that helpers give"))?;
        if answer.secret.is_empty() {
            return Ok(None);
        }
        Ok(Some(match answer.user.as_str() {
            TOKEN_USER => Credential::Identity(answer.secret),
            user => Credential::Password {
                user: user.to_owned(),
                password: answer.secret,
            },
        }))
    }

    /// Keeps a user's password for a host.
    pub(crate) fn store(
        &self,
        host: &str,
        user: &str,
        password: &Secret,
    ) -> Result<(), ClientError> {
        let document = serde_json::json!({
            "ServerURL": docker_key(host),
            "Username": user,
            "Secret": password.expose(),
        });
        let question = Zeroizing::new(document.to_string());
        match self.run("store", question.as_bytes())? {
            (true, _) => Ok(()),
            (false, said) => Err(self.fails(&String::from_utf8_lossy(&said))),
        }
    }

    /// Forgets what it has for a host. Returns whether it had anything.
    pub(crate) fn erase(&self, host: &str) -> Result<bool, ClientError> {
        let had = self.get(host)?.is_some();
        match self.run("erase", docker_key(host).as_bytes())? {
            (true, _) => Ok(had),
            (false, _) if !had => Ok(false),
            (false, said) => Err(self.fails(&String::from_utf8_lossy(&said))),
        }
    }

    fn error(&self, cause: impl Into<String>) -> ClientError {
        ClientError::Helper {
            program: self.program.clone(),
            cause: cause.into(),
        }
    }

    fn fails(&self, said: &str) -> ClientError {
        let said: String = said.trim().chars().take(300).collect();
        self.error(match said.is_empty() {
            true => "it failed".to_owned(),
            false => format!("it failed: {said}"),
        })
    }

    /// Runs it; returns whether it ended well, and what it wrote.
    fn run(
        &self,
        action: &str,
        question: &[u8],
    ) -> Result<(bool, Zeroizing<Vec<u8>>), ClientError> {
        let mut child = Command::new(&self.program)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => self.error(
                    "it is not on the PATH; install it, or take its name out of Docker's config.json",
                ),
                _ => self.error(error.to_string()),
            })?;
        // Read beside, by a thread that is left to itself: what the helper started may hold the pipe open.
        let (sender, answer) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                let mut said = Zeroizing::new(Vec::new());
                let read = output.take(MAXIMUM_ANSWER + 1).read_to_end(&mut said);
                sender.send(read.map(|_| said))
            });
        }
        if let Some(mut input) = child.stdin.take() {
            // One that does not read what it is told fails in its own words.
            let _ = input.write_all(question);
        }
        let well = self.wait(&mut child)?;
        let said = answer
            .recv_timeout(Duration::from_secs(2))
            .map_err(|_| self.error("its answer has no end"))?
            .map_err(|error| self.error(error.to_string()))?;
        if said.len() as u64 > MAXIMUM_ANSWER {
            return Err(self.error("it says more than a helper has to say"));
        }
        Ok((well, said))
    }

    /// Waits for its end, and ends it when it takes too long.
    fn wait(&self, child: &mut Child) -> Result<bool, ClientError> {
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success());
            }
            if begun.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                let seconds = PATIENCE.as_secs();
                return Err(self.error(format!("it took more than {seconds} seconds")));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_cannot_be_named_by_a_path() {
        for name in ["", "../evil", "a/b", "A", "a b", "a;b", &"a".repeat(61)] {
            assert!(Helper::new(name).is_err(), "{name}");
        }
        assert!(Helper::new("secretservice").is_ok());
        assert!(Helper::new("ecr-login").is_ok());
    }

    #[test]
    fn a_helper_that_is_missing_is_an_error_with_a_way_out() {
        let helper = Helper::new("basalt-has-no-such-helper").expect("a plain name");
        let error = helper.get("r.example").expect_err("it is missing");
        assert!(error.to_string().contains("PATH"), "{error}");
    }
}
