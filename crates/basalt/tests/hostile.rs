//! Whatever an image, a registry, a spec or a file name says: no terminal obeys what the program
//! shows of it, no reader is misled, and no line of it poses as one of the program's own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use basalt::Arguments;
use basalt_digest::Digest;
use clap::CommandFactory;
use serde_json::{Value, json};

/// A terminal's title, a cleared screen, a C1 control, backspaces, directions of writing, hidden
/// characters; and a line that looks like one of ours.
const HOSTILE: &str = "x\u{1b}]0;y\u{7}\u{1b}[2J\u{9b}31m\u{7f}\u{8}\r\u{85}\u{202e}\u{2066}\u{200f}\u{61c}\u{200b}\u{2028}\u{feff}\u{e0041}\nFORGED\n";

/// The hostile text where a line's end may not stand.
fn word() -> String {
    HOSTILE.replace(['\r', '\n'], "")
}

/// How a part of it looks when it is shown: as text, or in JSON.
const SHOWN: [&str; 2] = ["\\u{202e}", "\\u202e"];

/// The commands, as clap knows them: `registry robot create`.
fn commands() -> BTreeSet<String> {
    fn walk(command: &clap::Command, name: &str, all: &mut BTreeSet<String>) {
        for below in command.get_subcommands() {
            let name = format!("{name} {}", below.get_name()).trim().to_owned();
            match below.has_subcommands() {
                true => walk(below, &name, all),
                false => drop(all.insert(name)),
            }
        }
    }
    let mut all = BTreeSet::new();
    walk(&Arguments::command(), "", &mut all);
    all
}

/// What each command is asked, besides what is wrong for all of them. `{R}` is the registry, `{H}`
/// the hostile word.
fn tries(command: &str) -> Option<Vec<&'static str>> {
    let mirrors = "--mirror debian=http://{R}/{H} --mirror debian-security=http://{R}/{H}";
    let leak = |text: String| -> &'static str { text.leak() };
    Some(match command {
        "init" => vec!["{H}.yaml"],
        "lock" => vec!["hostile.yaml", leak(format!("image.yaml {mirrors}"))],
        "build" => vec![
            "hostile.yaml",
            "locked.yaml --locked --offline",
            leak(format!("image.yaml {mirrors}")),
        ],
        "reproduce" => vec!["image", "{R}/error:x", "{H}"],
        "vendor" => vec![
            "{H} hostile.yaml",
            leak(format!("store image.yaml {mirrors}")),
        ],
        "explain" => vec!["hostile.yaml /x", "image /etc/{H}", "image {H}"],
        "effects" => vec!["./{H}.deb", leak(format!("{{H}} {mirrors}"))],
        "slice" => vec![leak(format!("{{H}} {mirrors}"))],
        "inspect" => vec!["image", "image --packages --files", "{H}", "archive.tar"],
        "sbom" => vec![
            "image",
            "image --format spdx",
            "image --format spdx3",
            "image --arch {H}",
        ],
        "diff" => vec!["image other", "image {H}", "image hostile.lock.json"],
        "push" => vec!["image {R}/error:x", "{H} {R}/error:x"],
        "pull" => vec![
            "{R}/error:x pulled",
            "{R}/good:latest pulled-too",
            "{R}/{H} c",
        ],
        "copy" => vec!["{R}/good:latest {R}/error:x", "image {H}"],
        "mirror" => vec!["{R}/good {R}/error", "{R}/good mirrored --tag {H}"],
        "tags" => vec!["{R}/good", "image", "{R}/error"],
        "referrers" => vec!["{R}/good:latest", "image"],
        "delete" => vec!["{R}/error:x"],
        "serve" => vec!["--config hostile.yaml", "--config {H}"],
        "registry verify" | "registry repair" | "registry events" => {
            vec!["--root {H}", "--config hostile.yaml"]
        }
        "registry backup" | "registry restore" => vec!["{H} --root {H}"],
        "registry retention" | "registry policy" => {
            vec!["--config hostile.yaml", "--config {H}"]
        }
        "registry search" => vec!["{R} app", "{R} {H}"],
        "registry robot create" => vec!["{R} a --repository {H} --right pull"],
        "registry robot list" | "registry session list" => vec!["{R}"],
        "registry robot delete" => vec!["{R} {H}"],
        "registry session delete" => vec!["{R} 0123456789abcdef", "{R} {H}"],
        "login" => vec!["{R} --username {H}", "{R} --browser --no-open", "{H}"],
        "logout" => vec!["{H}"],
        "key generate" => vec!["{H}"],
        "key public" => vec!["{H}", "hostile.yaml"],
        "sign" => vec!["image --key {H}", "image --key hostile.yaml"],
        "attest" => vec!["image --key hostile.yaml --predicate {H} --type {H}"],
        "attestations" => vec![
            "image",
            "image --show 1",
            "image --show 2",
            "{R}/good:latest",
        ],
        "verify" => vec![
            "image --key hostile.yaml",
            "image --policy hostile.yaml",
            "image --key key.pub",
            "{R}/error:x --key key.pub",
        ],
        "cache size" | "cache verify" => vec!["--cache {H}"],
        "cache prune" => vec!["--cache {H} --older-than 1"],
        "schema" | "completions" => vec!["{H}"],
        "man" => vec!["{H}"],
        _ => return None,
    })
}

#[test]
fn no_command_shows_anything_raw_that_a_terminal_would_obey_or_that_hides_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let image = write_place(place);
    let registry = serve(image);
    // Much of the time is spent waiting for what does not answer.
    let waiting: Mutex<Vec<String>> = Mutex::new(commands().into_iter().collect());
    let problems = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no thread panics with it").pop();
                    let Some(command) = next else { break };
                    let found = try_out(place, &registry, &command);
                    problems
                        .lock()
                        .expect("no thread panics with it")
                        .extend(found);
                }
            });
        }
    });
    let problems = problems.into_inner().expect("no thread panics with it");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Runs a command in all the ways that it is tried; returns what is wrong.
fn try_out(place: &Path, registry: &str, command: &str) -> Vec<String> {
    let Some(tries) = tries(command) else {
        return vec![format!("`{command}` is new: say above how it is tried")];
    };
    let mut problems = Vec::new();
    let mut has_shown = false;
    let common = ["--{H}", "{H} {H} {H} {H} {H} {H}"];
    for arguments in tries.into_iter().chain(common) {
        for form in [&[][..], &["--json"]] {
            let words = command.split(' ').chain(arguments.split(' '));
            let words: Vec<String> = words
                .chain(form.iter().copied())
                .map(|one| one.replace("{R}", registry).replace("{H}", &word()))
                .collect();
            let what = format!("{command} {arguments} {}", form.concat());
            let (out, error) = run(place, &words);
            for bytes in [&out, &error] {
                problems.extend(problem(bytes).map(|problem| format!("{what} {problem}")));
                let text = String::from_utf8_lossy(bytes);
                has_shown |= SHOWN.iter().any(|shown| text.contains(shown));
            }
            // A script stays what it is.
            let is_json = serde_json::from_slice::<Value>(&out).is_ok();
            if !form.is_empty() && !out.is_empty() && !is_json && command != "completions" {
                problems.push(format!("{what} writes what is no JSON"));
            }
        }
    }
    if !has_shown {
        problems.push(format!(
            "{command} showed nothing hostile: it was not tried"
        ));
    }
    problems
}

/// What is wrong with an output, if anything is.
fn problem(bytes: &[u8]) -> Option<String> {
    let text = basalt_escape::text(bytes);
    if text.as_bytes() != bytes {
        return Some(format!("shows this raw:\n{text}"));
    }
    let forged = text.lines().any(|line| line.starts_with("FORGED"));
    forged.then(|| format!("shows a line that is not its own:\n{text}"))
}

fn run(place: &Path, arguments: &[String]) -> (Vec<u8>, Vec<u8>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_basalt"))
        .args(arguments)
        .current_dir(place)
        .env_clear()
        .env("HOME", place)
        .env("BASALT_CACHE", place.join("cache"))
        .env("BASALT_TIMEOUT", "2")
        .env("COSIGN_PASSWORD", "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("it is piped");
    // Most do not read it.
    let _ = input.write_all(b"password\n");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    (output.stdout, output.stderr)
}

/// The blobs of a layout, by digest.
#[derive(Default)]
struct Image {
    blobs: BTreeMap<String, Vec<u8>>,
    entries: Vec<Value>,
}

impl Image {
    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = Digest::of(&bytes).to_string();
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.blobs.insert(digest, bytes);
        descriptor
    }

    fn document(&mut self, media_type: &str, document: &Value) -> Value {
        self.blob(media_type, serde_json::to_vec(document).expect("JSON"))
    }

    fn write(&self, folder: &Path) {
        fs::create_dir_all(folder.join("blobs/sha256")).expect("it is made");
        for (digest, bytes) in &self.blobs {
            fs::write(folder.join("blobs").join(digest.replace(':', "/")), bytes)
                .expect("it is written");
        }
        fs::write(
            folder.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .expect("it is written");
        let index = json!({"schemaVersion": 2, "manifests": self.entries});
        fs::write(folder.join("index.json"), index.to_string()).expect("it is written");
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image of which everything that can be is hostile.
fn image(content: &str) -> Image {
    let mut image = Image::default();
    let mut archive = tar::Builder::new(Vec::new());
    let name = word();
    let record = format!("Package: {name}\nVersion: 1{name}\nArchitecture: {name}\n");
    for (path, content) in [
        (format!("etc/{name}"), content),
        (format!("etc/line\nFORGED\n{content}"), content),
        ("var/lib/dpkg/status.d/app".to_owned(), record.as_str()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_mtime(0);
        archive
            .append_data(&mut header, path, content.as_bytes())
            .expect("a Vec takes bytes");
    }
    let layer = archive.into_inner().expect("a Vec takes bytes");
    let diff = Digest::of(&layer).to_string();
    let layer = image.blob("application/vnd.oci.image.layer.v1.tar", layer);
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": HOSTILE, "author": HOSTILE,
        "config": {
            "User": HOSTILE, "Env": [HOSTILE], "Cmd": [HOSTILE], "Entrypoint": [HOSTILE, content],
            "WorkingDir": HOSTILE, "StopSignal": HOSTILE, "Labels": {HOSTILE: HOSTILE},
            "ExposedPorts": {HOSTILE: {}}, "Volumes": {HOSTILE: {}},
        },
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [{"created_by": HOSTILE, "comment": HOSTILE}],
    });
    let config = image.document(CONFIG, &config);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
        "annotations": {HOSTILE: HOSTILE},
    });
    let mut entry = image.document(MANIFEST, &manifest);
    let subject = entry.clone();
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    entry["platform"] = json!({"architecture": "amd64", "os": "linux"});
    image.entries.push(entry);
    let spdx = json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": HOSTILE,
        "creationInfo": {"created": HOSTILE, "creators": [HOSTILE]},
        "packages": [{"SPDXID": "SPDXRef-a", "name": HOSTILE, "versionInfo": HOSTILE,
            "downloadLocation": HOSTILE, "licenseDeclared": HOSTILE, "copyrightText": HOSTILE}],
    });
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": HOSTILE,
        "subject": [{"name": HOSTILE, "digest": {"sha256": "00"}}],
        "predicate": {HOSTILE: HOSTILE},
    });
    for (kind, document) in [
        ("application/spdx+json", &spdx),
        ("application/vnd.in-toto+json", &statement),
        (HOSTILE, &json!({HOSTILE: HOSTILE})),
    ] {
        let layer = image.document(kind, document);
        let config = image.document("application/vnd.oci.empty.v1+json", &json!({}));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": config,
            "layers": [layer], "subject": subject, "annotations": {HOSTILE: HOSTILE},
        });
        let mut entry = image.document(MANIFEST, &manifest);
        entry["artifactType"] = kind.into();
        entry["annotations"] = json!({HOSTILE: HOSTILE});
        image.entries.push(entry);
    }
    image
}

/// Writes all that commands are given; returns the image that the registry has.
fn write_place(place: &Path) -> Image {
    let write = |name: &OsStr, bytes: &[u8]| {
        fs::write(place.join(name), bytes).expect("it is written");
    };
    let first = image("one");
    first.write(&place.join("image"));
    image("two").write(&place.join("other"));
    let escaped: String = HOSTILE
        .chars()
        .map(|letter| format!("\\U{:08x}", u32::from(letter)))
        .collect();
    let shown: String = word()
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    let yaml = format!("name: app\nreleases: [trixie]\n\"{escaped}\": 1  # {shown}\n");
    write(OsStr::new("hostile.yaml"), yaml.as_bytes());
    let spec = "name: app\nreleases: [trixie]\narchitectures: [amd64]\npackages: [tzdata]\n";
    write(OsStr::new("image.yaml"), spec.as_bytes());
    write(OsStr::new("locked.yaml"), spec.as_bytes());
    let lock = json!({HOSTILE: HOSTILE}).to_string();
    write(OsStr::new("locked.trixie.lock.json"), lock.as_bytes());
    write(OsStr::new("hostile.lock.json"), lock.as_bytes());
    write(OsStr::new(&format!("{}.deb", word())), HOSTILE.as_bytes());
    write(OsStr::new("archive.tar"), HOSTILE.as_bytes());
    write(
        OsStr::new("key.pub"),
        b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
    );
    // A name that is not even text.
    write(OsStr::from_bytes(b"not-\xff-text"), b"");
    first
}

/// Starts a registry that says what is hostile wherever it may; returns its host.
fn serve(image: Image) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("it is bound").to_string();
    let image = Arc::new(image);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let image = image.clone();
            std::thread::spawn(move || answer(stream, &image));
        }
    });
    host
}

fn answer(stream: TcpStream, image: &Image) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    let mut words = request.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let (status, kind, body) = respond(method, path, image);
    let mut stream = stream;
    // Nothing but UTF-8 and what a header's value may hold.
    let warning: String = word()
        .chars()
        .filter(|letter| !letter.is_ascii_control())
        .collect();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nWarning: 299 - \"{warning}\"\r\n\
         Connection: close\r\n\r\n",
        body.len()
    )
    .ok()?;
    if method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    Some(())
}

fn respond(method: &str, path: &str, image: &Image) -> (u16, String, Vec<u8>) {
    let document = |status: u16, document: Value| {
        let kind = "application/json".to_owned();
        (status, kind, document.to_string().into_bytes())
    };
    let refusal = || {
        let error = json!({"code": HOSTILE, "message": HOSTILE, "detail": HOSTILE});
        document(403, json!({"errors": [error], "error": HOSTILE}))
    };
    let reads = ["GET", "HEAD"].contains(&method);
    if path == "/v2/" {
        return document(200, json!({}));
    }
    if let Some(rest) = path.strip_prefix("/v2/good/").filter(|_| reads) {
        if rest.starts_with("tags/list") {
            return document(200, json!({"name": HOSTILE, "tags": ["latest", HOSTILE]}));
        }
        if rest.starts_with("referrers/") {
            let index = json!({"schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": image.entries[1..]});
            let (status, _, body) = document(200, index);
            return (
                status,
                "application/vnd.oci.image.index.v1+json".to_owned(),
                body,
            );
        }
        let named = rest.rsplit('/').next().unwrap_or_default();
        let digest = match named {
            "latest" => image.entries[0]["digest"].as_str().unwrap_or_default(),
            other => other,
        };
        if let Some(bytes) = image.blobs.get(digest) {
            return (200, MANIFEST.to_owned(), bytes.clone());
        }
        return refusal();
    }
    if path.starts_with("/basalt/v1/") && reads {
        let row: BTreeMap<&str, &str> = [
            "id",
            "user",
            "scope",
            "agent",
            "address",
            "expires",
            "used",
            "name",
            "created",
            "repository",
            "digest",
        ]
        .into_iter()
        .map(|key| (key, HOSTILE))
        .collect();
        let mut image = json!(row);
        image["tags"] = json!([HOSTILE]);
        image["package"] = json!({"name": HOSTILE, "version": HOSTILE});
        return document(
            200,
            json!({"sessions": [row], "robots": [row], "images": [image], "query": HOSTILE}),
        );
    }
    refusal()
}

/// What is hostile in the file system, for `PathBuf`s that are not text.
#[test]
fn a_path_that_is_no_text_is_shown_with_its_bytes_spelled_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_basalt"))
        .arg("inspect")
        .arg(PathBuf::from(OsStr::from_bytes(b"no-\xff\x1b[2J")))
        .current_dir(folder.path())
        .output()
        .expect("the program starts");
    assert_eq!(problem(&output.stdout), None);
    assert_eq!(problem(&output.stderr), None);
    assert_eq!(output.status.code(), Some(2));
}
