//! Perl's modules.

use basalt_reach::perl::scan::{Wanted, scan};
use proptest::prelude::*;

use crate::support::{Place, asks, assert_reach};

const BASE: &str = "usr/lib/x86_64-linux-gnu/perl-base";
const ARCH: &str = "usr/lib/x86_64-linux-gnu/perl/5.40.1";
const SHARED: &str = "usr/share/perl/5.40.1";

fn place(script: &str) -> Place {
    Place::new()
        .script("usr/bin/tool", &format!("#!/usr/bin/perl -w\n{script}"))
        .script("usr/bin/perl", "no ELF here")
        .link("usr/lib/x86_64-linux-gnu/perl/5.40", "5.40.1")
        .link("usr/share/perl/5.40", "5.40.1")
        .text(&format!("{BASE}/strict.pm"), "package strict;\n1;\n")
        .text(&format!("{BASE}/List/Util.pm"), "require XSLoader;\n")
        .text(&format!("{BASE}/XSLoader.pm"), "1;\n")
        .text(&format!("{BASE}/auto/List/Util/Util.so"), "")
        .text(&format!("{ARCH}/List/Util.pm"), "")
        .text(&format!("{ARCH}/Encode.pm"), "use parent qw( Exporter );\n")
        .text(&format!("{ARCH}/auto/Encode/Encode.so"), "")
        .text(&format!("{ARCH}/auto/Encode/Byte/Byte.so"), "")
        .text(&format!("{SHARED}/Exporter.pm"), "no strict 'refs';\n")
        .text(&format!("{SHARED}/Other.pm"), "")
        .text("usr/share/perl5/Site/Part.pm", "")
        .text("usr/share/tool/more.pl", "use Other;\n")
}

#[test]
fn modules_are_followed_whatever_the_form_of_their_import() {
    let place = place(
        "use strict; use List::Util qw(sum);\nBEGIN { eval { require Site::Part } }\nif ($x) { require 'Other.pm' }\nopen my $f, '<:encoding(UTF-8)', $n;\n",
    );
    let found = place.from(&["/usr/bin/tool"]);
    assert_reach(
        &found,
        &[
            "usr/bin/perl",
            &format!("{BASE}/strict.pm"),
            &format!("{BASE}/List/Util.pm"),
            &format!("{BASE}/auto/List/Util/Util.so"),
            &format!("{BASE}/XSLoader.pm"),
            "usr/share/perl5/Site/Part.pm",
            "usr/share/perl/5.40",
            &format!("{SHARED}/Other.pm"),
            &format!("{ARCH}/Encode.pm"),
            &format!("{ARCH}/auto/Encode/Encode.so"),
            &format!("{SHARED}/Exporter.pm"),
        ],
        &[
            // Another one of this name comes first; another module's part.
            &format!("{ARCH}/List/Util.pm"),
            &format!("{ARCH}/auto/Encode/Byte/Byte.so"),
            "usr/share/tool/more.pl",
        ],
    );
    assert!(!asks(&found, "computed"));
}

#[test]
fn manuals_comments_and_data_import_nothing() {
    let place = place(
        "# use Other;\n=head1 NAME\n\nuse Other;\n\n=cut\nprint 1;\n$use Other;\n__END__\nuse Other;\n",
    );
    let found = place.from(&["/usr/bin/tool"]);
    assert_reach(&found, &["usr/bin/perl"], &[&format!("{SHARED}/Other.pm")]);
}

#[test]
fn a_file_by_its_path_is_followed() {
    let found = place("do '/usr/share/tool/more.pl';\n").from(&["/usr/bin/tool"]);
    let other = format!("{SHARED}/Other.pm");
    assert_reach(&found, &["usr/share/tool/more.pl", &other], &[]);
}

#[test]
fn a_name_that_is_computed_is_a_question() {
    for source in ["require $module;\n", "require \"$name.pm\";\n"] {
        let found = place(source).from(&["/usr/bin/tool"]);
        assert!(
            asks(&found, "which modules does line 2 require?"),
            "{source}"
        );
    }
}

#[test]
fn what_perl_takes_in_by_itself_is_followed() {
    let found = place("my @files = glob('*.c');\nopen my $f, '<', \\$text;\n")
        .text(&format!("{BASE}/File/Glob.pm"), "")
        .text(&format!("{BASE}/PerlIO/scalar.pm"), "")
        .from(&["/usr/bin/tool"]);
    let modules = ["File/Glob.pm", "PerlIO/scalar.pm"].map(|name| format!("{BASE}/{name}"));
    assert_reach(&found, &[&modules[0], &modules[1]], &[]);
}

#[test]
fn what_perls_own_modules_compute_is_known() {
    let found = place("use File::Spec;\n")
        .text(
            &format!("{BASE}/File/Spec.pm"),
            "require \"File/Spec/$module.pm\";\n",
        )
        .text(&format!("{BASE}/File/Spec/Unix.pm"), "")
        .from(&["/usr/bin/tool"]);
    assert_reach(&found, &[&format!("{BASE}/File/Spec/Unix.pm")], &[]);
    assert!(!asks(&found, "computed"));
}

proptest! {
    #[test]
    fn any_source_is_read(text in "[userquidno v5.:;(){}'\"$=#\\\\\n+a-zA\u{e4}]{0,300}") {
        let _ = scan(&text);
    }

    #[test]
    fn an_import_that_begins_a_line_is_seen(lines in proptest::collection::vec("[a-z ;$(){}'\"]{0,20}", 0..8)) {
        let text = format!("{}\nuse Wanted::One;\n", lines.join("\n"));
        let wanted = Wanted::Module("Wanted::One".to_owned());
        prop_assert!(scan(&text).imports.iter().any(|one| one.wanted == wanted && one.certain));
    }
}
