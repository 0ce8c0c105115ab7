//! What the image says of itself: `/etc/os-release`.

use basalt_tree::{Contents, Owner, Tree, TreePath};

use crate::error::BuildError;

/// Where os-release(5) stands; `/etc/os-release` leads to it.
const OS_RELEASE: &str = "usr/lib/os-release";

/// What os-release names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    /// The image's name.
    pub name: &'a str,
    /// The variant; empty for none.
    pub variant: &'a str,
    /// The distribution: `debian`.
    pub distribution: &'a str,
    /// The release's code name.
    pub release: &'a str,
    /// The release's number: `13`.
    pub number: &'a str,
    /// The image's date, in seconds since 1970.
    pub epoch: i64,
}

/// Adds the image's name and date to the distribution's os-release, or writes a short one where
/// no package brings it.
pub(crate) fn write(
    tree: &mut Tree,
    contents: &dyn Contents,
    identity: &Identity<'_>,
) -> Result<(), BuildError> {
    let owner = Owner::Basalt("image identity".to_owned());
    let path = TreePath::new(OS_RELEASE)?;
    let mut text = match tree.contains(&path) {
        true => String::from_utf8_lossy(&tree.read(&path, contents)?).into_owned(),
        false => distribution_text(identity),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!("IMAGE_ID={}\n", quoted(identity.name)));
    text.push_str(&format!("IMAGE_VERSION={}\n", version(identity.epoch)));
    if !identity.variant.is_empty() {
        text.push_str(&format!("VARIANT_ID={}\n", quoted(identity.variant)));
    }
    tree.write_file(&path, text.into_bytes(), 0o644, owner.clone())?;
    let link = TreePath::new("etc/os-release")?;
    if !tree.contains(&link) {
        tree.insert_symlink(&link, "../usr/lib/os-release", owner)?;
    }
    Ok(())
}

/// The image's date as a version: `20261121`.
pub(crate) fn version(epoch: i64) -> String {
    jiff::Timestamp::from_second(epoch)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y%m%d")
        .to_string()
}

fn distribution_text(identity: &Identity<'_>) -> String {
    let title = match identity.distribution {
        "debian" => "Debian GNU/Linux",
        other => other,
    };
    let Identity {
        distribution,
        release,
        number,
        ..
    } = identity;
    format!(
        "PRETTY_NAME=\"{title} {number} ({release})\"\nNAME=\"{title}\"\nVERSION_ID=\"{number}\"\n\
         VERSION=\"{number} ({release})\"\nVERSION_CODENAME={release}\nID={distribution}\n"
    )
}

/// A value as os-release(5) wants it: quoted when it holds more than plain characters.
fn quoted(text: &str) -> String {
    if text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if "\"\\$`".contains(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_break_out_of_its_quotes() {
        assert_eq!(quoted("python"), "python");
        assert_eq!(quoted("a\"b$c"), "\"a\\\"b\\$c\"");
    }

    #[test]
    fn the_version_is_the_date_of_the_image() {
        assert_eq!(version(1_795_252_544), "20261121");
    }
}
