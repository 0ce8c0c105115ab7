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

#[test]
#[ignore = "needs a root made by dpkg"]
fn file_types_are_compiled_as_shared_mime_info_compiles_them() {
    let folder = root().join("usr/share/mime");
    let version = fs::read_to_string(folder.join("version")).expect("made by dpkg's run");
    let ours = basalt_desktop::mime::database(&files(&folder.join("packages")), version.trim())
        .expect("understood");
    let mut theirs = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(&folder).expect("inside");
            let name = name.to_str().expect("text").to_owned();
            match path.is_dir() {
                true if name == "packages" => {}
                true => folders.push(path),
                false => theirs.push((name, fs::read(path).expect("readable"))),
            }
        }
    }
    for (name, bytes) in &theirs {
        assert!(ours.get(name) == Some(bytes), "{name} differs");
    }
    assert_eq!(
        ours.len(),
        theirs.len(),
        "files that the real program does not make"
    );
    println!(
        "{} files of the database of types are the same",
        theirs.len()
    );
}

/// The modules of a folder.
fn modules(folder: &PathBuf) -> Vec<(String, Vec<u8>)> {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            (
                name.expect("a name").to_owned(),
                fs::read(&path).expect("readable"),
            )
        })
        .collect()
}

#[test]
#[ignore = "needs a root made by dpkg"]
fn lists_of_modules_are_those_that_loading_them_gives() {
    use basalt_desktop::modules::{
        extension_points, gtk2_input_methods, input_methods, pixbuf_loaders,
    };
    const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu";
    let library = root().join(&LIBRARY[1..]);
    let theirs = |path: &str| fs::read_to_string(library.join(path)).expect("made by dpkg's run");
    // Versions are those that the lists name.
    let version = |list: &str| {
        let line = list.lines().nth(2).expect("a line");
        line.rsplit('-').next().expect("a version").to_owned()
    };
    for folder in ["gio/modules", "gtk-4.0/4.0.0/printbackends"] {
        let ours = extension_points(&modules(&library.join(folder))).expect("known");
        assert_eq!(ours, Some(theirs(&format!("{folder}/giomodule.cache"))));
    }
    let folder = "gdk-pixbuf-2.0/2.10.0/loaders";
    let list = theirs("gdk-pixbuf-2.0/2.10.0/loaders.cache");
    let ours = pixbuf_loaders(
        &modules(&library.join(folder)),
        &format!("{LIBRARY}/{folder}"),
        &version(&list),
    );
    assert_eq!(ours.expect("known"), list);
    let list = theirs("gtk-3.0/3.0.0/immodules.cache");
    let ours = input_methods(
        &modules(&library.join("gtk-3.0/3.0.0/immodules")),
        LIBRARY,
        &version(&list),
    );
    assert_eq!(ours.expect("known"), list);
    let list = theirs("gtk-2.0/2.10.0/immodules.cache");
    let ours = gtk2_input_methods(
        &modules(&library.join("gtk-2.0/2.10.0/immodules")),
        LIBRARY,
        "x86_64-pc-linux-gnu",
        &version(&list),
    );
    assert_eq!(ours.expect("known"), list);
}
