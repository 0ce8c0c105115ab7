//! A FIFO never blocks the program and a device is never read: wherever a file is named, they are
//! refused at once, also behind a link.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a run may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const SPEC: &str = "name: app\nreleases: [trixie]\narchitectures: [amd64]\npackages: [tzdata]\n";

fn run(place: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_basalt"))
        .args(arguments)
        .current_dir(place)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", place.join("home"))
        .env("BASALT_CACHE", place.join("cache"))
        .env("BASALT_TIMEOUT", "2")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let begun = Instant::now();
    while child.try_wait().expect("it is ours").is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().expect("it is ours");
            panic!("{arguments:?} {environment:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("it has ended")
}

/// What could stand in a file's place: its name, and what the program calls it.
fn special(place: &Path) -> Vec<(String, &'static str)> {
    let made = Command::new("mkfifo").arg(place.join("fifo")).status();
    assert!(made.expect("mkfifo starts").success());
    symlink("fifo", place.join("to-fifo")).expect("it is made");
    symlink("/dev/zero", place.join("to-zero")).expect("it is made");
    let path = |name: &str| place.join(name).display().to_string();
    vec![
        (path("fifo"), "a pipe"),
        (path("to-fifo"), "a pipe"),
        (path("to-zero"), "a device"),
        ("/dev/zero".to_owned(), "a device"),
    ]
}

/// Puts a link to it at a path.
fn put(target: &str, path: &Path) {
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it is made");
    fs::remove_file(path).ok();
    symlink(target, path).expect("it is made");
}

#[test]
fn what_could_block_or_never_end_is_refused_at_once_wherever_a_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let write = |name: &str, text: &str| fs::write(place.join(name), text).expect("it is written");
    write("image.yaml", SPEC);
    write(
        "key.pub",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
    );
    let nowhere = "--mirror=debian=http://127.0.0.1:9/";
    for (special, word) in special(place) {
        let special = special.as_str();
        let refused = |what: &str, environment: &[(&str, &str)], arguments: &[&str]| {
            let output = run(place, environment, arguments);
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_ne!(output.status.code(), Some(0), "{what} {special}");
            assert!(error.contains(word), "{what} {special}: {error}");
        };
        // What came from elsewhere is not as it must be: the same code by every command.
        let distrusted = |what: &str, arguments: &[&str]| {
            let output = run(place, &[], arguments);
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(
                output.status.code(),
                Some(4),
                "{what} {arguments:?}: {error}"
            );
            assert!(error.contains(word), "{what} {arguments:?}: {error}");
        };
        let by_all_commands = |what: &str, layout: &str| {
            for arguments in [
                &["inspect", layout][..],
                &["verify", layout, "--key", "key.pub"],
                &["attestations", layout],
                &["referrers", layout],
                &["sbom", layout],
                &["explain", layout, "/usr"],
                &["diff", layout, layout],
                &["copy", layout, "oci:other"],
                &["push", layout, "127.0.0.1:9/a:1"],
            ] {
                distrusted(what, arguments);
            }
        };
        // A spec, and what it names.
        refused("a spec", &[], &["lock", special]);
        for (what, more) in [
            ("an include", format!("include: [{special}]\n")),
            (
                "a source",
                format!("files: [{{ path: /a, source: {special} }}]\n"),
            ),
            (
                "a keyring",
                format!(
                    "archives: [{{ name: own, url: 'http://127.0.0.1:9/', suite: a, keyring: {special} }}]\n"
                ),
            ),
            ("a certificate", format!("certificates: [{special}]\n")),
        ] {
            write("naming.yaml", &format!("{SPEC}{more}"));
            let output = run(place, &[], &["lock", "naming.yaml", nowhere]);
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{what} {special}: {error}");
            let column = more.find(special).map_or(1, |at| at + 1);
            let at = format!("naming.yaml:5:{column}");
            assert!(
                what == "an include" || error.contains(&at) && error.contains(word),
                "{what} {special}: {error}"
            );
        }
        // From the folder of the spec that is included.
        fs::create_dir_all(place.join("shared")).expect("it is made");
        put(special, &place.join("shared/ca.pem"));
        write("shared/more.yaml", "certificates:\n  - ca.pem\n");
        write(
            "naming.yaml",
            &format!("{SPEC}include: [shared/more.yaml]\n"),
        );
        let output = run(place, &[], &["lock", "naming.yaml", nowhere]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{special}: {error}");
        assert!(
            error.contains("more.yaml:2:5") && error.contains(word),
            "{error}"
        );
        put(special, &place.join("slices/a.yaml"));
        write(
            "sliced.yaml",
            &format!("{SPEC}slices: {{ tzdata: [core] }}\nslice-definitions: [slices]\n"),
        );
        refused("a slice definition", &[], &["lock", "sliced.yaml", nowhere]);
        put(special, &place.join("image.trixie.lock.json"));
        refused("a lock", &[], &["build", "image.yaml", nowhere]);
        refused(
            "a lock",
            &[],
            &["build", "image.yaml", "--locked", "--offline"],
        );
        fs::remove_file(place.join("image.trixie.lock.json")).expect("it is there");
        refused("a package", &[], &["effects", special, nowhere]);
        let mirrors = place.join("home/.config/basalt/mirrors");
        put(special, &mirrors);
        refused("the mirrors file", &[], &["lock", "image.yaml"]);
        fs::remove_file(mirrors).expect("it is there");

        // Layouts and archives of them.
        by_all_commands("an archive", special);
        for name in ["oci-layout", "index.json"] {
            let layout = place.join("layout");
            fs::remove_dir_all(&layout).ok();
            fs::create_dir_all(layout.join("blobs/sha256")).expect("it is made");
            fs::write(
                layout.join("oci-layout"),
                r#"{"imageLayoutVersion":"1.0.0"}"#,
            )
            .expect("it is written");
            fs::write(
                layout.join("index.json"),
                r#"{"schemaVersion":2,"manifests":[]}"#,
            )
            .expect("it is written");
            put(special, &layout.join(name));
            by_all_commands(name, "layout");
        }
        let blob = format!("{:064}", 0);
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{blob}","size":100}}]}}"#
        );
        fs::remove_file(place.join("layout/index.json")).ok();
        fs::write(place.join("layout/index.json"), index).expect("it is written");
        put(special, &place.join("layout/blobs/sha256").join(&blob));
        by_all_commands("a blob", "layout");

        // Keys, policies, and what else the command line names.
        refused("a key", &[], &["verify", "layout", "--key", special]);
        refused("a key", &[], &["key", "public", special]);
        refused("a policy", &[], &["verify", "layout", "--policy", special]);
        write(
            "policy.yaml",
            &format!("signers: {{ us: {{ key: {special} }} }}\nrules: []\n"),
        );
        let output = run(place, &[], &["verify", "layout", "--policy", "policy.yaml"]);
        assert_ne!(output.status.code(), Some(0), "a key of a policy {special}");
        refused(
            "a file with a password",
            &[],
            &["key", "generate", "new", "--password-file", special],
        );
        refused(
            "an authority",
            &[],
            &["tags", "127.0.0.1:9/a", "--ca", special],
        );
        refused("a configuration", &[], &["serve", "--config", special]);
        for files in [
            format!("certificate: {special}, key: key.pub"),
            format!("certificate: key.pub, key: {special}"),
        ] {
            write(
                "serve.yaml",
                &format!("listen: 127.0.0.1:0\nroot: registry\ntls: {{ {files} }}\n"),
            );
            let output = run(place, &[], &["serve", "--config", "serve.yaml"]);
            let error = String::from_utf8_lossy(&output.stderr);
            let is_named = error.contains(word) || error.contains("holds no certificate");
            assert!(!output.status.success() && is_named, "{special}: {error}");
        }

        // What the environment names.
        let auth = [("REGISTRY_AUTH_FILE", special)];
        refused("credentials", &auth, &["logout", "127.0.0.1:9"]);
        let conf = [("CONTAINERS_REGISTRIES_CONF", special)];
        refused("registries.conf", &conf, &["tags", "127.0.0.1:9/a"]);
        put(special, &place.join("docker/config.json"));
        let docker = place.join("docker").display().to_string();
        refused(
            "credentials",
            &[("DOCKER_CONFIG", &docker)],
            &["logout", "127.0.0.1:9"],
        );
    }
}

#[test]
fn a_file_on_the_command_line_may_be_a_pipe_of_the_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    run(
        place,
        &[("COSIGN_PASSWORD", "")],
        &["key", "generate", "new"],
    );
    let shell = |script: &str| {
        Command::new("bash")
            .args(["-c", script])
            .current_dir(place)
            .env("BASALT", env!("CARGO_BIN_EXE_basalt"))
            .env("COSIGN_PASSWORD", "")
            .output()
            .expect("bash starts")
    };
    let public = fs::read_to_string(place.join("new.pub")).expect("it is written");
    for script in [
        "$BASALT key public <(cat new.key)",
        "cat new.key | $BASALT key public /dev/stdin",
    ] {
        let output = shell(script);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            public,
            "{script}: {error}"
        );
    }
    let output = shell("$BASALT key public <(cat /dev/zero)");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("too long"), "{error}");
}

#[test]
fn what_is_no_folder_of_definitions_is_refused_where_the_spec_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let write = |name: &str, text: &str| {
        let path = place.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
        fs::write(path, text).expect("it is written");
    };
    special(place);
    write("file", "package: aa\n");
    write("release/chisel.yaml", "format: v3\n");
    write("other/chisel.yaml", "format: v3\n");
    write("other/slices", "");
    symlink("loop", place.join("loop")).expect("it is made");
    let refused = |spec: &str, place_in_spec: &str, what: &str| {
        for arguments in [&["lock", spec][..], &["build", spec, "--output", "oci:out"]] {
            let output = run(place, &[], arguments);
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{arguments:?}: {error}");
            for words in [place_in_spec, what, "slice definitions"] {
                assert!(error.contains(words), "{arguments:?} {words}: {error}");
            }
        }
    };
    for (name, what) in [
        ("fifo", "is no folder"),
        ("to-fifo", "is no folder"),
        ("to-zero", "is no folder"),
        ("/dev/null", "is no folder"),
        ("file", "is no folder"),
        ("other", "other/slices is no folder"),
        ("release", "release/slices cannot be read"),
        ("nothing", "cannot be read"),
        ("file/nothing", "cannot be read"),
        ("loop", "cannot be read"),
    ] {
        for slices in ["", "slices: { tzdata: [core] }\n"] {
            write(
                "spec.yaml",
                &format!("{SPEC}{slices}slice-definitions: [{name}]\n"),
            );
            let line = 5 + slices.lines().count();
            refused("spec.yaml", &format!("spec.yaml:{line}:21"), what);
        }
    }
    // In a variant, and in an included spec of another folder.
    write(
        "spec.yaml",
        &format!("{SPEC}variants:\n  more:\n    slice-definitions:\n      - fifo\n"),
    );
    refused("spec.yaml", "spec.yaml:8:9", "is no folder");
    write("sub/base.yaml", "slice-definitions: [file]\n");
    write("sub/file", "");
    write("spec.yaml", &format!("{SPEC}include: [sub/base.yaml]\n"));
    refused("spec.yaml", "sub/base.yaml:1:21", "is no folder");
}

#[test]
fn the_documented_sizes_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let long = |name: &str, begin: &str, length: usize| {
        let text = format!("{begin}{}", " ".repeat(length + 1 - begin.len()));
        fs::write(place.join(name), text).expect("it is written");
    };
    let mebibyte = 1 << 20;
    long("image.yaml", SPEC, mebibyte);
    long("policy.yaml", "rules: []\n", mebibyte);
    long("key.pub", "-----BEGIN PUBLIC KEY-----\n", 64 << 10);
    fs::write(
        place.join("sliced.yaml"),
        format!("{SPEC}slices: {{ tzdata: [core] }}\nslice-definitions: [slices]\n"),
    )
    .expect("it is written");
    fs::create_dir(place.join("slices")).expect("it is made");
    long("slices/a.yaml", "package: aa\n", mebibyte);
    for (arguments, status) in [
        (&["lock", "image.yaml"][..], 3),
        (&["verify", "a", "--policy", "policy.yaml"], 1),
        (&["verify", "a", "--key", "key.pub"], 2),
        (&["lock", "sliced.yaml"], 1),
    ] {
        let output = run(place, &[], arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
        assert!(error.contains("long"), "{arguments:?}: {error}");
    }
}

#[test]
fn what_is_not_there_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    for arguments in [
        &["inspect", "nothing"][..],
        &["inspect", "registry.example/app:1"],
        &["push", "./nothing:1", "127.0.0.1:9/a:1"],
        &["copy", "oci:nothing", "oci:other"],
        &["verify", "./nothing", "--key", "key.pub"],
        &["diff", "nothing", "nothing"],
        &["explain", "./nothing", "/usr"],
    ] {
        fs::write(
            place.join("key.pub"),
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
        )
        .expect("it is written");
        let output = run(place, &[], arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(
            error.contains("there is no layout at `") && error.contains("basalt pull"),
            "{arguments:?}: {error}"
        );
    }
    for (what, more) in [
        ("source", "files: [{ path: /a, source: gone }]\n"),
        (
            "keyring",
            "archives: [{ name: own, suite: a, keyring: gone }]\n",
        ),
        ("certificates", "certificates: [gone]\n"),
        (
            "slice-definitions",
            "slices: { tzdata: [core] }\nslice-definitions: [gone]\n",
        ),
    ] {
        fs::write(place.join("image.yaml"), format!("{SPEC}{more}")).expect("it is written");
        let output = run(
            place,
            &[],
            &["lock", "image.yaml", "--mirror=debian=http://127.0.0.1:9/"],
        );
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{what}: {error}");
        let line = 4
            + more[..more.find("gone").expect("it is there")]
                .matches('\n')
                .count()
            + 1;
        assert!(
            error.contains(&format!("image.yaml:{line}:")),
            "{what}: {error}"
        );
    }
}

#[test]
fn insecure_takes_a_host_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    fs::write(place.join("image.yaml"), SPEC).expect("it is written");
    let url = "--insecure=http://me:S3CRET@x:5000/";
    for arguments in [
        &["tags", "127.0.0.1:9/a", url][..],
        &["lock", "image.yaml", url],
        &["login", "http://me:S3CRET@x:5000/", "--username", "me"],
    ] {
        let output = run(place, &[], arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains("`x:5000`"), "{arguments:?}: {error}");
        assert!(error.contains("HOST:PORT"), "{arguments:?}: {error}");
        assert!(!error.contains("S3CRET"), "{arguments:?}: {error}");
    }
}
