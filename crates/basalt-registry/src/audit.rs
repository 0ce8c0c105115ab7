//! The audit log: every change, each line with the hash of the one before it, so that none can be changed, left out or
//! put in without all that follow showing it.

use sha2::{Digest as _, Sha256};

use crate::metadata::{AuditEntry, Author};

/// The hash of a line: over the former line's hash and each part of this one with its length.
pub fn line_hash(
    former: &[u8; 32],
    sequence: i64,
    author: &Author,
    action: &str,
    repository: &str,
    object: &str,
) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(former);
    hasher.update(sequence.to_le_bytes());
    hasher.update(author.moment.to_le_bytes());
    for part in [&author.name, &author.address, action, repository, object] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

/// The first line whose number or hash does not follow from the one before it. `former` is the line before the first.
pub fn first_broken<'a>(
    former: Option<&AuditEntry>,
    lines: &'a [AuditEntry],
) -> Option<&'a AuditEntry> {
    let (mut sequence, mut hash) = former.map_or((0, [0; 32]), |line| (line.sequence, line.hash));
    lines.iter().find(|line| {
        let expected = line_hash(
            &hash,
            sequence + 1,
            &line.author,
            &line.action,
            &line.repository,
            &line.object,
        );
        (sequence, hash) = (line.sequence, line.hash);
        expected != line.hash
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<AuditEntry> {
        let mut lines: Vec<AuditEntry> = Vec::new();
        for sequence in 1..=5 {
            let author = Author {
                name: "me".to_owned(),
                address: "127.0.0.1".to_owned(),
                moment: 1000 + sequence,
            };
            let former = lines.last().map_or([0; 32], |line| line.hash);
            let hash = line_hash(&former, sequence, &author, "push tag", "app", "1");
            lines.push(AuditEntry {
                sequence,
                author,
                action: "push tag".to_owned(),
                repository: "app".to_owned(),
                object: "1".to_owned(),
                hash,
            });
        }
        lines
    }

    #[test]
    fn a_changed_a_left_out_and_an_exchanged_line_show() {
        assert_eq!(first_broken(None, &lines()), None);
        let mut changed = lines();
        changed[2].object = "2".to_owned();
        assert_eq!(
            first_broken(None, &changed).map(|line| line.sequence),
            Some(3)
        );
        let mut left_out = lines();
        left_out.remove(1);
        assert_eq!(
            first_broken(None, &left_out).map(|line| line.sequence),
            Some(3)
        );
        let mut exchanged = lines();
        exchanged.swap(1, 2);
        assert!(first_broken(None, &exchanged).is_some());
    }
}
