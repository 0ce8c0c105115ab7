//! Catalogs of SGML and XML, as `update-catalog --update-super` and `update-xmlcatalog --sort` write them.

use basalt_tree::Owner;

use super::error::ApplyError;
use super::work::{Work, owned};

/// Where SGML packages put their catalogs.
const SGML: &str = "/etc/sgml";

/// The catalog that names all of them.
const SUPER: &str = "/var/lib/sgml-base/supercatalog";

/// How that begins.
const SUPER_HEAD: &str = "--\n## This file is created by update-catalog with update-super.\n\
                          ## Please see update-catalog(8) for how to modify this file.\n--\n";

/// What is registered: a file for each package, and `catalog` for the root.
const XML_DATA: &str = "/var/lib/xml-core";

/// Writes the catalog of SGML catalogs: those of which everything is there that they refer to.
pub(super) fn sgml(work: &mut Work<'_>, package: &str) -> Result<(), ApplyError> {
    let owner = owned(package, "SGML catalogs");
    if !work.exists(SGML) {
        return Ok(());
    }
    let mut text = SUPER_HEAD.to_owned();
    for name in work.files_in(SGML, &owner)? {
        let path = format!("{SGML}/{name}");
        if !name.ends_with(".cat") || name.starts_with('.') {
            continue;
        }
        let content = work.read_text(&path, &owner)?.unwrap_or_default();
        let is_whole = references(&content, SGML)
            .iter()
            .all(|path| work.exists(path));
        if is_whole {
            text.push_str(&format!("CATALOG {path}\n"));
        }
    }
    work.write(SUPER, text.into_bytes(), 0o644, &owner)
}

/// The paths of the catalogs that a catalog refers to.
fn references(text: &str, directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut base = directory.to_owned();
    let mut keyword: Option<String> = None;
    for token in tokens(text) {
        match keyword.take().as_deref() {
            Some("catalog") if token.starts_with('/') => found.push(token),
            Some("catalog") => found.push(format!("{base}/{token}")),
            Some(_) => base = token,
            None => {
                let lower = token.to_ascii_lowercase();
                keyword = matches!(lower.as_str(), "catalog" | "base").then_some(lower);
            }
        }
    }
    found
}

/// The words of a catalog, without comments (between two `--`) and without quotes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("--") {
            let end = comment.find("--").map_or(comment.len(), |end| end + 2);
            rest = comment.get(end..).unwrap_or_default().trim_start();
            continue;
        }
        let quoted = (first == '"' || first == '\'').then(|| rest.get(1..).unwrap_or_default());
        let (token, after) = match quoted.and_then(|inner| inner.split_once(first)) {
            Some((token, after)) => (token, after),
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        tokens.push(token.to_owned());
        rest = after.trim_start();
    }
    tokens
}

/// Sorts what is registered of XML catalogs, and writes the catalogs themselves.
pub(super) fn xml(work: &mut Work<'_>, package: &str) -> Result<(), ApplyError> {
    let owner = owned(package, "XML catalogs");
    if !work.exists(XML_DATA) {
        return Ok(());
    }
    let part = |work: &Work<'_>, name: &str, owner: &Owner| {
        let text = work.read_text(&format!("/usr/share/xml-core/catalog.{name}"), owner)?;
        Ok::<_, ApplyError>(text.unwrap_or_default())
    };
    let header = part(work, "header", &owner)?;
    let footer = part(work, "footer", &owner)?;
    for name in work.files_in(XML_DATA, &owner)? {
        let data = format!("{XML_DATA}/{name}");
        let there = work.read_text(&data, &owner)?.unwrap_or_default();
        let mut entries: Vec<(&str, &str)> = there.lines().filter_map(entry).collect();
        entries.sort_unstable();
        entries.dedup_by_key(|(key, _)| *key);
        let mut registered = String::new();
        let mut catalog = header.clone();
        for (key, value) in entries {
            registered.push_str(&format!("<{key}><{value}>\n"));
            catalog.push_str(&format!("<{key} {value}/>\n"));
        }
        catalog.push_str(&footer);
        let file = match name.as_str() {
            "catalog" => "/etc/xml/catalog".to_owned(),
            package => format!("/etc/xml/{package}.xml"),
        };
        work.write(&data, registered.into_bytes(), 0o644, &owner)?;
        work.write(&file, catalog.into_bytes(), 0o644, &owner)?;
    }
    Ok(())
}

/// A line `<KEY><VALUE>`.
fn entry(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('<')?.strip_suffix('>')?.split_once("><")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_refers_to_others_by_its_base() {
        let text = "-- CATALOG \"no\" --\nOVERRIDE YES\nCATALOG \"/usr/a\"\nBASE '/usr/b'\ncatalog c CATALOG";
        assert_eq!(references(text, "/etc/sgml"), ["/usr/a", "/usr/b/c"]);
        assert_eq!(references("CATALOG x", "/etc/sgml"), ["/etc/sgml/x"]);
        assert_eq!(references("-- CATALOG x", "/etc/sgml"), [""; 0]);
    }

    #[test]
    fn what_is_registered_is_read_line_by_line() {
        assert_eq!(
            entry("<a b=\"c\"><d=\"e\">"),
            Some(("a b=\"c\"", "d=\"e\""))
        );
        assert_eq!(entry("<a b=\"c\">"), None);
        assert_eq!(entry(""), None);
    }
}
