//! Hands an image to Docker, Podman or containerd.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use basalt_oci::{Layout, Platform, write_docker_archive, write_oci_archive};

use crate::arguments::Engine;
use crate::failure::{Failure, Status};

/// Gives the layout's image of this platform to the engine under this name (`python:trixie`).
/// Containerd takes the whole layout, and the name from its annotations.
///
/// # Errors
/// When the engine's program is missing or fails, or the layout is not sound.
pub fn load(
    layout: &Layout,
    engine: Engine,
    name: &str,
    platform: &Platform,
) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("basalt-load-").tempdir()?;
    let file = folder.path().join("image.tar");
    let tags = [name.to_owned()];
    let arguments: &[&str] = match engine {
        Engine::Docker | Engine::Podman => {
            write_docker_archive(layout, &file, &tags, platform)?;
            &["load", "--quiet", "--input"]
        }
        Engine::Containerd => {
            write_oci_archive(layout, &file)?;
            &["images", "import", "--all-platforms"]
        }
    };
    let program = match engine {
        Engine::Docker => "docker",
        Engine::Podman => "podman",
        Engine::Containerd => "ctr",
    };
    run(program, arguments, &file)
}

fn run(program: &str, arguments: &[&str], file: &Path) -> Result<(), Failure> {
    let result = Command::new(program)
        .args(arguments)
        .arg(file)
        .stdin(Stdio::null())
        .output();
    let output = match result {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("`{program}` is not installed, or not in PATH");
            return Err(Failure::new(Status::Failed, message)
                .help("leave out --load: the layout in the output folder is the same image"));
        }
        Err(error) => return Err(error.into()),
    };
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words: String = words.trim().chars().take(2000).collect();
    Err(Failure::new(
        Status::Failed,
        format!("`{program} {}` failed: {words}", arguments.join(" ")),
    ))
}
