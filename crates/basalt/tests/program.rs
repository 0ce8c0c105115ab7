//! The program as a person meets it.

#[path = "support/run.rs"]
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use basalt_digest::Digest;
use basalt_oci::{
    History, ImageConfig, Index, LayoutWriter, Manifest, Platform, RootFilesystem, RuntimeConfig,
    media_type,
};
use run::Run;

/// A lock of format 1.
const LOCK: &str = include_str!("../../basalt-lock/tests/fixtures/format-1.json");

/// Runs the program in a folder, which has the cache too.
fn basalt(folder: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_basalt"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("BASALT_CACHE", folder.join("cache"))
        .output()
        .expect("the program starts");
    Run::of(output)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Writes an image of one layer with these files (path, mode, content).
fn image(target: PathBuf, user: &str, files: &[(&str, u32, &str)]) {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(*mode);
        header.set_size(content.len() as u64);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive
            .append_data(&mut header, name, content.as_bytes())
            .expect("a Vec takes bytes");
    }
    let plain = archive.into_inner().expect("a Vec takes bytes");
    let writer = LayoutWriter::create(&target, false).expect("it begins");
    let layer = writer.add_bytes(media_type::LAYER, &plain).expect("added");
    let platform = Platform::of_debian("amd64").expect("known");
    let config = ImageConfig {
        created: Some(basalt_oci::date(0)),
        author: None,
        platform: platform.clone(),
        config: RuntimeConfig {
            user: user.to_owned(),
            env: vec!["PATH=/usr/bin".to_owned()],
            cmd: vec!["/usr/bin/app".to_owned(), "-v".to_owned()],
            ..RuntimeConfig::default()
        },
        rootfs: RootFilesystem::of_layers(vec![Digest::of(&plain)]),
        history: vec![History::of_layer(0, &["app".to_owned()], "")],
    };
    let config = writer.add_json(media_type::CONFIG, &config).expect("added");
    let manifest = Manifest::new(config, vec![layer]);
    let mut descriptor = writer
        .add_json(media_type::MANIFEST, &manifest)
        .expect("added");
    descriptor.platform = Some(platform);
    let name = basalt_oci::annotation::REFERENCE_NAME.to_owned();
    descriptor.annotations.insert(name, "app".to_owned());
    writer
        .finish(&Index::new(vec![descriptor]))
        .expect("put in place");
}

/// Two images that differ in every way that `diff` tells.
fn two(folder: &Path) {
    let status = "var/lib/dpkg/status.d/app";
    image(
        folder.join("a"),
        "0",
        &[
            (
                status,
                0o644,
                "Package: app\nVersion: 1.0\nArchitecture: amd64\n",
            ),
            ("usr/bin/app", 0o4755, "one"),
            ("usr/bin/old", 0o755, "old"),
        ],
    );
    image(
        folder.join("b"),
        "65532",
        &[
            (
                status,
                0o644,
                "Package: app\nVersion: 1.1\nArchitecture: amd64\n",
            ),
            ("usr/bin/app", 0o755, "two"),
            ("usr/bin/new", 0o755, "new!"),
        ],
    );
}

const COMMANDS: [&str; 21] = [
    "key",
    "sign",
    "attest",
    "attestations",
    "verify",
    "push",
    "pull",
    "copy",
    "mirror",
    "tags",
    "referrers",
    "delete",
    "login",
    "logout",
    "effects",
    "slice",
    "inspect",
    "diff",
    "cache",
    "completions",
    "man",
];

#[test]
fn help_lists_the_commands_and_exit_codes() {
    let run = basalt(folder().path(), &["--help"]);
    assert_eq!(run.status, 0);
    for command in COMMANDS {
        assert!(run.out.contains(&format!("\n  {command} ")), "{command}");
    }
    let codes = run
        .out
        .split("Exit codes:")
        .nth(1)
        .expect("they are listed");
    insta::assert_snapshot!(codes.trim_end(), @r#"
      0  all is well
      1  something failed
      2  the command line is wrong
      3  the image spec or the lock is wrong
      4  what came is not to be trusted: signature, digest, date, or a package made to harm
      5  no set of packages meets the wishes
      6  a maintainer script is not explained
      7  an assertion of the spec does not hold
      8  differences were found
      9  a mirror or registry cannot be reached or does not deliver
     10  a rule of `verify` is not met
    129  the terminal was closed
    130  interrupted (Ctrl-C)
    143  ended by SIGTERM
    "#);
}

#[test]
fn every_command_explains_itself() {
    let folder = folder();
    for command in COMMANDS {
        let run = basalt(folder.path(), &[command, "--help"]);
        assert_eq!(run.status, 0, "{command}");
        assert!(run.out.contains("Usage:"), "{command}");
    }
}

#[test]
fn a_wrong_command_line_is_code_2() {
    let folder = folder();
    for arguments in [&["bulid"][..], &["diff", "a"], &[], &["cache", "prune"]] {
        assert_eq!(basalt(folder.path(), arguments).status, 2, "{arguments:?}");
    }
    let run = basalt(folder.path(), &["inspekt", "x"]);
    assert!(run.error.contains("'inspect'"), "{}", run.error);
}

#[test]
fn an_image_is_shown() {
    let folder = folder();
    two(folder.path());
    let run = basalt(folder.path(), &["inspect", "b", "--packages", "--files"]);
    assert_eq!(run.status, 0, "{}", run.error);
    insta::assert_snapshot!(run.out, @r#"
    reference    app
    platform     linux/amd64
    digest       sha256:133761c6ce5377bece066c0b3e44711b074141910e927077c4f5b8e735f484aa
    created      1970-01-01T00:00:00Z
    user         65532
    cmd          ["/usr/bin/app","-v"]
    environment  PATH=/usr/bin
    layers       1, 4.10 kB compressed
      f08bd4801929   4.10 kB  app
    packages     1
      app 1.1
    files        3
      -0755  0:0   3  /usr/bin/app
      -0755  0:0   4  /usr/bin/new
      -0644  0:0  46  /var/lib/dpkg/status.d/app
    "#);
}

#[test]
fn an_image_is_shown_to_machines() {
    let folder = folder();
    two(folder.path());
    let run = basalt(folder.path(), &["--json", "inspect", "b"]);
    let document: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(document[0]["config"]["config"]["User"], "65532");
    assert_eq!(document[0]["reference"], "app");
}

#[test]
fn two_images_are_compared() {
    let folder = folder();
    two(folder.path());
    let run = basalt(folder.path(), &["diff", "a", "b"]);
    assert_eq!(run.status, 8, "{}", run.error);
    insta::assert_snapshot!(run.out, @r#"
    image linux/amd64
    ~ config.User: "0" → "65532"
    ~ package app 1.0 → 1.1
    ~ /usr/bin/app: content, mode 4755 → 0755
    + /usr/bin/new: added, 4 bytes, mode 0755, owner 0:0
    - /usr/bin/old: removed, 3 bytes, mode 0755, owner 0:0
    ~ /var/lib/dpkg/status.d/app: content
    "#);
    let run = basalt(folder.path(), &["diff", "a", "a"]);
    assert_eq!((run.status, run.out.as_str()), (0, "no difference\n"));
}

#[test]
fn two_locks_are_compared() {
    let folder = folder();
    std::fs::write(folder.path().join("a.lock"), LOCK).expect("written");
    let moved = LOCK.replacen(
        "\"version\": \"2026b-0+deb13u1\"",
        "\"version\": \"2026c\"",
        1,
    );
    std::fs::write(folder.path().join("b.lock"), moved).expect("written");
    let run = basalt(folder.path(), &["diff", "a.lock", "b.lock"]);
    assert_eq!(run.status, 8, "{}", run.error);
    assert_eq!(run.out, "~ tzdata 2026b-0+deb13u1 → 2026c (all)\n");
    let run = basalt(folder.path(), &["diff", "a.lock", "a.lock"]);
    assert_eq!(run.status, 0);
    two(folder.path());
    let run = basalt(folder.path(), &["diff", "a.lock", "a"]);
    assert_eq!(run.status, 2);
    assert!(run.error.contains("help: name two locks"), "{}", run.error);
}

#[test]
fn a_wrong_lock_is_code_3_with_its_place() {
    let folder = folder();
    let wrong = LOCK.replacen("\"size\"", "\"sise\"", 1);
    std::fs::write(folder.path().join("a.lock"), wrong).expect("written");
    let run = basalt(folder.path(), &["diff", "a.lock", "a.lock"]);
    assert_eq!(run.status, 3);
    assert!(
        run.error.starts_with("error: a.lock: line 28"),
        "{}",
        run.error
    );
    assert!(
        !run.error.contains('\u{1b}'),
        "no colour without a terminal"
    );
}

#[test]
fn a_tampered_image_is_code_4() {
    let folder = folder();
    two(folder.path());
    let layout = basalt_oci::Layout::open(&folder.path().join("a")).expect("it opens");
    let layer = layout.images().expect("sound")[0].manifest.layers[0].digest;
    let blob = folder.path().join("a/blobs/sha256").join(layer.hex());
    let mut bytes = std::fs::read(&blob).expect("read");
    // In the last block of zeros, which no tar reader looks at.
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(&blob, bytes).expect("written");
    let run = basalt(folder.path(), &["inspect", "a", "--files"]);
    assert_eq!(run.status, 4, "{}", run.error);
    assert_eq!(run.out, "");
}

#[test]
fn errors_are_json_too_when_asked() {
    let run = basalt(folder().path(), &["inspect", "absent", "--json"]);
    assert_eq!(run.status, 2);
    let document: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(document["error"]["status"], 2);
    let message = document["error"]["message"].as_str().expect("text");
    assert!(message.contains("absent"), "{message}");
}

#[test]
fn the_cache_is_looked_after() {
    let folder = folder();
    let run = basalt(folder.path(), &["cache", "size", "--json"]);
    assert_eq!(run.status, 0, "{}", run.error);
    let document: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(document["blobs"], 0);
    let run = basalt(folder.path(), &["cache", "prune", "--maximum-size", "1G"]);
    assert_eq!(run.out, "removed 0 files, 0 B; 0 B stay\n");
    let run = basalt(folder.path(), &["cache", "verify"]);
    assert_eq!(run.out, "read 0 files, 0 B; 0 damaged\n");
}

#[test]
fn completions_and_manual_pages_are_written() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        let run = basalt(folder.path(), &["completions", shell]);
        assert!(run.status == 0 && run.out.contains("inspect"), "{shell}");
    }
    let run = basalt(folder.path(), &["man", "pages"]);
    assert_eq!(run.status, 0, "{}", run.error);
    let page = std::fs::read_to_string(folder.path().join("pages/basalt-diff.1"));
    assert!(page.expect("written").contains(".TH BASALT-DIFF"));
    for (page, parts) in [
        (
            "basalt-lock",
            ["\n.SH EXAMPLES\n", "see what moved in the archive"],
        ),
        (
            "basalt",
            ["\n.SH \"EXIT CODES\"\n", "\n\\fB130\\fR\ninterrupted"],
        ),
    ] {
        let text = std::fs::read_to_string(folder.path().join(format!("pages/{page}.1")));
        let text = text.expect("written");
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
    }
}

#[test]
fn init_writes_a_spec_once_and_the_schema_is_json() {
    let folder = folder();
    let run = basalt(folder.path(), &["init", "My_App.yaml"]);
    assert_eq!(run.status, 0, "{}", run.error);
    let text = std::fs::read_to_string(folder.path().join("My_App.yaml")).expect("written");
    assert!(text.contains("name: my-app"), "{text}");
    let run = basalt(folder.path(), &["init", "My_App.yaml"]);
    assert_eq!(run.status, 1);
    assert!(
        run.error.contains("help: name another file"),
        "{}",
        run.error
    );
    let run = basalt(folder.path(), &["schema"]);
    serde_json::from_str::<serde_json::Value>(&run.out).expect("JSON");
}
