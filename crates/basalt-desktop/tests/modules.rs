//! Promises of lists of modules.

use basalt_desktop::modules::{ModuleError, extension_points, pixbuf_loaders};

#[test]
fn a_folder_without_modules_has_no_list() {
    let other = ("README".to_owned(), Vec::new());
    assert_eq!(extension_points(&[other]), Ok(None));
}

#[test]
fn modules_are_listed_by_name() {
    let module = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    let modules = [
        module("libgvfsdbus.so", "..gio-vfs..gio-volume-monitor.."),
        module("libdconfsettings.so", "..gsettings-backend.."),
    ];
    let wanted =
        "libdconfsettings.so: gsettings-backend\nlibgvfsdbus.so: gio-vfs,gio-volume-monitor\n";
    assert_eq!(extension_points(&modules), Ok(Some(wanted.to_owned())));
}

#[test]
fn a_module_that_is_unknown_or_changed_is_an_error() {
    let unknown = ("libelse.so".to_owned(), Vec::new());
    assert_eq!(
        extension_points(std::slice::from_ref(&unknown)),
        Err(ModuleError::Unknown("libelse.so".to_owned()))
    );
    assert!(pixbuf_loaders(&[unknown], "/usr/lib/x", "2.42").is_err());
    let changed = ("libdconfsettings.so".to_owned(), b"another".to_vec());
    assert!(matches!(
        extension_points(&[changed]),
        Err(ModuleError::Changed { .. })
    ));
}
