//! The tables, and how those of an older program become those of this one.
//!
//! The statements keep to what PostgreSQL understands too, but for the names of types, which its engine exchanges.

use super::super::MetadataError;

/// The version of the tables that this program makes.
pub(in crate::metadata) const VERSION: i64 = MIGRATIONS.len() as i64;

/// One step from each version to the next. A step that was released is never changed.
const MIGRATIONS: [&str; 2] = [FIRST, SECOND];

const FIRST: &str = "
CREATE TABLE repositories (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
-- The bytes of a small blob are in `bytes`; those of others in the store, under the name in `place`. `is_bad`: what the
-- store has there is not what it should be.
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    place TEXT,
    bytes BLOB,
    is_bad INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX blobs_by_place ON blobs (place) WHERE place IS NOT NULL;
-- Which blobs a repository has, and until when one is kept that no manifest needs.
CREATE TABLE members (
    repository INTEGER NOT NULL REFERENCES repositories (id),
    blob INTEGER NOT NULL REFERENCES blobs (id),
    lease INTEGER NOT NULL,
    PRIMARY KEY (repository, blob)
) WITHOUT ROWID;
CREATE INDEX members_by_blob ON members (blob);
CREATE TABLE manifests (
    id INTEGER PRIMARY KEY,
    repository INTEGER NOT NULL REFERENCES repositories (id),
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    subject TEXT,
    artifact_type TEXT,
    annotations TEXT NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (repository, digest)
);
CREATE INDEX manifests_by_subject ON manifests (repository, subject, digest) WHERE subject IS NOT NULL;
CREATE TABLE manifest_blobs (
    manifest INTEGER NOT NULL REFERENCES manifests (id),
    blob INTEGER NOT NULL REFERENCES blobs (id),
    PRIMARY KEY (blob, manifest)
) WITHOUT ROWID;
CREATE INDEX manifest_blobs_by_manifest ON manifest_blobs (manifest);
CREATE TABLE manifest_children (
    parent INTEGER NOT NULL REFERENCES manifests (id),
    child INTEGER NOT NULL REFERENCES manifests (id),
    PRIMARY KEY (child, parent)
) WITHOUT ROWID;
CREATE INDEX manifest_children_by_parent ON manifest_children (parent);
CREATE TABLE tags (
    repository INTEGER NOT NULL REFERENCES repositories (id),
    name TEXT NOT NULL,
    manifest INTEGER NOT NULL REFERENCES manifests (id),
    pushed INTEGER NOT NULL,
    PRIMARY KEY (repository, name)
) WITHOUT ROWID;
CREATE INDEX tags_by_manifest ON tags (manifest);
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    repository INTEGER NOT NULL REFERENCES repositories (id),
    lease INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX uploads_by_lease ON uploads (lease);
-- Where the store keeps uploads in pieces: which, and in which order. `number` counts them from 1 on.
CREATE TABLE pieces (
    upload TEXT NOT NULL REFERENCES uploads (id),
    first INTEGER NOT NULL,
    length INTEGER NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (upload, first)
) WITHOUT ROWID;
-- What may have lost its last reference, and when to look again.
CREATE TABLE blob_reviews (
    repository INTEGER NOT NULL REFERENCES repositories (id),
    blob INTEGER NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (repository, blob)
) WITHOUT ROWID;
CREATE INDEX blob_reviews_by_due ON blob_reviews (due);
CREATE TABLE manifest_reviews (
    manifest INTEGER PRIMARY KEY,
    due INTEGER NOT NULL
);
CREATE INDEX manifest_reviews_by_due ON manifest_reviews (due);
CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    secret BLOB NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;
-- Every change, each line with the hash of the one before it.
CREATE TABLE audit (
    chain TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    moment INTEGER NOT NULL,
    author TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    repository TEXT NOT NULL,
    object TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (chain, sequence)
) WITHOUT ROWID;
CREATE TABLE audit_heads (
    chain TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL
) WITHOUT ROWID;
-- How many bytes of blobs and manifests a repository has.
CREATE TABLE repository_sizes (
    repository INTEGER PRIMARY KEY REFERENCES repositories (id),
    bytes INTEGER NOT NULL
);
-- `rules`: a JSON list. `secret`: SHA-256 of 256 random bits.
CREATE TABLE robots (
    name TEXT PRIMARY KEY,
    rules TEXT NOT NULL,
    secret BLOB NOT NULL,
    created INTEGER NOT NULL,
    creator TEXT NOT NULL,
    expires INTEGER,
    used INTEGER
) WITHOUT ROWID;
-- What is promised for a while: that one alone tells of events (`events`), that no blob goes while it is copied (`backup/…`).
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    ends INTEGER NOT NULL
) WITHOUT ROWID;
-- How many batches of changes there were: the journal beside a file of SQLite counts them too.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
);
INSERT INTO journal (id, position) VALUES (1, 0);
-- How far each hook was told what the audit log says, and what it did not take.
CREATE TABLE hook_positions (
    hook TEXT NOT NULL,
    chain TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    cause TEXT NOT NULL,
    PRIMARY KEY (hook, chain)
) WITHOUT ROWID;
CREATE TABLE dead_events (
    hook TEXT NOT NULL,
    chain TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    moment INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    cause TEXT NOT NULL,
    PRIMARY KEY (hook, chain, sequence)
) WITHOUT ROWID;
-- When each manifest was pushed last.
CREATE TABLE manifest_pushes (
    manifest INTEGER PRIMARY KEY REFERENCES manifests (id),
    repository INTEGER NOT NULL REFERENCES repositories (id),
    moment INTEGER NOT NULL
);
CREATE INDEX manifest_pushes_by_moment ON manifest_pushes (repository, moment);
-- Manifests that may carry bills of materials and are to be read, and when.
CREATE TABLE bill_queue (
    manifest INTEGER PRIMARY KEY REFERENCES manifests (id),
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL
);
CREATE INDEX bill_queue_by_due ON bill_queue (due);
-- A document that a manifest carries, about the image `subject`. Without a manifest it is to go.
CREATE TABLE bills (
    id INTEGER PRIMARY KEY,
    repository INTEGER NOT NULL REFERENCES repositories (id),
    manifest INTEGER REFERENCES manifests (id),
    subject TEXT NOT NULL,
    document TEXT NOT NULL,
    format TEXT NOT NULL,
    is_signed INTEGER NOT NULL,
    packages INTEGER NOT NULL,
    problem TEXT
);
CREATE INDEX bills_by_subject ON bills (repository, subject);
CREATE INDEX bills_by_manifest ON bills (manifest);
CREATE TABLE packages (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    ecosystem TEXT NOT NULL,
    source TEXT NOT NULL,
    licence TEXT NOT NULL,
    UNIQUE (name, version, ecosystem, source, licence)
);
CREATE INDEX packages_by_source ON packages (source);
CREATE TABLE bill_packages (
    bill INTEGER NOT NULL REFERENCES bills (id),
    package INTEGER NOT NULL REFERENCES packages (id),
    PRIMARY KEY (bill, package)
) WITHOUT ROWID;
CREATE INDEX bill_packages_by_package ON bill_packages (package, bill);
-- How often manifests or tags of a repository changed.
CREATE TABLE repository_changes (
    repository INTEGER PRIMARY KEY REFERENCES repositories (id),
    number INTEGER NOT NULL
);
-- Programs that wait until a person signs in for them. `code`: SHA-256 of 256 random bits. Who let one in is in `user_name`.
CREATE TABLE pending_logins (
    code BLOB PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    address TEXT NOT NULL,
    scope TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    polled INTEGER NOT NULL,
    is_refused INTEGER NOT NULL,
    user_name TEXT,
    member_of TEXT,
    mark TEXT,
    ends INTEGER
) WITHOUT ROWID;
CREATE INDEX pending_logins_by_expiry ON pending_logins (expires);
-- Programs that were let in. `secret`: SHA-256 of 256 random bits; `member_of`: a JSON list.
CREATE TABLE logins (
    id TEXT PRIMARY KEY,
    secret BLOB NOT NULL UNIQUE,
    user_name TEXT NOT NULL,
    member_of TEXT NOT NULL,
    mark TEXT NOT NULL,
    scope TEXT NOT NULL,
    agent TEXT NOT NULL,
    address TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    used INTEGER
) WITHOUT ROWID;
CREATE INDEX logins_by_expiry ON logins (expires);
-- Answers of issuers that were taken, as long as they could come again: SHA-256 of what tells them apart.
CREATE TABLE spent_states (
    state BLOB PRIMARY KEY,
    expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX spent_states_by_expiry ON spent_states (expires);
-- Manifests that are copies of an upstream's: what they need may not be here. `ends`: when they go if nobody asks for them.
CREATE TABLE copies (
    manifest INTEGER PRIMARY KEY REFERENCES manifests (id),
    ends INTEGER NOT NULL
);
CREATE INDEX copies_by_end ON copies (ends);
-- What an index that is a copy lists, and for which platform; an empty text for none.
CREATE TABLE copied_children (
    parent INTEGER NOT NULL REFERENCES manifests (id),
    digest TEXT NOT NULL,
    platform TEXT NOT NULL,
    PRIMARY KEY (parent, digest, platform)
) WITHOUT ROWID;
CREATE INDEX copied_children_by_digest ON copied_children (digest);
-- When the upstream said last that a tag names what it does here.
CREATE TABLE copied_tags (
    repository INTEGER NOT NULL REFERENCES repositories (id),
    name TEXT NOT NULL,
    checked INTEGER NOT NULL,
    PRIMARY KEY (repository, name)
) WITHOUT ROWID;
";

const SECOND: &str = "
-- How many bytes of uploads at hand a repository keeps room for, beside what it has: the sum of `uploads.reserved`.
CREATE TABLE staged_sizes (
    repository INTEGER PRIMARY KEY REFERENCES repositories (id),
    bytes INTEGER NOT NULL
);
ALTER TABLE uploads ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
-- Manifests that a sparse index lists and that are not here.
CREATE TABLE absent_children (
    parent INTEGER NOT NULL REFERENCES manifests (id),
    digest TEXT NOT NULL,
    PRIMARY KEY (parent, digest)
) WITHOUT ROWID;
CREATE INDEX absent_children_by_digest ON absent_children (digest);
";

/// The steps that bring tables of this version up to [`VERSION`], in SQLite's words.
pub(in crate::metadata) fn steps(found: i64) -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().skip(found.max(0) as usize).copied()
}

/// The steps that make tables of this version from nothing, in SQLite's words.
pub(in crate::metadata) fn first_steps(version: i64) -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().take(version.max(0) as usize).copied()
}

/// Refuses tables of a newer program.
pub(in crate::metadata) fn check(found: i64, place: &str) -> Result<(), MetadataError> {
    if found > VERSION {
        return Err(MetadataError::Newer {
            place: place.to_owned(),
            found,
            known: VERSION,
        });
    }
    Ok(())
}
