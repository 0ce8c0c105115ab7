//! Commands that leave nothing behind in an image.

use super::sed;

/// Commands that leave nothing in an image, and why.
pub(super) const HARMLESS: &[(&str, &str)] = &[
    (
        "deb-systemd-invoke",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "systemctl",
        "talks to systemd: it does not run while an image is built",
    ),
    (
        "invoke-rc.d",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "service",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "start-stop-daemon",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "kill",
        "ends a process: nothing runs while an image is built",
    ),
    (
        "pkill",
        "ends a process: nothing runs while an image is built",
    ),
    (
        "killall",
        "ends a process: nothing runs while an image is built",
    ),
    (
        "udevadm",
        "talks to udev: it does not run while an image is built",
    ),
    (
        "apparmor_parser",
        "loads a profile into the kernel: the host's",
    ),
    ("aa-enabled", "asks the kernel: the host's"),
    ("modprobe", "loads a module of the kernel: the host's"),
    (
        "update-rc.d",
        "boot links: a container starts no init scripts",
    ),
    (
        "deb-systemd-helper",
        "enables a unit: a container starts no units",
    ),
    (
        "dpkg-maintscript-helper",
        "moves conffiles of older versions: there is none",
    ),
    (
        "py3compile",
        "byte-code: not made, so that the image is reproducible",
    ),
    (
        "pypy3compile",
        "byte-code: not made, so that the image is reproducible",
    ),
    ("py3clean", "byte-code: there is none"),
    ("pypy3clean", "byte-code: there is none"),
    ("update-menus", "desktop menus: a cache"),
    ("update-icon-caches", "icons: a cache"),
    ("gtk-update-icon-cache", "icons: a cache"),
    ("update-desktop-database", "types of desktop files: a cache"),
    ("fc-cache", "fonts: a cache"),
    ("install-info", "the index of info pages: a cache"),
    ("mandb", "the index of manual pages: a cache"),
    ("journalctl", "the journal's catalogue: a cache"),
    ("systemd-hwdb", "the hardware database: a cache"),
    (
        "dpkg-trigger",
        "a trigger: done by the package that is interested",
    ),
    (
        "/usr/lib/runit-helper/runit-helper",
        "enables a service of runit: a container starts none",
    ),
    ("sleep", "waits"),
    ("sync", "waits"),
];

/// Commands that only read and say what they read.
pub(super) const READERS: &[&str] = &[
    "cat",
    "grep",
    "egrep",
    "fgrep",
    "zgrep",
    "cut",
    "head",
    "tail",
    "uniq",
    "tr",
    "wc",
    "ls",
    "stat",
    "readlink",
    "realpath",
    "uname",
    "hostname",
    "date",
    "cmp",
    "diff",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "file",
    "expr",
    "seq",
    "pidof",
    "pgrep",
    "ps",
    "tty",
    "nproc",
    "getconf",
    "du",
    "df",
    "dpkg-query",
    "whoami",
    "arch",
    "rev",
    "tac",
    "mountpoint",
    "findmnt",
    "od",
    "locale",
    "systemd-detect-virt",
    "ischroot",
    "runlevel",
    "ucfq",
    "debconf-show",
    "logger",
];

/// Whether a program that could write or run something does neither, called so.
pub(super) fn only_reads(name: &str, words: &[String]) -> bool {
    match name {
        "sed" => sed::only_reads(words),
        "sort" => words.iter().all(|word| {
            let letters = word.strip_prefix('-').unwrap_or_default();
            letters
                .chars()
                .all(|letter| letter.is_ascii_digit() || "bdfghiknrstuVzc.,:;".contains(letter))
        }),
        "find" => !words.iter().any(|word| {
            let action = word.trim_start_matches('-');
            word.starts_with('-')
                && ["delete", "exec", "ok", "fprint", "fls"]
                    .iter()
                    .any(|start| action.starts_with(start))
        }),
        "uniq" => operands(words) <= 1,
        "hostname" => operands(words) == 0,
        "date" => words
            .iter()
            .all(|word| word.starts_with('+') || matches!(word.as_str(), "-u" | "-R" | "-I")),
        "file" => !words.iter().any(|word| {
            word.starts_with("-") && !word.starts_with("--") && word.contains('C')
                || word.starts_with("--c")
        }),
        // awk: no output but to the standard output, no program of its own, nothing loaded.
        "awk" | "mawk" | "gawk" => !words.iter().any(|word| {
            let option =
                word.starts_with('-') && !word.starts_with("-F") && !word.starts_with("-v");
            option || word.contains(['>', '|', '@']) || word.contains("system")
        }),
        _ => true,
    }
}

fn operands(words: &[String]) -> usize {
    words
        .iter()
        .filter(|word| !word.starts_with('-') || matches!(word.as_str(), "-" | "--"))
        .count()
}
