//! The pieces of uploads, where the store of blobs keeps them apart.

use super::super::{Piece, PieceAdded};
use super::session::{Result, Session, values};
use crate::route::UploadId;

pub(super) fn unknown_uploads(
    session: &mut dyn Session,
    uploads: &[UploadId],
) -> Result<Vec<UploadId>> {
    let mut unknown = Vec::new();
    for upload in uploads {
        // One statement, and so of one moment: what is published in between is known to one of the two tables.
        let is_known = session.has(
            "SELECT 1 FROM uploads WHERE id = ?1 UNION ALL SELECT 1 FROM blobs WHERE place = ?1",
            values![upload.as_str()],
        )?;
        if !is_known {
            unknown.push(upload.clone());
        }
    }
    Ok(unknown)
}

pub(super) fn pieces(session: &mut dyn Session, upload: &UploadId) -> Result<Vec<Piece>> {
    session.all(
        "SELECT first, length, name FROM pieces WHERE upload = ?1 ORDER BY first",
        values![upload.as_str()],
        |row| {
            Ok(Piece {
                begin: row.get(0)?,
                length: row.get(1)?,
                name: row.get(2)?,
            })
        },
    )
}

/// How many bytes an upload has, and how many pieces.
pub(super) fn extent(session: &mut dyn Session, upload: &UploadId) -> Result<(u64, u64)> {
    let last: Option<(u64, u64, u64)> = session.first(
        "SELECT first, length, number FROM pieces WHERE upload = ?1 ORDER BY first DESC LIMIT 1",
        values![upload.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    Ok(last.map_or((0, 0), |(first, length, number)| (first + length, number)))
}

pub(super) fn add(
    session: &mut dyn Session,
    upload: &UploadId,
    piece: &Piece,
    maximum: u64,
) -> Result<PieceAdded> {
    let name = upload.as_str();
    if !session.has("SELECT 1 FROM uploads WHERE id = ?1", values![name])? {
        return Ok(PieceAdded::NoUpload);
    }
    let (length, number) = extent(session, upload)?;
    if length != piece.begin {
        return Ok(PieceAdded::Elsewhere(length));
    }
    if number >= maximum {
        return Ok(PieceAdded::TooMany);
    }
    session.run(
        "INSERT INTO pieces (upload, first, length, name, number) VALUES (?1, ?2, ?3, ?4, ?5)",
        values![
            name,
            piece.begin,
            piece.length,
            piece.name.as_str(),
            number + 1
        ],
    )?;
    Ok(PieceAdded::Added)
}
