//! How old an image is: since when it was made, as it says itself. Debian's and our own builds that can be repeated give the
//! date of their newest package, which is what such a policy is about: how long it is without updates.

use basalt_attest::policy::Age;

use super::image::Target;
use super::judge::Unmet;
use super::shelf::Shelf;

/// How far a clock may be behind another, in seconds.
pub(super) const CLOCK_SKEW: i64 = 300;

/// Why an image is too old, or says nothing of its age. An index is as old as the oldest of its images.
pub(super) fn unmet(shelf: &Shelf, target: &Target, within: &Age, now: i64) -> Option<Unmet> {
    let wanted = format!("an image made within the last {within}");
    target.images.iter().find_map(|image| {
        let unmet = |found| {
            Some(Unmet {
                digest: image.digest.to_string(),
                found,
                wanted: wanted.clone(),
            })
        };
        match image.created(shelf).map(jiff::Timestamp::as_second) {
            None => unmet("it does not say when it was made".to_owned()),
            Some(created) if created > now.saturating_add(CLOCK_SKEW) => unmet(format!(
                "it says that it was made on {}, which is to come",
                basalt_oci::date(created)
            )),
            Some(created) if now.saturating_sub(created) > within.seconds() => {
                unmet(format!("it was made on {}", basalt_oci::date(created)))
            }
            Some(_) => None,
        }
    })
}
