//! What the parser promises, on small scripts and on any text at all.

use basalt_shell::{Kind, Operation, Piece, Problem, Script, parse};
use proptest::prelude::*;

fn parsed(text: &str) -> Script {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The tree without the numbers of lines, each here-document in its place.
fn shape(script: &Script) -> String {
    let mut shape = without_lines(&format!("{:?}", script.list));
    // Documents name documents that begin after them.
    for (place, document) in script.documents.iter().enumerate() {
        let body = without_lines(&format!("{:?}", document.body));
        shape = shape.replace(
            &format!("Document({place})"),
            &format!("Text({}, {body})", document.quoted),
        );
    }
    shape
}

fn without_lines(text: &str) -> String {
    let mut parts = text.split("Lines { first: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shape, part| {
        shape + part.split_once('}').map_or("", |(_, rest)| rest)
    })
}

fn prints_the_same(text: &str) {
    let script = parsed(text);
    let printed = script.to_string();
    let again = parse(&printed).unwrap_or_else(|error| panic!("{error}\n{text}\n{printed}"));
    assert_eq!(again.to_string(), printed, "{text}");
    assert_eq!(shape(&again), shape(&script), "{text}\n{printed}");
}

const SCRIPTS: &[&str] = &[
    "",
    "#!/bin/sh\n# only a remark",
    "set -e\ntrue",
    "case \"$1\" in\n configure|reconfigure) a ;;\n (b) ;;\n *) echo \"unknown \\`$1'\" >&2; exit 1\nesac",
    "case x in a) b;; esac",
    "if [ -z \"$2\" ]; then a; elif b && ! c || d; then e; else f; fi >/dev/null 2>&1",
    "for x in a b \"$@\"; do c; done; for y; do d; done\nfor z\ndo e\ndone",
    "while read -r a b; do c; done <<EOF\n$x ${y:-z} `w` \\$ \"q\" 'r'\nEOF\n",
    "cat <<-'E' > f; cat <<F\n\t$x\n\tE\ny\nF\n",
    "x=1 y= z=\"a b\" cmd ${a%%.*} ${b##*/} ${#c} ${d:=e} ${f+g} ${h?i} $(( 1 + (2) ))",
    "f() { local x; x=$(dirname \"$1\"); return 0; }\nfunction g { a; }\nh () ( b )",
    "a | b | c & d; (e; f) || { g; }",
    "echo \\\n  word \\\n  \"con\\\ntinued\"",
    "echo `basename \\`pwd\\`` \"`echo \\\"x\\\"`\"",
    "x=$(cat <<E\n$(a)\nE\n)\n",
    "$( (a) ) $$ $? $! $# $- $* $@ $0 $12 a$ \"$\" $\\a",
    "[[ -n $x && $y == z* ]] && a",
    "echo a#b '#c' \"d\"#e # f",
    "x='it'\\''s'",
    "until a; do b; done",
    ">f",
    "a 2>&1 >&2 3<&- <>g >|h",
    ">f <<A a b $(c)\nA\nx=1 if >g",
    "a $(b <<B\nx\nB\n) <<A\ny\nA\n",
    "a <<A\nx\\\\\\\n\nA\na <<A\nx\\\\\nA\n",
    "a <<A &&\nx\nA\nb $(c <<B | d\ny\nB\n)",
    "a <<A |\nx\nA\nb `c <<B\ny\nB` <<C <<-D\n$(e <<F\nz\nEOF\nF\n)\nC\n\tD\n",
];

#[test]
fn prints_what_parses_to_the_same_tree() {
    for text in SCRIPTS {
        prints_the_same(text);
    }
}

#[test]
fn every_command_knows_its_lines() {
    let script = parsed("a\n\nif b; then\n  c \\\n    d\nfi\ncat <<E\nx\nE\ne");
    let lines: Vec<(usize, usize)> = script
        .list
        .items
        .iter()
        .map(|item| &item.and_or.first.commands[0].lines)
        .map(|lines| (lines.first, lines.last))
        .collect();
    assert_eq!(lines, [(1, 1), (3, 6), (7, 7), (10, 10)]);
    let Kind::If { branches, .. } = &script.list.items[1].and_or.first.commands[0].kind else {
        panic!("an if");
    };
    let body = &branches[0].body.items[0].and_or.first.commands[0];
    assert_eq!((body.lines.first, body.lines.last), (4, 5));
    assert_eq!(
        (
            script.documents[0].lines.first,
            script.documents[0].lines.last
        ),
        (8, 9)
    );
}

#[test]
fn commands_in_backquotes_and_documents_keep_their_lines() {
    let script = parsed("a\nb `c\nd`\ncat <<E\nx\n$(f)\nE\n");
    let Kind::Simple { words, .. } = &script.list.items[1].and_or.first.commands[0].kind else {
        panic!("a simple command");
    };
    let Piece::Command(list) = &words[1].pieces[0] else {
        panic!("a substitution");
    };
    assert_eq!(list.items[1].and_or.first.commands[0].lines.first, 3);
    let Piece::Command(list) = &script.documents[0].body[1] else {
        panic!("a substitution");
    };
    assert_eq!(list.items[0].and_or.first.commands[0].lines.first, 6);
}

#[test]
fn quotes_in_words_are_told_apart() {
    let script = parsed("a*'b'\"c$d\"\\e");
    let Kind::Simple { words, .. } = &script.list.items[0].and_or.first.commands[0].kind else {
        panic!("a simple command");
    };
    let [
        Piece::Text(bare),
        Piece::Quoted(single),
        Piece::Double(inner),
        Piece::Quoted(escaped),
    ] = words[0].pieces.as_slice()
    else {
        panic!("{words:?}");
    };
    assert_eq!(
        (bare.as_str(), single.as_str(), escaped.as_str()),
        ("a*", "b", "e")
    );
    assert!(
        matches!(&inner[1], Piece::Parameter(p) if p.name == "d" && p.operation == Operation::Value)
    );
}

#[test]
fn refuses_what_it_does_not_know_and_names_the_line() {
    for (text, line) in [
        ("a\nb=(c d)", 2),
        ("if a; then\nb\n", 3),
        ("a\n)", 2),
        ("fi", 1),
        ("echo \"a", 1),
        ("cat <<E\nx\n", 3),
        ("diff <(a) b", 1),
        ("echo ${x/a/b}", 1),
        ("echo ${x[0]}", 1),
        ("echo $'a'", 1),
        ("case a in\nb) c\n", 3),
        ("f() echo", 1),
        ("a |& b", 1),
        ("((x = 1))", 1),
        ("echo \"${x:-'y'}\"", 1),
        ("if ; then a; fi", 1),
        ("a && ", 1),
        ("a\n\0", 2),
        ("cat <<E $(a\nb)\nE\n", 2),
        ("cat <<E `a\nb`\nE\n", 2),
        ("cat <<E\nx\\\nE\nE\n", 4),
        ("<<E if", 1),
    ] {
        match parse(text) {
            Err(error) => assert_eq!(error.line, line, "{text}: {error}"),
            Ok(script) => panic!("{text}: {script}"),
        }
    }
}

#[test]
fn refuses_to_nest_without_end() {
    for (open, close) in [
        ("$(", ")"),
        ("{ ", "; }"),
        ("if a; then ", "; fi"),
        ("${x:-", "}"),
        ("(", ")"),
    ] {
        let text = format!("echo; {}a{}", open.repeat(5000), close.repeat(5000));
        assert!(parse(&text).is_err(), "{open}");
        let fits = format!("{}a{}", open.repeat(4), close.repeat(4));
        if open != "(" {
            parsed(&fits);
        }
    }
    let quotes = "\"$(".repeat(3000);
    assert_eq!(
        parse(&quotes).expect_err("refused").problem,
        Problem::TooDeep
    );
    assert_eq!(
        parse(&"a;".repeat(600_000)).expect_err("refused").problem,
        Problem::TooLong
    );
    assert_eq!(
        parse(&"a;".repeat(300_000)).expect_err("refused").problem,
        Problem::TooManyParts
    );
}

fn fragment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "if ", "a", "; ", "then ", "fi", "\n", "else ", "case ", " in ", "x)", ";;", "esac",
        "for ", "do ", "done", "while ", "{ ", "}", "( ", ")", "$(", "`", "\"", "'", "${x", ":-",
        "}", "$x", "<<E", "E\n", "\nE\n", "<<-'E'", ">f", "2>&1", " | ", " && ", " || ", "! ", "#",
        "\\", "\\\n", " ", "\t", "x=", "é", "f() ", "&", "$((1))", "[[ ", " ]]", "$", "*", "%",
        "~", "\r",
    ])
}

/// More than the default, unless the environment says how many.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(2000),
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_parses_prints_what_parses_the_same(fragments in prop::collection::vec(fragment(), 0..24)) {
        let text = fragments.concat();
        if parse(&text).is_ok() {
            prints_the_same(&text);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        if parse(&text).is_ok() {
            prints_the_same(&text);
        }
    }
}
