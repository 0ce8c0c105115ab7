//! Commands that leave nothing behind in an image.

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

/// Whether a word makes this program do no more than read.
pub(super) fn only_reads(name: &str, word: &str) -> bool {
    match name {
        "sed" => {
            !(word.starts_with("-i")
                || word.starts_with("--in-place")
                || word.starts_with("-n") && word.contains('i'))
                && !(word.starts_with('-')
                    && word.len() > 1
                    && !matches!(
                        word,
                        "-n" | "-e" | "-E" | "-r" | "-ne" | "-nE" | "-nr" | "--"
                    ))
                && !word.contains([';', '\n', 'w', 'W'])
                && !word.ends_with('e')
                || word.starts_with('/') && !word.contains(['*', ' '])
        }
        "sort" => !word.starts_with("-o") && !word.starts_with("--o"),
        "find" => !matches!(
            word,
            "-delete"
                | "-exec"
                | "-execdir"
                | "-ok"
                | "-okdir"
                | "-fprint"
                | "-fprint0"
                | "-fprintf"
                | "-fls"
        ),
        _ => !word.contains(['>', '|']) && !word.contains("system") && !word.starts_with("-i"),
    }
}
