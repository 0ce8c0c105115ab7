//! What CPython imports without a statement that says so, read from its source (3.11 to 3.13).

use basalt_tree::{Tree, TreePath};

/// What the interpreter imports itself: when it starts, when it runs a module by name, when it warns,
/// when it shows an error.
pub(super) const ALWAYS: &[&str] = &[
    "_collections_abc",
    "_sitebuiltins",
    "abc",
    "codecs",
    "encodings.aliases",
    "encodings.ascii",
    "encodings.latin_1",
    "encodings.utf_8",
    "encodings.utf_8_sig",
    "genericpath",
    "importlib._bootstrap",
    "importlib._bootstrap_external",
    "importlib.machinery",
    "importlib.util",
    "io",
    "linecache",
    "os",
    "posixpath",
    "runpy",
    "site",
    "stat",
    "traceback",
    "types",
    "warnings",
    "zipimport",
];

/// What parts written in C import when their functions are called.
const FROM_C: &[(&str, &[&str])] = &[
    ("_abc", &["_weakrefset"]),
    (
        "_asyncio",
        &[
            "asyncio.base_futures",
            "asyncio.base_tasks",
            "asyncio.coroutines",
            "asyncio.events",
            "asyncio.exceptions",
            "asyncio.format_helpers",
            "traceback",
            "weakref",
        ],
    ),
    ("_codecs", &["encodings"]),
    ("_ctypes", &["ctypes._endian", "struct"]),
    ("_curses", &["curses"]),
    ("_datetime", &["_strptime", "time"]),
    ("_dbm", &["dbm"]),
    ("_decimal", &["collections", "numbers"]),
    ("_elementtree", &["copy", "xml.etree.ElementPath"]),
    ("_functools", &["reprlib"]),
    ("_gdbm", &["dbm"]),
    ("_interpreters", &["pickle"]),
    ("_io", &["locale"]),
    ("_json", &["json.decoder", "json.scanner"]),
    ("_locale", &["locale"]),
    ("_lsprof", &["cProfile"]),
    (
        "_pickle",
        &["_compat_pickle", "codecs", "copyreg", "functools"],
    ),
    ("_socket", &["encodings.idna", "socket"]),
    (
        "_sqlite3",
        &["collections.abc", "functools", "sqlite3.dump"],
    ),
    ("_ssl", &["socket", "ssl"]),
    ("_thread", &["threading"]),
    ("_tkinter", &["tkinter"]),
    ("_uuid", &["uuid"]),
    ("_zoneinfo", &["io", "zoneinfo._common", "zoneinfo._tzpath"]),
    ("pyexpat", &["xml.parsers.expat"]),
    ("readline", &["rlcompleter"]),
    ("time", &["_strptime"]),
    ("unicodedata", &["encodings.idna"]),
];

/// Files of the standard library whose imports by a name that is put together are written here.
const KNOWN: &[(&str, &[&str])] = &[
    ("sysconfig.py", &["_sysconfigdata_*.py"]),
    ("sysconfig/__init__.py", &["_sysconfigdata_*.py"]),
    ("dbm/__init__.py", &["dbm/*.py"]),
    ("xml/sax/__init__.py", &["xml/sax/expatreader.py"]),
    ("encodings/__init__.py", &[]),
    ("runpy.py", &[]),
    ("pkgutil.py", &[]),
    ("importlib/__init__.py", &[]),
    ("importlib/util.py", &[]),
    ("pickle.py", &[]),
    ("hashlib.py", &[]),
];

/// What a module written in C imports.
pub(super) fn imported_from_c(module: &str) -> &'static [&'static str] {
    FROM_C
        .iter()
        .find(|(name, _)| *name == module)
        .map_or(&[], |(_, imports)| imports)
}

/// Whether the imports of a source by unknown names are known here: those of the standard library
/// itself whose names come from who calls it.
pub(super) fn is_known(path: &TreePath) -> bool {
    entry(path).is_some()
}

fn entry(path: &TreePath) -> Option<(&str, &'static [&'static str])> {
    let rest = path.as_str().strip_prefix("usr/lib/python")?;
    let (version, rest) = rest.split_once('/')?;
    if !super::is_version(version) {
        return None;
    }
    let (_, targets) = KNOWN.iter().find(|(file, _)| *file == rest)?;
    Some((version, targets))
}

/// The files that such a source imports.
pub(super) fn known(tree: &Tree, path: &TreePath) -> Vec<TreePath> {
    let Some((version, targets)) = entry(path) else {
        return Vec::new();
    };
    let Ok(library) = TreePath::new(&format!("usr/lib/python{version}")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for target in targets {
        let pattern = format!("{library}/{target}");
        found.extend(
            tree.iter_within(&library)
                .filter(|(path, _)| basalt_tree::glob::matches(&pattern, path))
                .map(|(path, _)| path.clone()),
        );
    }
    found
}

/// The module of a codec, by the name that a program gives it.
pub(super) fn codec(name: &str) -> String {
    let normal: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '.' {
                letter
            } else {
                '_'
            }
        })
        .collect();
    let alias = match normal.as_str() {
        "utf8" | "u8" | "utf" | "cp65001" => "utf_8",
        "us_ascii" | "646" | "ansi_x3.4_1968" => "ascii",
        "latin1" | "latin" | "l1" | "iso8859_1" | "iso_8859_1" | "8859" | "cp819" => "latin_1",
        "utf16" | "u16" => "utf_16",
        "utf32" | "u32" => "utf_32",
        "utf_16le" => "utf_16_le",
        "utf_16be" => "utf_16_be",
        "hex" => "hex_codec",
        "base64" => "base64_codec",
        "bz2" => "bz2_codec",
        "zlib" | "zip" => "zlib_codec",
        "rot13" => "rot_13",
        "quopri" | "quoted_printable" | "quotedprintable" => "quopri_codec",
        "uu" => "uu_codec",
        other => other,
    };
    alias.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_have_many_names() {
        for (name, module) in [
            ("UTF-8", "utf_8"),
            ("latin1", "latin_1"),
            ("cp437", "cp437"),
            ("utf-8-sig", "utf_8_sig"),
        ] {
            assert_eq!(codec(name), module);
        }
    }
}
