//! Sentences that say why something cannot be had.

use basalt_deb::packages::PackageRecord;
use basalt_deb::relation::{Dependency, Possibility};

use crate::universe::Pool;

/// How many of a long list are shown.
const SHOWN: usize = 8;

/// The first of a list, and how many more there are.
pub(crate) fn shortened(items: &[String], separator: &str) -> String {
    // One more takes less room than the words for it.
    let shown = match items.len() {
        length if length <= SHOWN + 1 => length,
        _ => SHOWN,
    };
    let mut text = items[..shown].join(separator);
    if shown < items.len() {
        text.push_str(&format!("{separator}{} more", items.len() - shown));
    }
    text
}

/// A relation as a sentence has it.
fn relation_text(relation: &Dependency) -> String {
    let alternatives: Vec<String> = (relation.alternatives.iter())
        .map(ToString::to_string)
        .collect();
    shortened(&alternatives, " | ")
}

/// Why a relation is not met: what there is instead, or (`is_last` false) that
/// what there is cannot be had either, for the reasons that follow.
pub(crate) fn unmet(
    pool: &mut Pool<'_>,
    by: &PackageRecord,
    relation: &Dependency,
    is_last: bool,
) -> String {
    let mut sentence = format!(
        "{} {} needs {}",
        pool.universe.key(by),
        by.version,
        relation_text(relation)
    );
    if is_last {
        let architecture = pool.universe.counted_as(by).to_owned();
        let there: Vec<String> = relation
            .alternatives
            .iter()
            .map(|possibility| available(pool, possibility, &architecture))
            .collect();
        sentence.push_str(", but ");
        sentence.push_str(&shortened(&there, " and "));
    }
    sentence
}

/// What there is of a name, for a package of the architecture `by`.
pub(crate) fn available(pool: &mut Pool<'_>, possibility: &Possibility, by: &str) -> String {
    let native = possibility
        .qualifier
        .as_deref()
        .is_none_or(|one| ["any", "native"].contains(&one));
    let name = &match native {
        true => pool.universe.key_for(&possibility.name, by),
        false => possibility.name.clone(),
    };
    if pool.is_excluded(name) {
        return format!("{name} is excluded");
    }
    let unqualified = Possibility {
        qualifier: None,
        ..possibility.clone()
    };
    if let Some(qualifier) = possibility.qualifier.as_deref()
        && pool.targets(possibility, by).is_empty()
        && !pool.targets(&unqualified, by).is_empty()
    {
        return match qualifier {
            "any" => format!("{name} does not say Multi-Arch: allowed"),
            architecture => format!("{name} is not there for {architecture}"),
        };
    }
    if let Some(blocked) = pool.blame(name) {
        let label = pool.universe.label(blocked.index);
        return format!("{label} cannot offer {name}: {}", blocked.fault);
    }
    let versions: Vec<String> = pool
        .versions(name)
        .iter()
        .map(|id| {
            let loaded = pool.get(*id);
            format!(
                "{} has {name} {}",
                pool.universe.label(loaded.index),
                loaded.record.version
            )
        })
        .collect();
    if let Some(pin) = pool.pin(name) {
        return match versions.as_slice() {
            [] => format!("{name} is held at {pin}, which is not there"),
            _ => format!("{name} is held at {pin}"),
        };
    }
    if !versions.is_empty() {
        return shortened(&versions, " and ");
    }
    let providers: Vec<String> = pool
        .providers(&possibility.name)
        .iter()
        .map(|id| pool.get(*id).record.name.clone())
        .collect();
    if providers.is_empty() {
        format!("{} has no {name}", pool.universe.labels())
    } else {
        format!(
            "{name} is only provided by {}, without that version",
            shortened(&providers, ", ")
        )
    }
}

/// That two packages may not stand together.
pub(crate) fn clash(
    one: &PackageRecord,
    word: &str,
    relation: &Dependency,
    other: &PackageRecord,
) -> String {
    let mut sentence = format!(
        "{} {} {word} {}, and {} {}",
        one.name,
        one.version,
        relation_text(relation),
        other.name,
        other.version
    );
    if !relation
        .alternatives
        .iter()
        .any(|possibility| possibility.name == other.name)
    {
        sentence.push_str(" (which provides it)");
    }
    sentence.push_str(" is needed too");
    sentence
}
