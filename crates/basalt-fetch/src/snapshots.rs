//! Former states of archives: where a package is found that no mirror has any more.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::{Mirror, MirrorError, address, distribution};

/// Where former states are asked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Snapshots {
    /// Nowhere.
    #[default]
    Never,
    /// Where the distribution keeps them.
    OfDistribution,
    /// At a URL in which `{archive}` and `{date}` (`20261123T034944Z`) are replaced.
    At(String),
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("Never"),
            Self::OfDistribution => f.write_str("OfDistribution"),
            Self::At(url) => f.debug_tuple("At").field(&address::shown(url)).finish(),
        }
    }
}

impl FromStr for Snapshots {
    type Err = MirrorError;

    /// Reads a URL with `{date}`, and `{archive}` where it keeps several.
    fn from_str(text: &str) -> Result<Self, MirrorError> {
        match text.contains("{date}") && state(text, "debian", 0)?.is_some() {
            true => Ok(Self::At(text.to_owned())),
            false => Err(MirrorError::Snapshots(address::shown(
                &text.chars().take(200).collect::<String>(),
            ))),
        }
    }
}

impl Snapshots {
    /// An archive as it was at a moment, in seconds since 1970; `None` where its former states
    /// are not known or not asked for.
    ///
    /// # Errors
    /// When the URL is none once it is filled in.
    pub(crate) fn of(&self, archive: &str, moment: i64) -> Result<Option<Mirror>, MirrorError> {
        let template = match self {
            Self::Never => None,
            Self::OfDistribution => distribution::snapshots(archive),
            Self::At(template) => Some(template.as_str()),
        };
        match template {
            Some(template) => state(template, archive, moment),
            None => Ok(None),
        }
    }
}

fn state(template: &str, archive: &str, moment: i64) -> Result<Option<Mirror>, MirrorError> {
    let Ok(date) = Timestamp::from_second(moment) else {
        return Ok(None);
    };
    let date = date.strftime("%Y%m%dT%H%M%SZ").to_string();
    let url = template
        .replace("{archive}", archive)
        .replace("{date}", &date);
    url.parse().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: i64 = 1_795_405_784;

    fn shown(snapshots: &Snapshots, archive: &str) -> Option<String> {
        let mirror = snapshots.of(archive, MOMENT).expect("a URL");
        mirror.map(|mirror| mirror.to_string())
    }

    #[test]
    fn a_state_is_named_by_archive_and_date() {
        let own: Snapshots = "https://states.example/{archive}/{date}"
            .parse()
            .expect("a URL with its date");
        assert_eq!(
            shown(&own, "own").as_deref(),
            Some("https://states.example/own/20261123T034944Z")
        );
        assert_eq!(shown(&Snapshots::Never, "debian"), None);
        assert_eq!(shown(&Snapshots::OfDistribution, "own"), None);
        let debian = shown(&Snapshots::OfDistribution, "debian").expect("a state");
        assert!(debian.ends_with("/debian/20261123T034944Z"), "{debian}");
    }

    #[test]
    fn a_url_without_its_date_is_refused() {
        for wrong in ["https://states.example/debian", "{date}", "ftp://x/{date}"] {
            assert!(wrong.parse::<Snapshots>().is_err(), "{wrong}");
        }
    }
}
