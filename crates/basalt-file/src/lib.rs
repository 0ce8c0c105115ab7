//! Files that a person names: a spec, what it includes and takes in, keys, policies, configuration.
//!
//! Whatever stands at such a path, reading it ends. A FIFO would block until someone writes into
//! it, a device may never end, and both may be the target of a symbolic link that came with a
//! checked-out repository: so only regular files are read, and never more bytes than the limit
//! that the caller gives. What the caller's own shell hands over (`<(command)`, `/dev/stdin`) is
//! read where an argument of the command line names it: see [`read_argument`].

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file for reading. It never blocks.
///
/// # Errors
/// When it cannot be opened, or is something else: a directory, a FIFO, a device, a socket. The
/// message does not name the path: see [`named`].
pub fn open(path: &Path) -> io::Result<File> {
    open_if(path, |kind| kind.is_file())
}

/// Reads a regular file of at most `limit` bytes, whatever it says of its length.
///
/// # Errors
/// As [`open`], and when it has more bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    bounded(open(path)?, limit)
}

/// Reads a regular file of at most `limit` bytes that is text.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    text(read(path, limit)?)
}

/// As [`open`], for a path on the command line: one that names an open file of this process
/// (`/dev/stdin`, `/dev/fd/N`, `/proc/self/fd/N`) may be a pipe, for the shell that started the
/// program made it.
///
/// # Errors
/// As [`open`].
pub fn open_argument(path: &Path) -> io::Result<File> {
    let handed_over = path == Path::new("/dev/stdin")
        || ["/dev/fd", "/proc/self/fd"]
            .iter()
            .any(|folder| path.parent() == Some(Path::new(folder)));
    open_if(path, |kind| {
        kind.is_file() || (handed_over && kind.is_fifo())
    })
}

/// As [`read`], of what [`open_argument`] opens.
///
/// # Errors
/// As [`read`].
pub fn read_argument(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    bounded(open_argument(path)?, limit)
}

/// As [`read_text`], of what [`open_argument`] opens.
///
/// # Errors
/// As [`read_text`].
pub fn read_text_argument(path: &Path, limit: u64) -> io::Result<String> {
    text(read_argument(path, limit)?)
}

/// The error with the path that it is about.
pub fn named(path: &Path, cause: io::Error) -> io::Error {
    io::Error::new(
        cause.kind(),
        format!("`{}` cannot be read: {cause}", path.display()),
    )
}

fn open_if(path: &Path, may_be: impl Fn(FileType) -> bool) -> io::Result<File> {
    // Looked at first, for to open a device may already do something.
    let kind = std::fs::metadata(path)?.file_type();
    if !may_be(kind) {
        return Err(refusal(kind));
    }
    let mut options = OpenOptions::new();
    options.read(true);
    if kind.is_file() {
        // Should a FIFO have taken its place meanwhile: to open it does not block then.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    let opened = file.metadata()?.file_type();
    match may_be(opened) {
        true => Ok(file),
        false => Err(refusal(opened)),
    }
}

fn refusal(kind: FileType) -> io::Error {
    if kind.is_dir() {
        return io::Error::new(io::ErrorKind::IsADirectory, "it is a directory, not a file");
    }
    let what = if kind.is_fifo() {
        "a pipe (FIFO)"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "something else"
    };
    let message =
        format!("it is {what}, and only regular files are read here: copy it into a file");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Reads a file that is open, at most `limit` bytes of it.
///
/// # Errors
/// When it cannot be read, or has more bytes.
pub fn bounded(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {limit} bytes"),
        )),
        false => Ok(bytes),
    }
}

/// Bytes that must be text.
///
/// # Errors
/// When they are not UTF-8.
pub fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|cause| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is not UTF-8: {cause}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn fifo(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo starts").success());
    }

    #[test]
    fn what_could_block_or_never_end_is_refused_at_once_also_behind_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fifo(&path("fifo"));
        let _socket = UnixListener::bind(path("socket")).expect("it is made");
        symlink("fifo", path("to-fifo")).expect("it is made");
        symlink("/dev/zero", path("to-zero")).expect("it is made");
        for (name, word) in [
            ("fifo", "a pipe"),
            ("to-fifo", "a pipe"),
            ("to-zero", "a device"),
            ("/dev/zero", "a device"),
            ("/dev/null", "a device"),
            ("socket", "a socket"),
            (".", "a directory"),
        ] {
            for result in [read(&path(name), 9), read_argument(&path(name), 9)] {
                let error = result.expect_err("it is refused").to_string();
                assert!(error.contains(word), "{name}: {error}");
            }
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_bound_and_refused_beyond() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, b"1234").expect("it is written");
        assert_eq!(read(&path, 4).expect("it is short enough"), b"1234");
        let error = read(&path, 3).expect_err("it is too long");
        assert_eq!(error.to_string(), "it is longer than 3 bytes");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        // One that says nothing of its length.
        let error = read(Path::new("/proc/self/maps"), 10).expect_err("it is too long");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_the_shell_hands_over_is_read_where_an_argument_names_it() {
        use std::io::Write;
        use std::os::fd::AsRawFd;
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(b"a key").expect("it takes it");
        drop(writer);
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let path = Path::new(&path);
        assert!(read(path, 9).is_err());
        assert_eq!(read_argument(path, 9).expect("it is read"), b"a key");
    }

    #[test]
    fn an_error_keeps_its_kind_and_names_the_path() {
        let path = Path::new("/nowhere/at/all");
        let error = named(path, read(path, 1).expect_err("it is not there"));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(
            error
                .to_string()
                .starts_with("`/nowhere/at/all` cannot be read: ")
        );
    }
}
