//! Here-documents.

use crate::error::Problem;
use crate::parser::{Parsed, Parser};
use crate::tree::{Lines, Piece};

/// A here-document whose text is still to come.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Its place among the script's documents.
    pub place: usize,
    /// The line that ends it.
    pub mark: String,
    /// `<<-`: tabs at the start of its lines are taken away.
    pub without_tabs: bool,
}

impl Parser<'_> {
    /// The mark after `<<`, and whether any of it is quoted.
    pub(crate) fn mark(&mut self) -> Parsed<(String, bool)> {
        let Some(word) = self.word()? else {
            return self.fail(Problem::Missing("the mark of a here-document"));
        };
        let mut mark = String::new();
        let mut quoted = false;
        for piece in &word.pieces {
            match piece {
                Piece::Text(text) => mark.push_str(text),
                Piece::Quoted(text) => {
                    quoted = true;
                    mark.push_str(text);
                }
                Piece::Double(pieces) => {
                    quoted = true;
                    match pieces.as_slice() {
                        [] => {}
                        [Piece::Text(text)] => mark.push_str(text),
                        _ => return self.fail(Problem::Unknown("this mark")),
                    }
                }
                _ => return self.fail(Problem::Unknown("this mark")),
            }
        }
        if mark.is_empty() || mark.contains('\n') {
            return self.fail(Problem::Unknown("this mark"));
        }
        Ok((mark, quoted))
    }

    /// Reads the texts of the here-documents that begin here.
    pub(crate) fn bodies(&mut self) -> Parsed<()> {
        for pending in std::mem::take(&mut self.pending) {
            self.text_of(&pending)?;
        }
        Ok(())
    }

    fn text_of(&mut self, pending: &Pending) -> Parsed<()> {
        let first = self.line;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return self.fail(Problem::Ends("the mark of a here-document"));
            }
            let (line, next) = match rest.find('\n') {
                Some(end) => (rest.get(..end).unwrap_or_default(), end + 1),
                None => (rest, rest.len()),
            };
            self.place += next;
            let line = match pending.without_tabs {
                true => line.trim_start_matches('\t'),
                false => line,
            };
            self.line += 1;
            if line == pending.mark {
                break;
            }
            text.push_str(line);
            text.push('\n');
        }
        let quoted = self
            .documents
            .get(pending.place)
            .is_some_and(|document| document.quoted);
        if !quoted && goes_on(&text) {
            // Whether the mark then still ends the text differs from shell to shell.
            return self.fail(Problem::Unknown("a here-document that ends in a backslash"));
        }
        let body = match (quoted, text.is_empty()) {
            (_, true) => Vec::new(),
            (true, false) => vec![Piece::Quoted(text)],
            (false, false) => self.within(&text, first, |parser| parser.quoted_pieces(None))?,
        };
        let lines = Lines {
            first,
            last: self.line.saturating_sub(1).max(first),
        };
        if let Some(document) = self.documents.get_mut(pending.place) {
            document.body = body;
            document.lines = lines;
        }
        Ok(())
    }
}

/// Whether the last line of a text ends in a backslash that takes the line end away.
fn goes_on(text: &str) -> bool {
    let line = text.strip_suffix('\n').unwrap_or_default();
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    backslashes % 2 == 1
}
