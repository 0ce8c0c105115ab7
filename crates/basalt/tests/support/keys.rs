//! Keys made for the occasion with `gpg`, good and bad, and what they sign.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A key that nothing speaks against.
pub const GOOD: &str = "good@example.org";
/// Another such key.
pub const OTHER: &str = "other@example.org";
/// A key that held for a day of 2024: [`WHILE_IT_HELD`].
pub const EXPIRED: &str = "expired@example.org";
/// A key that is revoked once it has signed.
pub const REVOKED: &str = "revoked@example.org";
/// A key whose subkey signs.
pub const SUBKEY: &str = "subkey@example.org";

/// A key of 2024 that holds for ever: it can sign at moments of the past.
pub const OLD: &str = "old@example.org";

/// A moment at which the key [`EXPIRED`] still held, as `gpg` takes it.
pub const WHILE_IT_HELD: &str = "20240101T010000";

/// A key store of our own.
pub struct Keys {
    home: tempfile::TempDir,
}

impl Keys {
    /// Makes the keys.
    pub fn make() -> Self {
        let keys = Self {
            home: tempfile::tempdir().expect("a folder"),
        };
        for name in [GOOD, OTHER, REVOKED] {
            keys.gpg(&["--quick-generate-key", name, "ed25519", "sign", "never"]);
        }
        let moment = ["--faked-system-time", "20240101T000000"];
        let make = ["--quick-generate-key", EXPIRED, "ed25519", "sign", "1d"];
        keys.gpg(&[&moment[..], &make].concat());
        let make = ["--quick-generate-key", OLD, "ed25519", "sign", "never"];
        keys.gpg(&[&moment[..], &make].concat());
        keys.gpg(&["--quick-generate-key", SUBKEY, "ed25519", "cert", "never"]);
        let fingerprint = keys.fingerprint(SUBKEY);
        keys.gpg(&["--quick-add-key", &fingerprint, "ed25519", "sign", "never"]);
        keys
    }

    /// The public key, armoured.
    pub fn export(&self, name: &str) -> Vec<u8> {
        self.gpg(&["--armor", "--export", name])
    }

    /// Signs a text, in one file with it or, with `detached`, in another. `more` goes to `gpg`.
    pub fn sign(&self, text: &str, signers: &[&str], detached: bool, more: &[&str]) -> Vec<u8> {
        let file = self.home.path().join("Release");
        fs::write(&file, text).expect("it is written");
        let mut arguments = more.to_vec();
        for signer in signers {
            arguments.extend(["--local-user", signer]);
        }
        arguments.extend(["--armor", "--output", "-"]);
        arguments.push(if detached {
            "--detach-sign"
        } else {
            "--clearsign"
        });
        arguments.push(file.to_str().expect("UTF-8"));
        self.gpg(&arguments)
    }

    /// Revokes a key by the certificate that was made with it.
    pub fn revoke(&self, name: &str) {
        let fingerprint = self.fingerprint(name);
        let folder = self.home.path().join("openpgp-revocs.d");
        let text = fs::read_to_string(folder.join(format!("{fingerprint}.rev")))
            .expect("gpg made one with the key");
        let file = folder.join("revoked");
        // A colon keeps it from being used by accident.
        fs::write(&file, text.replace(":-----BEGIN", "-----BEGIN")).expect("it is written");
        self.gpg(&["--import", file.to_str().expect("UTF-8")]);
    }

    /// Revokes the first subkey of a key.
    pub fn revoke_subkey(&self, name: &str) {
        let answers = "key 1\nrevkey\ny\n0\n\ny\nsave\n";
        let mut child = self
            .command()
            .args(["--no-tty", "--command-fd", "0", "--edit-key", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests sign with `gpg`: install it");
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(answers.as_bytes()).expect("gpg reads");
        drop(input);
        assert!(child.wait().expect("gpg ends").success());
    }

    fn fingerprint(&self, name: &str) -> String {
        let list = self.gpg(&["--with-colons", "--list-keys", name]);
        let list = String::from_utf8(list).expect("UTF-8");
        let line = list
            .lines()
            .find_map(|line| line.strip_prefix("fpr:"))
            .expect("it is listed");
        line.trim_matches(':').to_owned()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--yes", "--quiet", "--pinentry-mode", "loopback"])
            .args(["--passphrase", ""]);
        command
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let Output {
            status,
            stdout,
            stderr,
        } = self
            .command()
            .arg("--batch")
            .args(arguments)
            .output()
            .expect("these tests sign with `gpg`: install it");
        assert!(
            status.success(),
            "gpg {arguments:?}: {}",
            String::from_utf8_lossy(&stderr)
        );
        stdout
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // The agent that gpg started for this home alone.
        let home: &Path = self.home.path();
        Command::new("gpgconf")
            .arg("--homedir")
            .arg(home)
            .args(["--kill", "all"])
            .output()
            .ok();
    }
}
