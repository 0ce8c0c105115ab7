//! Scripts made to exhaust who follows them: each is unexplained at once, and takes little memory.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use basalt_effects::{Explanation, Meaning, Verdict};
use proptest::prelude::*;

/// How long a hostile script may keep a processor busy, in a build for tests; it takes a tenth as a rule.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The stack that a thread has unless told otherwise.
const STACK: usize = 2 << 20;

/// Explains a script in a thread of its own; how long it took.
fn explained(members: &[(&str, Vec<u8>)]) -> (Explanation, Duration) {
    let members: BTreeMap<String, Vec<u8>> = members
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), bytes.clone()))
        .collect();
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            let before = busy();
            let explanation = support::explained(&members, None);
            (explanation, busy() - before)
        })
        .expect("a thread")
        .join()
        .expect("it neither panics nor runs out of its stack")
}

/// How long this thread has been on a processor: other tests do not count.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

fn script(body: &str) -> Vec<u8> {
    format!("#!/bin/sh\nset -e\n{body}\n").into_bytes()
}

/// A script that passes a limit: unexplained, with one line that says which, and at once.
fn refused(name: &str, body: &str, why: &str) {
    let (explanation, took) = explained(&[("postinst", script(body))]);
    let report = &explanation.scripts[0];
    assert_eq!(report.verdict, Verdict::Unexplained, "{name}");
    assert_eq!(report.lines.len(), 1, "{name}: {:?}", report.lines);
    let Meaning::Unknown(said) = &report.lines[0].meaning else {
        panic!("{name}: {:?}", report.lines[0]);
    };
    assert!(said.contains(why), "{name}: {said}");
    assert_eq!(explanation.effects, [], "{name}: it was cut short");
    assert!(took < AT_ONCE, "{name}: it took {took:?}");
}

/// A script that is long or strange, but may be followed: it ends at once, however.
fn ends(name: &str, body: &str) -> Explanation {
    let (explanation, took) = explained(&[("postinst", script(body))]);
    let _ = explanation
        .unexplained()
        .map(|unexplained| unexplained.to_string());
    assert!(took < AT_ONCE, "{name}: it took {took:?}");
    explanation
}

fn numbers(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = write!(text, " {number}");
        text
    })
}

#[test]
fn a_value_that_doubles_is_not_followed() {
    let why = "a value becomes longer than 256 KiB";
    refused("doubled", &format!("a=x\n{}", "a=$a$a\n".repeat(30)), why);
    refused(
        "quoted",
        &format!("a=x\n{}", "a=\"$a$a\"\n".repeat(30)),
        why,
    );
    refused(
        "by default",
        &format!("a=x\n{}", "a=${b:-$a$a}\n".repeat(30)),
        why,
    );
    refused(
        "by function",
        &format!("a=x\nf() {{ a=$a$a; }}\n{}", "f\n".repeat(30)),
        why,
    );
    refused(
        "in a loop",
        &format!("a=x\nfor i in{}; do a=$a$a; done", numbers(40)),
        why,
    );
    refused(
        "by substitution",
        &format!("a=x\n{}", "a=$(echo \"$a$a\")\n".repeat(30)),
        why,
    );
    refused(
        "by here-document",
        &format!("a=x\n{}", "a=$(cat <<E\n$a$a\nE\n)\n".repeat(30)),
        why,
    );
    refused(
        "by arguments",
        &format!("set -- x\n{}", "set -- \"$*$*\"\n".repeat(30)),
        why,
    );
    refused(
        "by printf",
        &format!("a=x\n{}", "a=$(printf '%s%s' \"$a\" \"$a\")\n".repeat(30)),
        why,
    );
    refused(
        "in a file",
        &format!(
            "rm -f /etc/x\necho x > /etc/x\na=x\n{}for i in{}; do echo \"$a\" >> /etc/x; done",
            "a=$a$a\n".repeat(15),
            numbers(20)
        ),
        why,
    );
}

#[test]
fn words_that_multiply_are_not_followed() {
    let why = "words expand to more than 10,000";
    refused(
        "unquoted",
        &format!(
            "a=\"x x\"\n{}for i in $a; do :; done",
            "a=\"$a $a\"\n".repeat(14)
        ),
        why,
    );
    refused(
        "arguments",
        &format!("set -- x x\n{}", "set -- \"$@\" \"$@\"\n".repeat(14)),
        why,
    );
    let many = "\"$a\" ".repeat(9000);
    refused(
        "long ones",
        &format!("a=x\n{}: {many}", "a=$a$a\n".repeat(16)),
        "more work",
    );
}

#[test]
fn commands_that_multiply_are_not_followed() {
    let turns = numbers(330);
    refused(
        "directories in loops",
        &format!("for a in{turns}; do for b in{turns}; do mkdir -p /srv/$a/$b; done; done"),
        "leaves more than 10,000 things",
    );
    refused(
        "nothing in loops",
        &format!("for a in{turns}; do for b in{turns}; do :; done; done"),
        "more commands than the 20,000",
    );
    refused(
        "functions that call each other twice",
        "f() { g; g; }\ng() { h; h; }\nh() { i; i; }\ni() { j; j; }\nj() { k; k; }\nk() { l; l; }\n\
         l() { m; m; }\nm() { n; n; }\nn() { o; o; }\no() { p; p; }\np() { q; q; }\nq() { r; r; }\n\
         r() { s; s; }\ns() { t; t; }\nt() { u; u; }\nu() { :; }\nf",
        "more commands than the 20,000",
    );
    refused(
        "both sides of a branch",
        "f() { if [ -e /srv/a$1 ]; then f ${1}0; else f ${1}1; fi; }\nf x",
        "more work",
    );
    refused(
        "substitutions",
        "f() { x=$(f $1 a); y=$(f $1 b); z=$x$y; }\nf",
        "more commands than the 20,000",
    );
    let body: String = (0..12_000).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "touch /srv/{number}");
        text
    });
    refused("one a line", &body, "too many parts");
    refused(
        "members of groups",
        &format!("adduser --quiet mail {}", vec!["g"; 20_000].join(",")),
        "leaves more than 10,000 things",
    );
    refused(
        "members of more groups",
        &format!("usermod -a -G {} mail", vec!["g"; 20_000].join(",")),
        "leaves more than 10,000 things",
    );
}

#[test]
fn what_is_known_does_not_multiply_with_branches() {
    let variables: String = (0..5000).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "v{number}=x");
        text
    });
    let branches: String = (0..2000).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "if [ -e /srv/{number} ]; then a=1; else a=2; fi");
        text
    });
    refused("branches", &format!("{variables}{branches}"), "more work");
    refused(
        "subshells",
        &format!("{variables}{}", "(:)\n".repeat(2000)),
        "more work",
    );
    refused(
        "pipes",
        &format!("{variables}{}", ": | :\n".repeat(2000)),
        "more work",
    );
    refused(
        "loops",
        &format!("{variables}{}", "while read x; do :; done\n".repeat(2000)),
        "more work",
    );
    let exits: String = (0..2000).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "if [ -e /srv/{number} ]; then exit 0; fi");
        text
    });
    refused("exits", &exits, "more than 48 branches are open");
}

#[test]
fn what_nests_deeply_takes_no_more_stack_than_a_thread_has() {
    ends("and", &format!("{}true", "true && ".repeat(90_000)));
    ends("or", &format!("{}true", "false || ".repeat(60_000)));
    ends(
        "questions",
        &format!("{}true", "[ -e /srv/x ] && ".repeat(20_000)),
    );
    let questions: String = (0..15_000).fold(String::new(), |mut text, number| {
        let _ = write!(text, "[ -e /srv/{number} ] && ");
        text
    });
    ends("other questions", &format!("{questions}true"));
    ends(
        "otherwise",
        &format!(
            "if false; then :; {} fi",
            "elif false; then :; ".repeat(30_000)
        ),
    );
    refused(
        "otherwise, unknown",
        &format!(
            "if grep a /x; then :; {} fi",
            "elif grep a /x; then :; ".repeat(10_000)
        ),
        "deeper",
    );
    ends(
        "arms",
        &format!("case x in {} esac", "y) : ;; ".repeat(30_000)),
    );
    refused(
        "arms, unknown",
        &format!("case $(hostname) in {} esac", "y) : ;; ".repeat(10_000)),
        "deeper",
    );
    ends("not", &format!("[ {} -e /x ]", "! ".repeat(60_000)));
    ends(
        "brackets",
        &format!("[ -e /x {} ]", "-o -e /x ".repeat(40_000)),
    );
    for (name, body) in [
        (
            "functions",
            "f() { { ( { ( { ( { f; } ) } ) } ) } }\nf".to_owned(),
        ),
        (
            "functions in words",
            format!(
                "f() {{ x={}$(f){}; }}\nf",
                "${a:-".repeat(20),
                "}".repeat(20)
            ),
        ),
    ] {
        refused(name, &body, "deeper");
    }
}

#[test]
fn patterns_take_no_more_than_their_length_by_that_of_the_text() {
    let stars = "*a".repeat(200);
    let text = "a".repeat(500);
    refused(
        "case",
        &format!(
            "a={text}\n{}",
            format!("case $a in {stars}b) : ;; esac\n").repeat(200)
        ),
        "more work",
    );
    refused(
        "suffixes",
        &format!("a={text}\n{}", format!("b=${{a%%{stars}b}}\n").repeat(200)),
        "more work",
    );
    refused(
        "prefixes",
        &format!("a={text}\n{}", format!("b=${{a##{stars}b}}\n").repeat(200)),
        "more work",
    );
    ends(
        "sed",
        &format!("x=$(sed '{}' /etc/passwd)", "s/a/b/;".repeat(60_000)),
    );
    ends("test", &format!("[ {} = 1 ]", "1".repeat(200_000)));
    ends("path", &format!("[ -e {} ]", "/a".repeat(100_000)));
    ends("echo", &format!("echo {}", "{1..9}".repeat(50_000)));
    ends("seq", "for i in $(seq 1 100000000); do :; done");
    ends("printf", "x=$(printf '%0100000000d' 1)");
    ends(
        "arithmetic",
        "i=0; while [ $i -lt 100000000 ]; do i=$((i+1)); done",
    );
}

#[test]
fn what_stands_beside_scripts_is_bounded_too() {
    let triggers = |count: usize| b"interest-noawait ldconfig\n".repeat(count);
    let (explanation, took) = explained(&[("triggers", triggers(2_000_000))]);
    assert!(took < AT_ONCE, "triggers: {took:?}");
    assert!(explanation.unexplained().is_some());
    let (explanation, _) = explained(&[("triggers", triggers(9_000))]);
    assert!(explanation.unexplained().is_none(), "{explanation}");
    // A trigger after the last that is read is not passed over.
    let mut many = b"activate-noawait x\n".repeat(20_000);
    many.extend_from_slice(b"interest /usr/share/evil\n");
    let (explanation, _) = explained(&[("triggers", many)]);
    assert!(explanation.unexplained().is_some());

    let long = [script(":"), b"\n".repeat(40 << 20)].concat();
    let (explanation, took) = explained(&[("postinst", long)]);
    assert!(took < AT_ONCE, "long: {took:?}");
    assert!(explanation.unexplained().is_some());

    let snippet = "# Automatically added by dh_x/1\n:\n# End automatically added section\n";
    ends("snippets", &snippet.repeat(14_000));
    let conffiles: Vec<u8> = (0..200_000).fold(Vec::new(), |mut text, number: u32| {
        text.extend_from_slice(format!("/etc/{number}\n").as_bytes());
        text
    });
    let touch: String = (0..5000).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "touch /srv/{number}");
        text
    });
    let (_, took) = explained(&[("conffiles", conffiles), ("preinst", script(&touch))]);
    assert!(took < 3 * AT_ONCE, "conffiles: {took:?}");
    let templates = b"Template: a/b\nType: string\nDefault: x\n\n".repeat(200_000);
    let (_, took) = explained(&[("templates", templates), ("postinst", script(":"))]);
    assert!(took < AT_ONCE, "templates: {took:?}");
}

#[test]
fn a_long_script_of_an_honest_package_is_still_followed() {
    let body: String = (0..200).fold(String::new(), |mut text, number| {
        let _ = writeln!(
            text,
            "if [ ! -d /srv/{number} ]; then\n  mkdir -p /srv/{number}\n  chown mail:mail /srv/{number}\nfi"
        );
        text
    });
    let (explanation, took) = explained(&[("postinst", script(&body))]);
    assert!(explanation.unexplained().is_none(), "{explanation}");
    assert_eq!(explanation.effects.len(), 200);
    assert!(took < AT_ONCE, "{took:?}");
}

/// A piece of shell that makes more of what is there, or asks what is not known.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a=$a$a".to_owned()),
        Just("a=\"$a $b\"; b=$a".to_owned()),
        Just("set -- \"$@\" $a \"$@\"".to_owned()),
        Just("f".to_owned()),
        Just("g $a".to_owned()),
        Just("mkdir -p /srv/$a".to_owned()),
        Just("for i in $a $@; do b=$b$i; f; done".to_owned()),
        Just("while read x; do a=$x$a; g; done".to_owned()),
        Just("if [ -e /srv/$a ]; then f; else g; fi".to_owned()),
        Just("if grep x /y; then a=1$a; else exit 0; fi".to_owned()),
        Just("[ -e /x$a ] && b=$b$b || g".to_owned()),
        Just("case $a in *x*x*x*) f ;; *) g ;; esac".to_owned()),
        Just("a=${a%%*x*x}$(f)${b##*x*}".to_owned()),
        Just("echo $a$b >> /srv/file".to_owned()),
        Just("( g ) | f".to_owned()),
        Just("cat > /srv/other <<E\n$a$b$(g)\nE".to_owned()),
        Just("adduser --system $a".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_script_takes_long(
        once in proptest::collection::vec(piece(), 1..12),
        f in proptest::collection::vec(piece(), 1..6),
        g in proptest::collection::vec(piece(), 1..6),
        repeated in 1..40_usize,
    ) {
        let body = format!(
            "a=x; b=y\nf() {{\n{}\n}}\ng() {{\n{}\n}}\n{}",
            f.join("\n"),
            g.join("\n"),
            format!("{}\n", once.join("\n")).repeat(repeated),
        );
        let (explanation, took) = explained(&[("postinst", script(&body))]);
        prop_assert!(took < AT_ONCE, "{took:?}: {body}");
        prop_assert!(explanation.effects.len() <= 10_000);
    }
}

#[test]
fn loops_that_are_followed_turn_by_turn_end_at_once() {
    let lines = |count: usize| format!("EOF\n{}EOF", "/x\n".repeat(count));
    let body = |count: usize| format!("while read -r a; do :; done <<{}", lines(count));
    // Few are read one by one, many are not; both leave nothing.
    for count in [900, 1100] {
        let explanation = ends("lines", &body(count));
        assert!(
            explanation.unexplained().is_none(),
            "{count}: {explanation}"
        );
    }
    // Each line that is taken leaves a rest to be copied.
    refused(
        "many lines",
        &body(60_000),
        "more work than is spent on one",
    );
    let nested = |inner: &str| {
        format!(
            "while read -r a; do\n{inner}\ndone <<EOF\n{}EOF",
            "/x\n".repeat(900)
        )
    };
    let loops = nested(&nested("mkdir -p /y"));
    refused("loops in loops", &loops, "more work than is spent on one");
    let doubles = "x=aaaaaaaa; while :; do x=$x$x; done";
    refused("a value that doubles", doubles, "longer than 256 KiB");
    let endless = ends("endless", "while :; do mkdir -p /x; done");
    assert_eq!(endless.scripts[0].verdict, Verdict::Unexplained);
}
