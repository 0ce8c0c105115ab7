//! Python's modules.

use basalt_reach::Reason;
use basalt_reach::python::scan::{Dynamic, scan};

use crate::support::{Place, asks, assert_reach, path};

const LIBRARY: &str = "usr/lib/python3.13";
const SHARED: &str = "usr/lib/python3/dist-packages";

fn place(script: &str) -> Place {
    let module = |name: &str| format!("{LIBRARY}/{name}");
    Place::new()
        .script("usr/bin/tool", &format!("#!/usr/bin/python3\n{script}"))
        .script("usr/bin/python3.13", "no ELF here")
        .link("usr/bin/python3", "python3.13")
        .text(&module("os.py"), "import posixpath\n")
        .text(&module("posixpath.py"), "")
        .text(&module("email/__init__.py"), "")
        .text(
            &module("email/message.py"),
            "from . import charset as c\nfrom ._policy import (\n  a, b)\n",
        )
        .text(
            &module("email/charset.py"),
            "from .. import os as nothing\n",
        )
        .text(&module("email/_policy.py"), "")
        .text(&module("email/data.txt"), "data")
        .text(&module("encodings/__init__.py"), "")
        .text(&module("encodings/cp437.py"), "")
        .text(
            &module("lib-dynload/_lzma.cpython-313-x86_64-linux-gnu.so"),
            "",
        )
        .text(&module("sysconfig/__init__.py"), "__import__(name)\n")
        .text(&module("_sysconfigdata__linux_x.py"), "")
        .text(&format!("{SHARED}/spaces/inner/mod.py"), "")
        .text(&format!("{SHARED}/other.py"), "")
}

#[test]
fn imports_are_followed_whatever_their_form() {
    let place = place(
        "import os, email.message as m\n\
         if False:\n    try: from spaces.inner import mod; import _lzma\n    except ImportError: pass\n\
         def f(): data.decode('CP437')\n",
    );
    let found = place.from(&["/usr/bin/tool"]);
    assert_reach(
        &found,
        &[
            "usr/bin/python3",
            "usr/bin/python3.13",
            &format!("{LIBRARY}/os.py"),
            &format!("{LIBRARY}/posixpath.py"),
            &format!("{LIBRARY}/email/__init__.py"),
            &format!("{LIBRARY}/email/message.py"),
            &format!("{LIBRARY}/email/charset.py"),
            &format!("{LIBRARY}/email/_policy.py"),
            &format!("{LIBRARY}/encodings/cp437.py"),
            &format!("{LIBRARY}/lib-dynload/_lzma.cpython-313-x86_64-linux-gnu.so"),
            &format!("{SHARED}/spaces/inner/mod.py"),
        ],
        &[
            &format!("{SHARED}/other.py"),
            &format!("{LIBRARY}/email/data.txt"),
        ],
    );
    let reason = &found.reached[&path(&format!("{LIBRARY}/os.py"))].reason;
    let expected = Reason::Import {
        module: "os".to_owned(),
        line: 2,
    };
    assert_eq!(*reason, expected);
    assert!(
        asks(&found, "the files beside it"),
        "{:#?}",
        found.questions
    );
}

#[test]
fn an_import_by_a_literal_is_followed_and_any_other_is_a_question() {
    let found = place("importlib.import_module('other')\n").from(&["/usr/bin/tool"]);
    assert_reach(&found, &[&format!("{SHARED}/other.py")], &[]);
    let found = place("import sysconfig\n__import__('oth' + x)\n").from(&["/usr/bin/tool"]);
    assert_reach(
        &found,
        &[&format!("{LIBRARY}/_sysconfigdata__linux_x.py")],
        &[&format!("{SHARED}/other.py")],
    );
    assert!(asks(&found, "which modules does __import__ in line 3"));
    assert!(!asks(&found, "sysconfig"), "{:#?}", found.questions);
}

#[test]
fn texts_and_comments_import_nothing() {
    let modules = |text: &str| -> Vec<String> {
        let found = scan(text).expect("it is read");
        found.imports.into_iter().map(|one| one.module).collect()
    };
    for text in [
        "'''\nimport a\n'''\nimport b",
        "x = 'it\\'s'; import b",
        "# import a\nimport b",
        "x = r'\\\\'; import b",
        "x = f'{y['z']}'; import b",
        "x = f'{y:'>3}{z!r:{w}}'; import b",
        "x = f'''{\ny\n}\nimport a\n'''\nimport b",
        "x = f'{{'; import b",
        "x = f'\\N{DIGIT ONE}'; import b",
        "x = {\n'import': 1,\n}\nimport b",
        "x = \\\n  1\nimport b",
        "x: int = 1\nyield_from = 2\nasync def f(): yield from a\nimport b",
        "raise E from a\nimport b",
        "x = 'not ended\nimport b",
        "\u{feff}import b",
        "lambda: a\nimport b",
    ] {
        assert_eq!(modules(text), ["b"], "{text:?}");
    }
}

#[test]
fn statements_say_what_they_import() {
    let found = scan("from ...a.b import (c as d,\n  e,)\nfrom .x import *\n").expect("it is read");
    let first = &found.imports[0];
    assert_eq!(
        (first.level, first.module.as_str(), first.line),
        (3, "a.b", 1)
    );
    assert_eq!(first.names, ["c", "e"]);
    assert!(found.imports[1].is_star);
    let found = scan("import_module(f'x{y}')\ndef __import__(name): pass\niter_modules(path)")
        .expect("it is read");
    assert_eq!(
        found.dynamic,
        [
            (1, Dynamic::Unknown("import_module")),
            (3, Dynamic::Unknown("iter_modules"))
        ]
    );
}

#[test]
fn what_is_imported_only_as_a_program_counts_only_in_programs() {
    let text =
        "import a\nif __name__ == '__main__':\n    import b\n\n    if x: import c\n# d\nimport e\n";
    let found = scan(text).expect("it is read");
    let main: Vec<&str> = found
        .imports
        .iter()
        .filter(|one| one.is_main)
        .map(|one| one.module.as_str())
        .collect();
    assert_eq!(main, ["b", "c"]);
    let script = "import other\nif __name__ == '__main__':\n    import os\n";
    let mut place = place(script);
    let other = "if __name__ == '__main__':\n    import email\n";
    place.tree.remove(&path(&format!("{SHARED}/other.py")));
    let place = place.text(&format!("{SHARED}/other.py"), other);
    let found = place.from(&["/usr/bin/tool"]);
    let package = format!("{LIBRARY}/email/__init__.py");
    assert_reach(&found, &[&format!("{LIBRARY}/os.py")], &[&package]);
    let found = place.from(&[&format!("/{SHARED}/other.py")]);
    assert_reach(&found, &[&package], &[]);
}
