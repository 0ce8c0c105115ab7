//! Tables that libraries read by names of their own.

use basalt_reach::{Reach, Wish};

use crate::elf::{DIRECTORY, Objects};
use crate::support::{Place, asks, assert_reach, path, roots_of};

/// A program that calls these functions, with a library that has them.
fn calls(functions: &[&str], more: &str) -> Place {
    let objects = Objects::new();
    let library: String = functions
        .iter()
        .map(|name| format!("int {name}(void) {{ return 1; }}\n"))
        .collect();
    let calls: String = functions
        .iter()
        .map(|name| format!("{name}() + "))
        .collect();
    let declared: String = functions
        .iter()
        .map(|name| format!("int {name}(void);\n"))
        .collect();
    let library = objects.library("libexample.so.1", &library, &[]);
    let source = format!("{declared}{more}\nint _start(void) {{ return {calls} 0; }}");
    let program = objects.program(&source, &["./libexample.so.1"]);
    objects
        .place()
        .file("usr/bin/program", program, 0o755)
        .file(&format!("{DIRECTORY}/libexample.so.1"), library, 0o644)
}

fn found(place: &Place) -> Reach {
    place.from(&["/usr/bin/program"])
}

#[test]
fn look_ups_of_names_reach_what_nsswitch_names() {
    let objects = Objects::new();
    let module = |name: &str| objects.library(name, "int module;", &[]);
    let with = |place: Place| {
        place
            .text(
                "etc/nsswitch.conf",
                "# files\npasswd: files systemd\nhosts: files [NOTFOUND=return] dns mymachines\n",
            )
            .text("etc/services", "https 443/tcp\n")
            .file(
                &format!("{DIRECTORY}/libnss_systemd.so.2"),
                module("libnss_systemd.so.2"),
                0o644,
            )
            .file(
                &format!("{DIRECTORY}/libnss_mymachines.so.2"),
                module("libnss_mymachines.so.2"),
                0o644,
            )
            .file(
                &format!("{DIRECTORY}/libnss_return.so.2"),
                module("libnss_return.so.2"),
                0o644,
            )
    };
    let systemd = format!("{DIRECTORY}/libnss_systemd.so.2");
    let machines = format!("{DIRECTORY}/libnss_mymachines.so.2");
    let other = format!("{DIRECTORY}/libnss_return.so.2");
    let place = with(calls(&["getaddrinfo"], ""));
    assert_reach(
        &found(&place),
        &["etc/nsswitch.conf", "etc/services", &systemd, &machines],
        &[&other],
    );
    let place = with(calls(&["nothing"], ""));
    assert_reach(&found(&place), &[], &["etc/nsswitch.conf", &systemd]);
}

#[test]
fn character_sets_that_are_named_are_reached_and_the_others_asked_about() {
    let gconv = |name: &str| format!("{DIRECTORY}/gconv/{name}");
    let tables = "alias LATIN2// ISO-8859-2//\nmodule ISO-8859-2// INTERNAL ISO8859-2 1\nmodule INTERNAL ISO-8859-2// ISO8859-2 1\nmodule BIG5// INTERNAL BIG5 1\n";
    let more = "const char *const sets[] = { \"latin2\", \"INTERNAL\" };";
    let place = calls(&["iconv_open"], more)
        .text(&gconv("gconv-modules"), tables)
        .text(&gconv("gconv-modules.cache"), "cache")
        .text(&gconv("ISO8859-2.so"), "")
        .text(&gconv("BIG5.so"), "");
    let found = found(&place);
    assert_reach(
        &found,
        &[
            &gconv("gconv-modules"),
            &gconv("gconv-modules.cache"),
            &gconv("ISO8859-2.so"),
        ],
        &[&gconv("BIG5.so")],
    );
    assert!(asks(&found, "which character sets does it convert?"));
}

#[test]
fn a_program_that_asks_for_a_locale_has_that_of_utf_8() {
    let locale = "usr/lib/locale/C.utf8/LC_CTYPE";
    assert_reach(
        &found(&calls(&["setlocale"], "").text(locale, "")),
        &[locale],
        &[],
    );
    assert_reach(
        &found(&calls(&["nothing"], "").text(locale, "")),
        &[],
        &[locale],
    );
}

#[test]
fn tls_reaches_the_authorities_and_the_modules_that_are_configured() {
    let objects = Objects::new();
    let module = |name: &str| format!("{DIRECTORY}/ossl-modules/{name}.so");
    let place = |configuration: &str| {
        Place::new()
            .file(
                &format!("{DIRECTORY}/libcrypto.so.3"),
                objects.library("libcrypto.so.3", "int c;", &[]),
                0o644,
            )
            .file(
                &format!("{DIRECTORY}/libssl.so.3"),
                objects.library("libssl.so.3", "int s;", &[]),
                0o644,
            )
            .text("etc/ssl/openssl.cnf", configuration)
            .text(&module("legacy"), "")
            .text("usr/share/ca-certificates/one.crt", "")
            .link(
                "etc/ssl/certs/one.pem",
                "/usr/share/ca-certificates/one.crt",
            )
    };
    let roots = [
        format!("/{DIRECTORY}/libcrypto.so.3"),
        format!("/{DIRECTORY}/libssl.so.3"),
    ];
    let plain = place("[provider_sect]\ndefault = default_sect\n# legacy\n");
    let found = plain.from(&[&roots[0], &roots[1]]);
    assert_reach(
        &found,
        &[
            "etc/ssl/openssl.cnf",
            "etc/ssl/certs/one.pem",
            "usr/share/ca-certificates/one.crt",
        ],
        &[&module("legacy")],
    );
    assert!(
        asks(&found, "legacy.so loaded by a program?"),
        "{:#?}",
        found.questions
    );
    let configured = place("[provider_sect]\nlegacy = legacy_sect\n");
    assert_reach(
        &configured.from(&[&roots[0]]),
        &[&module("legacy")],
        &["etc/ssl/certs/one.pem"],
    );
}

#[test]
fn a_library_that_is_missing_stops_only_what_is_certain_to_be_used() {
    let objects = Objects::new();
    objects.library("libgone.so.1", "int gone(void) { return 1; }", &[]);
    let broken = objects.library(
        "libperhaps.so.1",
        "int gone(void); int perhaps(void) { return gone(); }",
        &["./libgone.so.1"],
    );
    let place = calls(
        &["nothing"],
        "const char *const name = \"libperhaps.so.1\";",
    )
    .file(&format!("{DIRECTORY}/libperhaps.so.1"), broken, 0o644);
    let found = found(&place);
    assert_reach(&found, &[&format!("{DIRECTORY}/libperhaps.so.1")], &[]);
    assert!(!found.reached[&path(&format!("{DIRECTORY}/libperhaps.so.1"))].certain);
    assert!(
        asks(&found, "needs the library libgone.so.1"),
        "{:#?}",
        found.questions
    );
    let wish: Wish = roots_of(&[&format!("/{DIRECTORY}/libperhaps.so.1")]);
    assert!(place.reach(&wish).is_err(), "as a root it is certain");
}
