//! What becomes of two packages' entries at one place: shared, merged, or told apart.

use crate::entry::{Entry, Kind, Owner};
use crate::tree::Placed;

/// The package whose directories set the attributes (base-files ships the skeleton of the system).
pub(crate) const SKELETON: &str = "base-files";

pub(crate) fn same_attributes(first: &Entry, second: &Entry) -> bool {
    first.mode == second.mode
        && first.uid == second.uid
        && first.gid == second.gid
        && first.xattrs == second.xattrs
}

pub(crate) fn difference(first: &Entry, second: &Entry) -> &'static str {
    match (&first.kind, &second.kind) {
        (Kind::File { digest: one, .. }, Kind::File { digest: two, .. }) if one != two => {
            "their contents differ"
        }
        (Kind::File { .. }, Kind::File { .. }) => "their modes or owners differ",
        (Kind::Symlink { .. }, Kind::Symlink { .. }) => "the links point to different places",
        _ => "they are of different kinds",
    }
}

/// Who owns what both bring, whatever the order of insertion.
pub(crate) fn first_by_name(one: &Owner, two: &Owner) -> bool {
    match (one, two) {
        (Owner::Package(one), Owner::Package(two)) => {
            (one != SKELETON, one) < (two != SKELETON, two)
        }
        _ => false,
    }
}

/// Both packages bring the same file: the one first by name owns it.
pub(crate) fn share(there: &mut Placed, other: Placed) {
    let (Owner::Package(former), Owner::Package(name)) = (&there.owner, &other.owner) else {
        return;
    };
    let (former, name) = (former.clone(), name.clone());
    let mut names = std::mem::take(&mut there.shared_with);
    if first_by_name(&other.owner, &there.owner) {
        names.push(former);
        *there = other;
    } else {
        names.push(name);
    }
    names.sort();
    names.dedup();
    there.shared_with = names;
}

pub(crate) fn merge_directories(there: &mut Placed, other: Placed) {
    let Owner::Package(name) = &other.owner else {
        return;
    };
    let Owner::Package(former) = &there.owner else {
        // Made as a parent, or by Basalt: the package knows better.
        *there = other;
        return;
    };
    if former == name {
        return;
    }
    let mut names = std::mem::take(&mut there.shared_with);
    let owner_first = |one: &str, two: &str| (one != SKELETON, one) < (two != SKELETON, two);
    let attributes_first = match (former == SKELETON, name == SKELETON) {
        (true, _) => false,
        (_, true) => true,
        _ => strictness(&other.entry) < strictness(&there.entry),
    };
    let entry = if attributes_first {
        other.entry
    } else {
        there.entry.clone()
    };
    if owner_first(name, former) {
        names.push(former.clone());
        there.owner = other.owner;
    } else {
        names.push(name.clone());
    }
    there.entry = entry;
    names.sort();
    names.dedup();
    there.shared_with = names;
}

/// Sorts the attributes of a directory by which shall hold: special before plain, fewer
/// permissions for others before more, and then any fixed order.
fn strictness(entry: &Entry) -> (bool, u32, u32, u32, u32) {
    let plain = entry.mode == 0o755 && entry.uid == 0 && entry.gid == 0 && entry.xattrs.is_empty();
    let open = (entry.mode & 0o077).count_ones();
    (plain, open, entry.mode, entry.uid, entry.gid)
}
