//! Who is to blame when something from outside cannot be read: it, this machine, or the spec.

use std::error::Error;
use std::io;

use basalt_layer::LayerError;
use basalt_tree::TreePath;

use crate::error::BuildError;

/// A hard link whose file the spec leaves out: the package is in order, the wishes are not.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path} is a hard link to {target}, which the spec leaves out; leave out both or keep {target}"
)]
pub(crate) struct LeftOut {
    pub path: TreePath,
    pub target: TreePath,
}

/// Why a package could not be read, with who is to blame for it.
pub(crate) fn of_package(
    package: &str,
    version: &str,
    error: &(dyn Error + 'static),
) -> BuildError {
    if find::<LeftOut>(error).is_some() {
        return BuildError::Spec(format!("{package} {version}: {}", chain(error)));
    }
    let (package, version, cause) = (package.to_owned(), version.to_owned(), chain(error));
    if is_of_this_machine(error) {
        BuildError::Unread {
            package,
            version,
            cause,
        }
    } else {
        BuildError::Package {
            package,
            version,
            cause,
        }
    }
}

/// Whether the operating system or our own compression said no, rather than the bytes being wrong.
pub(crate) fn is_of_this_machine(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let system = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.raw_os_error().is_some());
        let codec = matches!(error.downcast_ref(), Some(LayerError::Codec { .. }));
        if system || codec {
            return true;
        }
        next = below(error);
    }
    false
}

fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = below(error);
    }
    None
}

/// The error that this one carries. An `io::Error` made from another error names that one's
/// source, not the error itself.
fn below<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(|error| error.get_ref());
    match inner {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// An error with all its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use basalt_deb::deb::DebError;

    use super::*;

    fn of(error: io::Error) -> BuildError {
        of_package("app", "1.0", &DebError::Io(error))
    }

    #[test]
    fn a_full_disk_is_not_the_packages_fault() {
        let full = || io::Error::from_raw_os_error(28);
        for error in [full(), io::Error::other(LayerError::Io(full()))] {
            let blamed = of(error);
            assert!(matches!(blamed, BuildError::Unread { .. }), "{blamed:?}");
        }
    }

    #[test]
    fn damaged_bytes_are_the_packages_fault() {
        for kind in [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof] {
            let blamed = of(io::Error::new(kind, "damaged"));
            assert!(matches!(blamed, BuildError::Package { .. }), "{blamed:?}");
        }
    }

    #[test]
    fn a_hard_link_without_its_file_is_the_specs_fault_if_the_spec_leaves_it_out() {
        let path = |text| TreePath::new(text).expect("a path");
        let blamed = of(io::Error::other(LeftOut {
            path: path("usr/bin/b"),
            target: path("usr/bin/a"),
        }));
        assert!(matches!(blamed, BuildError::Spec(_)), "{blamed:?}");
    }
}
