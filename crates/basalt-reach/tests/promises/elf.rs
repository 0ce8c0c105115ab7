//! ELF objects, compiled for the occasion, without any library of the host.

use basalt_reach::Reason;

use crate::support::{Place, asks, assert_reach, compile, path, roots_of};

const ALONE: [&str; 2] = ["-nostdlib", "-fPIC"];
const MAIN: &str = "int greet(void); int _start(void) { return greet(); }";
pub const DIRECTORY: &str = if cfg!(target_arch = "aarch64") {
    "usr/lib/aarch64-linux-gnu"
} else {
    "usr/lib/x86_64-linux-gnu"
};

pub struct Objects {
    folder: tempfile::TempDir,
}

impl Objects {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn library(&self, name: &str, source: &str, more: &[&str]) -> Vec<u8> {
        let soname = format!("-Wl,-soname,{name}");
        let arguments: Vec<&str> = ["-shared", &soname]
            .iter()
            .chain(&ALONE)
            .chain(more)
            .copied()
            .collect();
        compile(self.folder.path(), name, source, &arguments)
    }

    pub fn program(&self, source: &str, more: &[&str]) -> Vec<u8> {
        let arguments: Vec<&str> = ALONE
            .iter()
            .chain(&["-pie", "-Wl,--dynamic-linker,/lib64/ld-example.so.2"])
            .chain(more)
            .copied()
            .collect();
        compile(self.folder.path(), "program", source, &arguments)
    }

    fn versions(&self, text: &str) -> String {
        let file = self.folder.path().join("versions.map");
        std::fs::write(&file, text).expect("it is written");
        format!("-Wl,--version-script={}", file.display())
    }

    /// A tree with the dynamic linker, whatever it is.
    pub fn place(&self) -> Place {
        let linker = self.library("ld-example.so.2", "int linker;", &[]);
        Place::new().file("usr/lib64/ld-example.so.2", linker, 0o755)
    }
}

#[test]
fn a_program_reaches_its_linker_and_its_libraries_with_the_links_on_the_way() {
    let objects = Objects::new();
    let base = objects.library("libbase.so.1", "int base(void) { return 1; }", &[]);
    let greet = objects.library(
        "libgreet.so.1",
        "int base(void); int greet(void) { return base(); }",
        &["./libbase.so.1"],
    );
    let program = objects.program(MAIN, &["./libgreet.so.1", "-Wl,--allow-shlib-undefined"]);
    let place = objects
        .place()
        .file("usr/bin/program", program, 0o755)
        .file(&format!("{DIRECTORY}/libgreet.so.1.2"), greet, 0o644)
        .link(&format!("{DIRECTORY}/libgreet.so.1"), "libgreet.so.1.2")
        .file(&format!("{DIRECTORY}/libbase.so.1"), base.clone(), 0o644)
        .file(&format!("{DIRECTORY}/libother.so.1"), base, 0o644)
        .text("usr/share/doc/example/copyright", "all yours");
    let found = place.from(&["/usr/bin/program"]);
    let library = format!("{DIRECTORY}/libgreet.so.1.2");
    assert_reach(
        &found,
        &[
            "usr/bin/program",
            "usr/lib64/ld-example.so.2",
            "lib64",
            &library,
            &format!("{DIRECTORY}/libgreet.so.1"),
            &format!("{DIRECTORY}/libbase.so.1"),
            "usr/share/doc/example/copyright",
        ],
        &[&format!("{DIRECTORY}/libother.so.1")],
    );
    let chain: Vec<&Reason> = found
        .chain(&path(&format!("{DIRECTORY}/libbase.so.1")))
        .iter()
        .map(|(_, reached)| &reached.reason)
        .collect();
    assert_eq!(
        chain,
        [
            &Reason::Needed("libbase.so.1".to_owned()),
            &Reason::Needed("libgreet.so.1".to_owned()),
            &Reason::Root("/usr/bin/program".to_owned()),
        ]
    );
}

#[test]
fn a_library_that_is_missing_is_an_error_that_names_it() {
    let objects = Objects::new();
    objects.library("libgreet.so.1", "int greet(void) { return 1; }", &[]);
    let program = objects.program(MAIN, &["./libgreet.so.1"]);
    let place = objects.place().file("usr/bin/program", program, 0o755);
    let error = place
        .reach(&roots_of(&["/usr/bin/program"]))
        .expect_err("it cannot start");
    let text = error.to_string();
    assert!(
        text.contains("/usr/bin/program needs the library libgreet.so.1"),
        "{text}"
    );
}

#[test]
fn a_library_that_lacks_a_needed_version_is_an_error_that_names_it() {
    let objects = Objects::new();
    let source = "int greet(void) { return 1; }";
    let new = objects.versions("GREET_1 { }; GREET_2 { greet; } GREET_1;");
    let current = objects.library("libgreet.so.1", source, &[&new]);
    let program = objects.program(MAIN, &["./libgreet.so.1"]);
    let old = objects.versions("GREET_1 { greet; };");
    let former = objects.library("libgreet.so.1", source, &[&old]);
    let place = |library| {
        objects
            .place()
            .file("usr/bin/program", &program, 0o755)
            .file(&format!("{DIRECTORY}/libgreet.so.1"), library, 0o644)
    };
    place(current).from(&["/usr/bin/program"]);
    let error = place(former)
        .reach(&roots_of(&["/usr/bin/program"]))
        .expect_err("it cannot start");
    let text = error.to_string();
    assert!(
        text.contains("the version GREET_2 of libgreet.so.1"),
        "{text}"
    );
}

#[test]
fn a_runpath_is_searched_from_where_the_object_stands() {
    let objects = Objects::new();
    let library = objects.library("libgreet.so.1", "int greet(void) { return 1; }", &[]);
    for tags in ["-Wl,--enable-new-dtags", "-Wl,--disable-new-dtags"] {
        let program = objects.program(
            MAIN,
            &["./libgreet.so.1", tags, "-Wl,-rpath,$ORIGIN/../lib/own"],
        );
        let place = objects
            .place()
            .file("usr/bin/program", program, 0o755)
            .file("usr/lib/own/libgreet.so.1", library.clone(), 0o644)
            .file(
                &format!("{DIRECTORY}/libgreet.so.1"),
                library.clone(),
                0o644,
            );
        let found = place.from(&["/usr/bin/program"]);
        let default = format!("{DIRECTORY}/libgreet.so.1");
        assert_reach(&found, &["usr/lib/own/libgreet.so.1"], &[&default]);
    }
}

#[test]
fn variants_for_newer_processors_are_reached_too() {
    let objects = Objects::new();
    let library = objects.library("libgreet.so.1", "int greet(void) { return 1; }", &[]);
    let program = objects.program(MAIN, &["./libgreet.so.1"]);
    let newer = format!("{DIRECTORY}/glibc-hwcaps/x86-64-v3/libgreet.so.1");
    let place = objects
        .place()
        .file("usr/bin/program", program, 0o755)
        .file(&newer, library.clone(), 0o644)
        .file(&format!("{DIRECTORY}/libgreet.so.1"), library, 0o644);
    let found = place.from(&["/usr/bin/program"]);
    assert_reach(
        &found,
        &[&newer, &format!("{DIRECTORY}/libgreet.so.1")],
        &[],
    );
}

#[test]
fn names_in_read_only_data_are_followed_and_patterns_become_questions() {
    let objects = Objects::new();
    let plugin = objects.library("libplugin.so.3", "int plugin;", &[]);
    let source = r#"
        void *dlopen(const char *, int);
        const char *const names[] = {
            "libplugin.so.3", "plug-%s.so", "/etc/example.conf", "/usr/bin/helper", "/usr/share/example/data",
        };
        int _start(void) { return dlopen(names[0], 1) != 0; }
    "#;
    let opener = objects.library(
        "libopen.so.1",
        "void *dlopen(const char *n, int f) { return 0; }",
        &[],
    );
    let program = objects.program(source, &["./libopen.so.1"]);
    let place = objects
        .place()
        .file(&format!("{DIRECTORY}/libopen.so.1"), opener, 0o644)
        .file("usr/bin/program", program, 0o755)
        .file(&format!("{DIRECTORY}/libplugin.so.3"), plugin, 0o644)
        .text("etc/example.conf", "# /etc/not\nfile = /etc/other.conf\n")
        .text("etc/other.conf", "")
        .text("etc/not", "")
        .script("usr/bin/helper", "#!/bin/none\n")
        .text("usr/share/example/data/one", "1");
    let found = place.from(&["/usr/bin/program"]);
    assert_reach(
        &found,
        &[
            &format!("{DIRECTORY}/libplugin.so.3"),
            "etc/example.conf",
            "etc/other.conf",
        ],
        &["usr/bin/helper", "usr/share/example/data/one", "etc/not"],
    );
    for words in [
        "plug-%s.so",
        "program /usr/bin/helper",
        "directory /usr/share/example/data",
    ] {
        assert!(asks(&found, words), "{words}: {:#?}", found.questions);
    }
}
