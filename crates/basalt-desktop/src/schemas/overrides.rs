//! Files that give keys of schemas other defaults: `[schema]` or `[schema:desktop]`, then `key=value`.

use super::key::Key;
use super::read::Found;
use crate::variant_text;

/// Applies one file. What it says about schemas and keys that are not there does not count, as little as a value out of its range.
pub(super) fn apply(text: &str, found: &mut Found) -> Result<(), String> {
    let mut group: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_ascii_start();
        let fail = |cause: &str| format!("line {}: {cause}", index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_ascii_end().strip_suffix(']');
            group = Some(name.ok_or_else(|| fail("the name of the group has no end"))?);
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| fail("this is neither a group nor `key=value`"))?;
        let group = group.ok_or_else(|| fail("a key stands before the first group"))?;
        set(found, group, name.trim_ascii_end(), value).map_err(|cause| fail(&cause))?;
    }
    Ok(())
}

fn set(found: &mut Found, group: &str, name: &str, text: &str) -> Result<(), String> {
    let (schema, desktop) = match group.split_once(':') {
        Some((schema, desktop)) => (schema, Some(desktop)),
        None => (group, None),
    };
    let key = found
        .schema_mut(schema)
        .and_then(|schema| schema.key_mut(name));
    let Some(Key::Setting(key)) = key else {
        return Ok(());
    };
    if desktop.is_some() && key.translation.is_some() {
        return Ok(());
    }
    let value = variant_text::parse(&key.kind, text).map_err(|cause| format!("{name}: {cause}"))?;
    if !key.allows(&value) {
        return Ok(());
    }
    match desktop {
        None => key.default = Some(value),
        Some(desktop) => match key
            .by_desktop
            .iter_mut()
            .find(|(known, _)| known == desktop)
        {
            Some((_, former)) => *former = value,
            None => key.by_desktop.push((desktop.to_owned(), value)),
        },
    }
    Ok(())
}
