//! Which directories `ldconfig` searches: `/etc/ld.so.conf`, what it includes,
//! then the trusted ones.

use crate::facts::Machine;

/// Deepest `include` within `include`.
const MAXIMUM_DEPTH: usize = 8;
/// Most directories and files together.
const MAXIMUM_DIRECTORIES: usize = 4096;

/// Why the configuration could not be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// Files include each other.
    #[error("{file}: `include` goes deeper than {MAXIMUM_DEPTH} files; remove the cycle")]
    TooDeep {
        /// The file that goes too deep.
        file: String,
    },
    /// Too much to search.
    #[error("{file}: more than {MAXIMUM_DIRECTORIES} library directories are configured")]
    TooMany {
        /// The file that reached the bound.
        file: String,
    },
}

/// The directories to search, in order, as they are written.
///
/// `read` gives the text of a configuration file, if it is there; `expand`
/// gives the paths a pattern of an `include` matches, sorted by bytes, as
/// glob(7) does. The same directory may come twice under two paths
/// (`/lib/…`, `/usr/lib/…`): [`super::LinkerCache`] keeps the first.
///
/// # Errors
///
/// [`ConfigurationError`] when files include each other without end.
pub fn search_directories(
    machine: Machine,
    read: &mut dyn FnMut(&str) -> Option<String>,
    expand: &mut dyn FnMut(&str) -> Vec<String>,
) -> Result<Vec<String>, ConfigurationError> {
    let mut directories = Vec::new();
    follow("/etc/ld.so.conf", 0, read, expand, &mut directories)?;
    // Debian's `ldconfig` has the multiarch directories built in, then these.
    let triplet = match machine {
        Machine::Amd64 => Some("x86_64-linux-gnu"),
        Machine::Arm64 => Some("aarch64-linux-gnu"),
        Machine::I386 => Some("i386-linux-gnu"),
        Machine::Arm => Some("arm-linux-gnueabihf"),
        Machine::Other(_) => None,
    };
    if let Some(triplet) = triplet {
        directories.push(format!("/lib/{triplet}"));
        directories.push(format!("/usr/lib/{triplet}"));
    }
    directories.push("/lib".to_owned());
    directories.push("/usr/lib".to_owned());
    Ok(directories)
}

fn follow(
    file: &str,
    depth: usize,
    read: &mut dyn FnMut(&str) -> Option<String>,
    expand: &mut dyn FnMut(&str) -> Vec<String>,
    directories: &mut Vec<String>,
) -> Result<(), ConfigurationError> {
    if depth > MAXIMUM_DEPTH {
        return Err(ConfigurationError::TooDeep {
            file: file.to_owned(),
        });
    }
    let Some(text) = read(file) else {
        return Ok(());
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim_start();
        if line.is_empty() {
            continue;
        }
        if let Some(patterns) = line
            .strip_prefix("include")
            .filter(|rest| rest.starts_with([' ', '\t']))
        {
            for pattern in patterns.split_whitespace() {
                let pattern = if pattern.starts_with('/') {
                    pattern.to_owned()
                } else {
                    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                    format!("{folder}/{pattern}")
                };
                for included in expand(&pattern) {
                    follow(&included, depth + 1, read, expand, directories)?;
                }
            }
            continue;
        }
        let word = line.get(..5).unwrap_or_default();
        if word.eq_ignore_ascii_case("hwcap") && line[5..].starts_with([' ', '\t']) {
            continue;
        }
        // `path=libc6` names a library type of the past.
        let path = line.split('=').next().unwrap_or_default().trim_end();
        let path = path.trim_end_matches('/');
        if !path.is_empty() {
            if directories.len() >= MAXIMUM_DIRECTORIES {
                return Err(ConfigurationError::TooMany {
                    file: file.to_owned(),
                });
            }
            directories.push(path.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_includes_then_the_trusted_directories() {
        let directories = search_directories(
            Machine::Amd64,
            &mut |file| match file {
                "/etc/ld.so.conf" => Some("include /etc/ld.so.conf.d/*.conf\n".to_owned()),
                "/etc/ld.so.conf.d/a.conf" => Some("# ours\n/opt/lib/ # here\n\n".to_owned()),
                _ => None,
            },
            &mut |_| vec!["/etc/ld.so.conf.d/a.conf".to_owned()],
        );
        let expected: Vec<String> = [
            "/opt/lib",
            "/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/lib",
            "/usr/lib",
        ]
        .map(str::to_owned)
        .to_vec();
        assert_eq!(directories, Ok(expected));
    }

    #[test]
    fn refuses_files_that_include_each_other() {
        let found = search_directories(
            Machine::Amd64,
            &mut |_| Some("include /etc/ld.so.conf".to_owned()),
            &mut |pattern| vec![pattern.to_owned()],
        );
        assert!(matches!(found, Err(ConfigurationError::TooDeep { .. })));
    }
}
