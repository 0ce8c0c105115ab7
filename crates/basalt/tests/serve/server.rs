//! A server to talk to, and a client that says exactly what a test wants.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use basalt_oci::{Index, LayoutWriter, Manifest, media_type};
use basalt_registry::digest::{Algorithm, Digest};
use serde_json::{Value, json};

/// The media type of an image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIGURATION: &str = "registry.yaml";

/// A program that makes a database and a store of this name, and prints the lines of a configuration that say so: with it all
/// servers of these tests keep what they have there.
const STORES: &str = "BASALT_TEST_STORES";

/// A folder for a server and its configuration.
pub struct Home {
    folder: tempfile::TempDir,
    stores: Option<String>,
}

impl Home {
    /// One for a test that looks at the files of a server, which it has there in any case.
    pub fn with_files() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stores = None;
        Self { folder, stores }
    }

    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stores = std::env::var_os(STORES).map(|program| {
            let name = folder.path().file_name().expect("a name");
            let name = name.to_string_lossy().replace('.', "test-");
            let made = Command::new(program).arg(name).output().expect("it starts");
            let problem = String::from_utf8_lossy(&made.stderr).into_owned();
            assert!(made.status.success(), "{problem}");
            String::from_utf8(made.stdout).expect("UTF-8")
        });
        Self { folder, stores }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut text = text.as_ref().to_vec();
        if let Some(stores) = self.stores.as_ref().filter(|_| name == CONFIGURATION)
            && !text.ends_with(stores.as_bytes())
        {
            text.extend_from_slice(b"\n");
            text.extend_from_slice(stores.as_bytes());
        }
        fs::write(self.path(name), text).expect("it is written");
    }

    /// Runs the program to its end.
    pub fn basalt(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().expect("no signal");
        (code, text(output.stdout), text(output.stderr))
    }

    /// A layout with an image of one layer, which has these bytes; its tag is `1`.
    pub fn layout(&self, name: &str, layer: &[u8]) {
        let writer = LayoutWriter::create(&self.path(name), false).expect("it begins");
        let layer = writer.add_bytes(LAYER, layer).expect("added");
        let rootfs = json!({"type": "layers", "diff_ids": [layer.digest.to_string()]});
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs});
        let config = writer.add_json(media_type::CONFIG, &config).expect("added");
        let manifest = Manifest::new(config, vec![layer]);
        let entry = writer.add_json(media_type::MANIFEST, &manifest);
        let mut entry = entry.expect("added");
        let key = "org.opencontainers.image.ref.name".to_owned();
        entry.annotations.insert(key, "1".to_owned());
        let index = Index::new(vec![entry]);
        writer.finish(&index).expect("it is in place");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_basalt"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path());
        command
    }

    /// A server on the folder `root`, at a port that is free, with these arguments besides.
    pub fn serve(&self, arguments: &[&str]) -> Server {
        let mut all = vec!["serve", "--root", "root", "--json"];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        if self.stores.is_some() && !arguments.contains(&"--config") {
            self.write(CONFIGURATION, "");
            all.extend(["--config", CONFIGURATION]);
        }
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .expect("it is made");
        let mut child = self
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
        // The document has several lines; the last is a brace alone.
        while !said.ends_with("}\n") {
            let count = lines
                .read_line(&mut said)
                .expect("it says where it listens");
            assert_ne!(
                count,
                0,
                "{}",
                fs::read_to_string(self.path("log")).expect("a log")
            );
        }
        let said: Value = serde_json::from_str(&said).expect("a JSON document");
        let address = said["listen"].as_str().expect("an address").to_owned();
        Server { child, address }
    }

    /// A server with this configuration.
    pub fn serve_as(&self, config: &str) -> Server {
        self.write(CONFIGURATION, config);
        self.serve(&["--config", CONFIGURATION])
    }

    /// Runs `basalt registry` on what the server here has.
    pub fn registry(&self, arguments: &[&str]) -> (i32, String, String) {
        let place = ["--root", "root", "--config", CONFIGURATION];
        self.basalt(&[&["registry"], arguments, &place].concat())
    }

    /// Waits until a hook is known: it hears of what happens from its first round on, and of nothing before.
    pub fn await_hook(&self, name: &str) {
        let name = format!("\"{name}\"");
        await_that("the hook is known", || {
            self.registry(&["events", "--json"]).1.contains(&name)
        });
    }

    /// All that the server here has is sound.
    pub fn is_sound(&self) {
        let (code, out, error) = self.registry(&["verify"]);
        assert_eq!(code, 0, "{out}{error}");
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("it is there")
    }
}

/// A server that runs; it is killed when the test is over.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Kills it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end; its exit code.
    pub fn terminate(mut self) -> i32 {
        self.signal("TERM");
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(40) {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status.code().expect("no signal");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_none()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("it is there");
        assert!(status.success());
    }

    /// Sends a request and reads the answer.
    pub fn ask(&self, method: &str, target: &str) -> Asked<'_> {
        Asked {
            server: self,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub fn get(&self, target: &str) -> Answer {
        self.ask("GET", target).send()
    }

    /// Pushes a blob in one request.
    pub fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, bytes);
        let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.ask("POST", &target).body(bytes).send().is(201);
        digest
    }

    /// Pushes an image of one config and these layers; its digest.
    pub fn push_image(&self, repository: &str, tag: &str, layers: &[&[u8]]) -> Digest {
        let (config, bytes) = self.image(repository, layers);
        drop(config);
        let target = format!("/v2/{repository}/manifests/{tag}");
        let pushed = self
            .ask("PUT", &target)
            .kind(MANIFEST)
            .body(&bytes)
            .send()
            .is(201);
        pushed
            .header("docker-content-digest")
            .parse()
            .expect("a digest")
    }

    /// Pushes the blobs of an image, not its manifest; the config's digest and the manifest's bytes.
    pub fn image(&self, repository: &str, layers: &[&[u8]]) -> (Digest, Vec<u8>) {
        let descriptor = |kind: &str, bytes: &[u8]| {
            let digest = self.push_blob(repository, bytes);
            json!({"mediaType": kind, "digest": digest.as_str(), "size": bytes.len()})
        };
        let config = descriptor("application/vnd.oci.image.config.v1+json", b"{}");
        let layer = |bytes: &&[u8]| descriptor("application/vnd.oci.image.layer.v1.tar", bytes);
        let layers: Vec<Value> = layers.iter().map(layer).collect();
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        (
            Digest::of(Algorithm::Sha256, b"{}"),
            manifest.to_string().into_bytes(),
        )
    }
}

/// A request to be sent.
pub struct Asked<'a> {
    server: &'a Server,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Asked<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn kind(self, media_type: &str) -> Self {
        self.header("content-type", media_type)
    }

    pub fn body(mut self, bytes: &[u8]) -> Self {
        self.body = Some(bytes.to_vec());
        self
    }

    pub fn send(self) -> Answer {
        self.try_send().expect("an answer")
    }

    /// Nothing when the connection broke before the answer was whole.
    pub fn try_send(self) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.server.address).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .ok()?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nconnection: close\r\n",
            self.method, self.target
        );
        let mut headers = self.headers;
        if !headers.iter().any(|(name, _)| name == "host") {
            headers.push(("host".to_owned(), self.server.address.clone()));
        }
        let is_chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
        let body = self.body.unwrap_or_default();
        if !is_chunked {
            headers.push(("content-length".to_owned(), body.len().to_string()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        // The server may answer before it has read all.
        let _ = stream.write_all(&body);
        Answer::read(&mut stream, self.method == "HEAD")
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: HashMap<String, Vec<String>>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer; nothing when it breaks off.
    pub fn read(stream: &mut impl Read, is_head: bool) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers: HashMap<String, Vec<String>> = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            let values = headers.entry(name.to_ascii_lowercase()).or_default();
            values.push(value.trim().to_owned());
        }
        let length = headers
            .get("content-length")
            .map(|values| values[0].parse::<usize>());
        let mut body = Vec::new();
        if !is_head && !matches!(status, 204 | 304) {
            let length = length?.ok()?;
            body.resize(length, 0);
            reader.read_exact(&mut body).ok()?;
        }
        Some(Self {
            status,
            headers,
            body,
        })
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    /// Asserts the code of the error document.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.json()["errors"][0]["code"], code);
        answer
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |values| values[0].as_str())
    }

    pub fn all(&self, name: &str) -> &[String] {
        self.headers.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON document")
    }
}

/// Bytes that look like nothing else.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next)
        .flatten()
        .take(length)
        .collect()
}

/// The files of the store's blobs.
pub fn stored(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is there") {
            let path = entry.expect("it is listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// Waits until something holds.
#[track_caller]
pub fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(90) {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("gave up waiting until {what}");
}
