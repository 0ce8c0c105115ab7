//! Words that bash expands and the POSIX shell does not (bash(1), *EXPANSION*). They are not expanded here: their values are
//! not known.

use basalt_shell::{Operation, Piece};

/// Whether bash would expand braces in a word, as in `{a,b}` and `{1..3}`, or take `{name}` before a redirection for the
/// name of a descriptor. Only `{}` stands for itself surely.
pub(super) fn has_braces(pieces: &[Piece]) -> bool {
    let mut is_open = false;
    let mut has_content = false;
    for piece in pieces {
        let Piece::Text(text) = piece else {
            has_content = true;
            continue;
        };
        for letter in text.chars() {
            match letter {
                '}' if is_open && has_content => return true,
                '{' if !is_open => (is_open, has_content) = (true, false),
                _ => has_content = true,
            }
        }
    }
    false
}

/// Whether a word holds more than texts and the values of variables.
pub(super) fn may_run_commands(pieces: &[Piece]) -> bool {
    let is_plain = |piece: &Piece| match piece {
        Piece::Text(_) | Piece::Quoted(_) => true,
        Piece::Parameter(parameter) => parameter.operation == Operation::Value,
        _ => false,
    };
    !pieces.iter().all(is_plain)
}

/// Whether bash would evaluate `$[…]`, its older form of `$((…))`.
pub(super) fn has_old_arithmetic(pieces: &[Piece]) -> bool {
    let is_within = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains("$["));
    let is_across = |pair: &[Piece]| match pair {
        [Piece::Quoted(dollar), Piece::Text(text)] => dollar == "$" && text.starts_with('['),
        _ => false,
    };
    pieces.iter().any(is_within) || pieces.windows(2).any(is_across)
}
