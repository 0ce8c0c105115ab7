//! Strict, bounded YAML: whatever a person writes for Basalt is read by this.

use std::path::Path;

use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_saphyr::Options;

use crate::error::SpecError;
use crate::load::MAXIMUM_LENGTH;
use crate::suggest;

/// Reads a file of another kind than a spec (a slice definition) with the same strictness, at most
/// `nodes` values in it. Numbers that begin with `0` are octal, as modes are written there.
///
/// # Errors
/// When the text is too long, no YAML, or says something unknown; the error names file, line and
/// column.
pub fn from_yaml<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    nodes: usize,
) -> Result<T, SpecError> {
    from_yaml_by(path, text, nodes, std::marker::PhantomData)
}

/// As [`from_yaml`], by a reader that keeps something of its own.
///
/// # Errors
/// As [`from_yaml`].
pub fn from_yaml_by<'t, S: DeserializeSeed<'t>>(
    path: &Path,
    text: &'t str,
    nodes: usize,
    reader: S,
) -> Result<S::Value, SpecError> {
    let mut options = options(nodes);
    options.legacy_octal_numbers = true;
    read_by(path, text, options, reader)
}

pub(crate) fn read<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    options: Options,
) -> Result<T, SpecError> {
    read_by(path, text, options, std::marker::PhantomData)
}

fn read_by<'t, S: DeserializeSeed<'t>>(
    path: &Path,
    text: &'t str,
    options: Options,
    reader: S,
) -> Result<S::Value, SpecError> {
    if text.len() > MAXIMUM_LENGTH {
        return Err(SpecError::of_file(
            path,
            format!("it is longer than {MAXIMUM_LENGTH} bytes"),
        ));
    }
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
        reader.deserialize(yaml)
    });
    read.map_err(|error| {
        let bare = error.without_snippet();
        let said = suggest::explain(&bare.to_string());
        match bare.location().filter(|place| place.line() > 0) {
            Some(place) => {
                let (line, column) = (place.line() as usize, place.column() as usize);
                let word = said.word.as_deref();
                let error = SpecError::at_or_after(path, text, line, column, word, said.message);
                match said.hidden {
                    true => error.with_value_hidden(),
                    false => error,
                }
            }
            None => SpecError::of_file(path, said.message),
        }
        .with_help(said.help)
    })
}

/// No booleans but `true` and `false`, no tags, and bounds on everything.
pub(crate) fn options(nodes: usize) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_documents: 1,
            max_nodes: nodes,
            max_anchors: 1_000,
            max_aliases: 1_000,
            max_merge_keys: 1_000,
            max_total_scalar_bytes: 4 * MAXIMUM_LENGTH,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: 1_000,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}
