//! The host's apt sources (sources.list(5)), both forms, as far as they tell mirrors.

use std::path::Path;

/// The most of one file that is read, in bytes.
const MAXIMUM_FILE: u64 = 1 << 20;
/// The most sources taken from one file.
const MAXIMUM_SOURCES: usize = 1000;

/// One source of binary packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The archive's URL.
    pub uri: String,
    /// Its suites, such as `trixie`.
    pub suites: Vec<String>,
    /// Its components, such as `main`.
    pub components: Vec<String>,
    /// The keyring that it names, if any.
    pub signed_by: Option<String>,
}

/// Reads `sources.list`, `sources.list.d/*.sources` and `*.list` of apt's folder. What cannot
/// be read is passed over: these files are only a hint.
pub fn read_folder(apt: &Path) -> Vec<Source> {
    let mut files = vec![apt.join("sources.list")];
    if let Ok(entries) = fs_err::read_dir(apt.join("sources.list.d")) {
        let mut more: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        more.sort();
        files.extend(more);
    }
    let mut sources = Vec::new();
    for path in files {
        let Ok(text) = basalt_file::read_text(&path, MAXIMUM_FILE) else {
            continue;
        };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => sources.extend(parse_stanzas(&text)),
            Some("list") => sources.extend(parse_lines(&text)),
            _ => {}
        }
    }
    sources
}

/// Parses the one-line form: `deb [options] URI suite component…`.
pub fn parse_lines(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for line in text.lines().take(MAXIMUM_SOURCES) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line
            .strip_prefix("deb")
            .filter(|rest| rest.starts_with([' ', '\t', '[']))
        else {
            continue;
        };
        let mut rest = rest.trim_start();
        let mut signed_by = None;
        if let Some(inside) = rest.strip_prefix('[') {
            let Some((options, behind)) = inside.split_once(']') else {
                continue;
            };
            signed_by = options
                .split_whitespace()
                .find_map(|option| option.strip_prefix("signed-by="))
                .map(str::to_owned);
            rest = behind;
        }
        let mut words = rest.split_whitespace().map(str::to_owned);
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            sources.push(Source {
                uri,
                suites: vec![suite],
                components: words.collect(),
                signed_by,
            });
        }
    }
    sources
}

/// Parses the stanza form (`Types:`, `URIs:`, `Suites:`, …).
pub fn parse_stanzas(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            finish_stanza(&fields, &mut sources);
            fields.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':')
            && fields.len() < 100
        {
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

fn finish_stanza(fields: &[(String, String)], sources: &mut Vec<Source>) {
    let field = |name: &str| {
        fields
            .iter()
            .find(|(field, _)| field == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let words = |name| {
        field(name)
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let off = matches!(
        field("enabled"),
        "no" | "false" | "without" | "off" | "disable" | "0"
    );
    if off || !field("types").split_whitespace().any(|kind| kind == "deb") {
        return;
    }
    let signed_by = Some(field("signed-by"))
        .filter(|value| !value.is_empty())
        .map(str::to_owned);
    for uri in words("uris") {
        if sources.len() < MAXIMUM_SOURCES {
            sources.push(Source {
                uri,
                suites: words("suites"),
                components: words("components"),
                signed_by: signed_by.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let line = parse_lines(
            "# deb http://no/ x main\ndeb [arch=amd64 signed-by=/k.gpg] http://a/debian trixie main contrib # c\ndeb-src http://b/ x main\n",
        );
        assert_eq!(line.len(), 1);
        assert_eq!(line[0].uri, "http://a/debian");
        assert_eq!(line[0].signed_by.as_deref(), Some("/k.gpg"));
        let stanza = parse_stanzas(
            "Types: deb\n# why\nURIs: http://a/debian\n http://b/debian\nSuites: trixie\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: http://c\nSuites: x\n",
        );
        let uris: Vec<_> = stanza.iter().map(|source| source.uri.as_str()).collect();
        assert_eq!(uris, ["http://a/debian", "http://b/debian"]);
    }
}
