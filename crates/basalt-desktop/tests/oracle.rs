//! The same bytes as the real programs make.
//!
//! Needs a root in which packages were installed by dpkg: `BASALT_TEST_ROOT`.

use std::fs;
use std::path::PathBuf;

fn root() -> PathBuf {
    std::env::var_os("BASALT_TEST_ROOT")
        .map(PathBuf::from)
        .expect("BASALT_TEST_ROOT is a root with desktop packages")
}

/// The text files of a folder by name.
fn files(folder: &PathBuf) -> Vec<(String, String)> {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some((name, fs::read_to_string(path).ok()?))
        })
        .collect()
}

#[test]
#[ignore = "needs a root made by dpkg"]
fn schemas_are_compiled_as_glib_compiles_them() {
    let folder = root().join("usr/share/glib-2.0/schemas");
    let ours = basalt_desktop::schemas::compile(&files(&folder)).expect("understood");
    let theirs = fs::read(folder.join("gschemas.compiled")).expect("made by dpkg's run");
    assert!(
        ours.as_deref() == Some(theirs.as_slice()),
        "gschemas.compiled differs"
    );
    println!("{} bytes of compiled schemas are the same", theirs.len());
}
