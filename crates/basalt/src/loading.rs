//! Hands an image to Docker, Podman or containerd.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

use basalt_oci::{Layout, OciError, Platform, stream_docker_archive, stream_oci_archive};

use crate::arguments::Engine;
use crate::failure::{Failure, Status};

/// The most of a client's complaint that is shown, in bytes.
const COMPLAINT: u64 = 2000;

/// Gives the layout's image to the engine under this name (`python:trixie`): to Docker and Podman
/// that of this platform, to containerd all of them. Returns the name by which the engine runs it.
///
/// # Errors
/// When the engine's client is missing or fails, or the layout is not sound.
pub fn load(
    layout: &Layout,
    engine: Engine,
    name: &str,
    platform: &Platform,
) -> Result<String, Failure> {
    // Docker and Podman find an image by its short name; containerd takes names as they are.
    let full = format!("docker.io/library/{name}");
    let client = Client::of(engine);
    let outcome = match engine {
        Engine::Docker | Engine::Podman => client.feed(|pipe| {
            let tags = [name.to_owned()];
            stream_docker_archive(layout, &tags, platform, pipe)
        }),
        Engine::Containerd => client.feed(|pipe| stream_oci_archive(layout, Some(&full), pipe)),
    };
    match outcome {
        Ok(()) => Ok(match engine {
            Engine::Docker | Engine::Podman => name.to_owned(),
            Engine::Containerd => full,
        }),
        Err(failure) => match &failure.help {
            Some(way_out) => {
                let done = layout.path().display();
                let help = format!("{way_out}\nthe image itself is done: {done}");
                Err(failure.help(help))
            }
            // The layout is not sound: that is no matter of the engine.
            None => Err(failure),
        },
    }
}

/// This machine's architecture, as images name it.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The program that speaks to an engine.
struct Client {
    program: &'static str,
    arguments: &'static [&'static str],
    /// What to look at when it fails.
    help: &'static str,
}

impl Client {
    fn of(engine: Engine) -> Self {
        match engine {
            Engine::Docker => Self {
                program: "docker",
                arguments: &["load", "--quiet"],
                help: "see that `docker version` shows a server; DOCKER_HOST or a context says which",
            },
            Engine::Podman => Self {
                program: "podman",
                arguments: &["load", "--quiet"],
                help: "see that `podman info` works for this user",
            },
            Engine::Containerd => Self {
                program: "ctr",
                arguments: &["images", "import", "--all-platforms", "-"],
                help: "see that `ctr version` shows a server (as root); CONTAINERD_ADDRESS says which socket, \
                       CONTAINERD_NAMESPACE which namespace",
            },
        }
    }

    /// Runs the client, which reads what `write` writes.
    fn feed(
        &self,
        write: impl FnOnce(&mut BufWriter<&mut dyn Write>) -> Result<(), OciError>,
    ) -> Result<(), Failure> {
        // A file takes any number of words without anyone reading them meanwhile.
        let complaint = tempfile::tempfile()?;
        let mut child = self.start(&complaint)?;
        let written = match child.stdin.take() {
            Some(mut pipe) => {
                let pipe: &mut dyn Write = &mut pipe;
                let written = write(&mut BufWriter::with_capacity(1 << 18, pipe));
                if matches!(&written, Err(error) if !is_closed_pipe(error)) {
                    // It must not take what came for the whole.
                    let _ = child.kill();
                }
                written
            }
            None => Ok(()),
        };
        let status = child.wait()?;
        match written {
            // The client left early: it knows why.
            Err(error) if !is_closed_pipe(&error) => Err(error.into()),
            Err(_) | Ok(()) if !status.success() => Err(self.failed(status, complaint)?),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(()),
        }
    }

    fn start(&self, complaint: &File) -> Result<Child, Failure> {
        let started = Command::new(self.program)
            .args(self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaint.try_clone()?)
            .spawn();
        started.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::new(
                Status::Failed,
                format!("`{}` is not installed, or not in PATH", self.program),
            )
            .help("install it, or build without `--load`"),
            _ => Failure::new(
                Status::Failed,
                format!("`{}` cannot be started: {error}", self.program),
            )
            .help(self.help),
        })
    }

    fn failed(&self, status: ExitStatus, mut complaint: File) -> io::Result<Failure> {
        let mut words = Vec::new();
        complaint.rewind()?;
        complaint.take(COMPLAINT).read_to_end(&mut words)?;
        let words = String::from_utf8_lossy(&words);
        let words = match words.trim() {
            "" => status.to_string(),
            words => words.to_owned(),
        };
        let command = format!("{} {}", self.program, self.arguments.join(" "));
        let message = format!("`{command}` failed: {words}");
        Ok(Failure::new(Status::Failed, message).help(self.help))
    }
}

fn is_closed_pipe(error: &OciError) -> bool {
    matches!(error, OciError::Io(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
}
