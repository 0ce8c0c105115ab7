//! A folder to run the program in, with a spec and a cache of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use basalt_digest::Digest;

use super::mirror::Mirror;
pub use super::run::Run;

/// An image of one small package.
pub const SPEC: &str = "\
name: probe
releases: [trixie]
architectures: [amd64]
packages:
  - { name: tzdata, dependencies: false }
";

/// A folder with `image.yaml`, a cache, and what the program makes.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    /// A place with an empty cache.
    pub fn cold(spec: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("image.yaml"), spec).expect("the spec is written");
        Self { folder }
    }

    /// A place whose cache has the indexes of Debian, but no package of [`SPEC`].
    pub fn warm(spec: &str) -> Self {
        let place = Self::cold(spec);
        copy(indexes(), &place.path("cache"));
        place
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("it is written");
    }

    /// Reads a text in it.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it is there")
    }

    /// Runs the program without any mirror.
    pub fn basalt(&self, arguments: &[&str]) -> Run {
        basalt(self.folder.path(), arguments, &[])
    }

    /// Runs the program with these environment variables, and with a mirror of Debian's archives.
    pub fn basalt_in(
        &self,
        environment: &[(&str, &str)],
        debian: &Mirror,
        arguments: &[&str],
    ) -> Run {
        let mirrors = mirror_arguments(debian, &["debian", "debian-security"]);
        let all: Vec<&str> = arguments
            .iter()
            .copied()
            .chain(mirrors.iter().map(String::as_str))
            .collect();
        basalt(self.folder.path(), &all, environment)
    }

    /// The program with this mirror of all archives, to be run.
    pub fn command_from(&self, mirror: &Mirror, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path(), arguments);
        command.args(mirror_arguments(
            mirror,
            &["debian", "debian-security", "own"],
        ));
        command
    }

    /// Runs the program with this mirror of all archives.
    pub fn basalt_from(&self, mirror: &Mirror, arguments: &[&str]) -> Run {
        run(&mut self.command_from(mirror, arguments))
    }

    /// Builds `image.yaml` into `out`.
    pub fn build_from(&self, mirror: &Mirror) -> Run {
        self.basalt_from(mirror, &["build", "image.yaml", "-o", "out"])
    }

    /// All layers of the layout `out`, decompressed, end to end, and their compressed length.
    pub fn layers(&self) -> (Vec<u8>, usize) {
        let mut plain = Vec::new();
        let mut size = 0;
        for blob in fs::read_dir(self.path("out/blobs/sha256")).expect("it is there") {
            let bytes = fs::read(blob.expect("it is listed").path()).expect("it is readable");
            if bytes.starts_with(&[0x1f, 0x8b]) {
                size += bytes.len();
                let decoder = flate2::bufread::MultiGzDecoder::new(bytes.as_slice());
                std::io::copy(&mut { decoder }, &mut plain).expect("it is gzip");
            }
        }
        (plain, size)
    }

    /// Asserts that a refused run left nothing: no image, no file of these bytes in the cache,
    /// nothing half done, nothing damaged.
    pub fn has_nothing_of(&self, bad: &[&[u8]]) {
        assert!(!self.path("out").exists(), "an image appeared");
        for bytes in bad {
            let digest = Digest::of(bytes).hex().to_string();
            let blob = format!("cache/blobs/sha256/{}/{digest}", &digest[..2]);
            assert!(!self.path(&blob).exists(), "the cache took {digest}");
        }
        if let Ok(left) = fs::read_dir(self.path("cache/temporary")) {
            assert_eq!(left.count(), 0, "the cache has something half done");
        }
        let check = self.basalt(&["cache", "verify"]).succeeded();
        assert!(
            check.out.contains("0 damaged") || check.error.contains("0 damaged"),
            "{check:?}"
        );
    }
}

fn mirror_arguments(mirror: &Mirror, archives: &[&str]) -> Vec<String> {
    let both = |archive: &&str| {
        let url = mirror.url(archive);
        ["--mirror".to_owned(), format!("{archive}={url}")]
    };
    archives.iter().flat_map(both).collect()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_basalt"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("BASALT_CACHE", folder.join("cache"));
    command
}

fn basalt(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    run(command(folder, arguments).envs(environment.iter().copied()))
}

fn run(command: &mut Command) -> Run {
    Run::of(command.output().expect("the program starts"))
}

/// A cache with the indexes: filled once for all tests of one program.
fn indexes() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
        // What a former run left may be of another day.
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).expect("the folder is made");
        fs::write(folder.join("seed.yaml"), SPEC.replace("tzdata", "netbase"))
            .expect("it is written");
        let mirror = Mirror::honest();
        let mirrors = mirror_arguments(&mirror, &["debian", "debian-security"]);
        let mut all = vec!["lock", "seed.yaml"];
        all.extend(mirrors.iter().map(String::as_str));
        basalt(&folder, &all, &[]).succeeded();
        folder.join("cache")
    })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is made");
    for entry in fs::read_dir(from).expect("it is a folder") {
        let entry = entry.expect("it can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has a kind").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it is copied");
        }
    }
}
