//! A difference in words, one change a line.

use std::fmt;

use crate::difference::{Change, IdChange, LockDifference, PackageChange, Side};

impl fmt::Display for LockDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "no difference");
        }
        for (key, side) in &self.head {
            writeln!(f, "{key}: {side}")?;
        }
        if self.spec {
            writeln!(f, "spec: moved")?;
        }
        for one in &self.archives {
            write!(f, "archive {} {}: {}", one.archive, one.suite, one.date)?;
            writeln!(f, "{}", if one.signers { ", other signers" } else { "" })?;
        }
        for one in &self.packages {
            writeln!(f, "{one}")?;
        }
        for (name, change) in &self.images {
            writeln!(f, "image {name}: {change}")?;
        }
        for one in &self.kept {
            write!(f, "kept {} {}:", one.image, one.package)?;
            one.added
                .iter()
                .try_for_each(|path| write!(f, " +{path}"))?;
            one.removed
                .iter()
                .try_for_each(|path| write!(f, " -{path}"))?;
            writeln!(f)?;
        }
        show_ids(f, "user", &self.users)?;
        show_ids(f, "group", &self.groups)?;
        for (what, sides) in [
            ("file", &self.files),
            ("slice definition of", &self.slice_definitions),
        ] {
            for (name, side) in sides {
                let change = match (&side.from, &side.to) {
                    (None, _) => "added",
                    (_, None) => "removed",
                    _ => "changed",
                };
                writeln!(f, "{what} {name}: {change}")?;
            }
        }
        Ok(())
    }
}

fn show_ids(f: &mut fmt::Formatter<'_>, what: &str, ids: &[IdChange]) -> fmt::Result {
    for one in ids {
        writeln!(f, "{what} {}: {}", one.name, one.id)?;
    }
    Ok(())
}

impl<T: fmt::Display> fmt::Display for Side<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{from} → {to}"),
            (None, Some(to)) => write!(f, "added, {to}"),
            (Some(from), None) => write!(f, "removed, was {from}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for PackageChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.change {
            Change::Added { .. } => '+',
            Change::Removed { .. } => '-',
            _ => '~',
        };
        write!(f, "{sign} {} {}", self.name, self.change)?;
        write!(f, " ({})", self.architectures.join(", "))?;
        if !self.scripts.is_empty() {
            write!(f, ", scripts: {}", self.scripts.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { version } if version.is_empty() => write!(f, "added"),
            Self::Removed { version } if version.is_empty() => write!(f, "removed"),
            Self::Added { version } | Self::Removed { version } => write!(f, "{version}"),
            Self::Version { from, to } => write!(f, "{from} → {to}"),
            Self::Content { version } => write!(f, "{version}, other content of the same version"),
            Self::Record { version } => write!(f, "{version}, same content, other record"),
            Self::Packages { added, removed } | Self::Slices { added, removed } => {
                let mut words = Vec::with_capacity(added.len() + removed.len());
                words.extend(added.iter().map(|name| format!("+{name}")));
                words.extend(removed.iter().map(|name| format!("-{name}")));
                write!(f, "{}", words.join(" "))
            }
            Self::Packing => write!(f, "packed in other layers"),
        }
    }
}
