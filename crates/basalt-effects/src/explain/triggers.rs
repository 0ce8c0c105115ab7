//! What the `triggers` control member of a package means on a fresh install.

use super::script::{self, Line};
use crate::{Effect, Writer};

/// The meaning of one line: words, and an effect if there is one. `None` when unknown.
pub(crate) type Meaning = Option<(String, Option<Effect>)>;

/// Triggers that a package is interested in, and what its `postinst triggered` does with them.
const INTERESTS: &[(&str, &str, Option<Writer>)] = &[
    (
        "ldconfig",
        "the dynamic linker's cache",
        Some(Writer::LinkerCache),
    ),
    (
        "/usr/share/debianutils/shells.d",
        "/etc/shells",
        Some(Writer::Shells),
    ),
    (
        "update-ca-certificates",
        "the bundle of certificates",
        Some(Writer::CertificateBundle),
    ),
    (
        "update-ca-certificates-fresh",
        "the bundle of certificates",
        Some(Writer::CertificateBundle),
    ),
    (
        "update-ca-certificates-java",
        "Java's store of certificates",
        Some(Writer::JavaKeystore),
    ),
    (
        "update-ca-certificates-java-fresh",
        "Java's store of certificates",
        Some(Writer::JavaKeystore),
    ),
    (
        "/usr/lib32",
        "a link such as /lib32: the tree merges /usr by itself",
        None,
    ),
    (
        "/usr/lib64",
        "a link such as /lib32: the tree merges /usr by itself",
        None,
    ),
    (
        "/usr/libo32",
        "a link such as /lib32: the tree merges /usr by itself",
        None,
    ),
    (
        "/usr/libx32",
        "a link such as /lib32: the tree merges /usr by itself",
        None,
    ),
    (
        "libc-upgrade",
        "restarts services: nothing runs while an image is built",
        None,
    ),
    (
        "nginx-reload",
        "reloads a service: nothing runs while an image is built",
        None,
    ),
    (
        "/etc/rsyslog.d",
        "restarts a service: nothing runs while an image is built",
        None,
    ),
    (
        "/usr/share/dbus-1/system.d",
        "reloads a service: nothing runs while an image is built",
        None,
    ),
    (
        "/usr/share/dbus-1/system-services",
        "reloads a service: nothing runs while an image is built",
        None,
    ),
    (
        "/etc/dbus-1/system.d",
        "reloads a service: nothing runs while an image is built",
        None,
    ),
    (
        "/usr/share/postgresql",
        "dictionaries made of others: when the package is configured",
        None,
    ),
    (
        "/usr/share/hunspell",
        "dictionaries made of others: when the package is configured",
        None,
    ),
    (
        "/usr/share/myspell/dicts",
        "dictionaries made of others: when the package is configured",
        None,
    ),
    ("/usr/share/man", "the index of manual pages: a cache", None),
    ("/usr/man", "the index of manual pages: a cache", None),
    (
        "/usr/local/share/man",
        "the index of manual pages: a cache",
        None,
    ),
    ("/usr/local/man", "the index of manual pages: a cache", None),
    ("/usr/X11R6/man", "the index of manual pages: a cache", None),
    ("/opt/man", "the index of manual pages: a cache", None),
    (
        "/usr/lib/systemd/catalog",
        "the journal's catalogue: a cache",
        None,
    ),
    (
        "/usr/lib/sysctl.d",
        "settings of the kernel: the host's",
        None,
    ),
    (
        "update-sgmlcatalog",
        "the catalog of SGML catalogs",
        Some(Writer::SgmlCatalogs),
    ),
    (
        "/etc/sgml",
        "the catalog of SGML catalogs",
        Some(Writer::SgmlCatalogs),
    ),
    (
        "/usr/share/sgml",
        "the catalog of SGML catalogs",
        Some(Writer::SgmlCatalogs),
    ),
    (
        "/usr/share/xml",
        "the catalog of SGML catalogs",
        Some(Writer::SgmlCatalogs),
    ),
    (
        "/lib/pkgconfig",
        "a directory that the package ships itself",
        None,
    ),
    (
        "/usr/lib/binfmt.d",
        "settings of the kernel: the host's",
        None,
    ),
    (
        "/usr/lib/udev/hwdb.d",
        "the hardware database: a cache",
        None,
    ),
    ("/lib/udev/hwdb.d", "the hardware database: a cache", None),
    (
        "/usr/share/glib-2.0/schemas",
        "GSettings schemas, compiled",
        Some(Writer::GsettingsSchemas),
    ),
    (
        "/usr/share/mime/packages",
        "the database of file types",
        Some(Writer::MimeDatabase),
    ),
    (
        "/usr/lib/@triplet@/gio/modules",
        "the list of modules",
        Some(Writer::GioModules),
    ),
    (
        "/usr/lib/@triplet@/gtk-4.0/4.0.0/immodules",
        "the list of modules",
        Some(Writer::Gtk4Modules),
    ),
    (
        "/usr/lib/@triplet@/gtk-4.0/4.0.0/printbackends",
        "the list of modules",
        Some(Writer::Gtk4Modules),
    ),
    (
        "/usr/lib/@triplet@/gdk-pixbuf-2.0/2.10.0/loaders",
        "the list of image loaders",
        Some(Writer::PixbufLoaders),
    ),
    (
        "/usr/lib/gdk-pixbuf-2.0/2.10.0/loaders",
        "the list of image loaders",
        Some(Writer::PixbufLoaders),
    ),
    (
        "/usr/lib/@triplet@/gtk-3.0/3.0.0/immodules",
        "the list of input methods",
        Some(Writer::InputMethods),
    ),
    (
        "/usr/share/icons/hicolor",
        "the index of icons: a cache",
        None,
    ),
    (
        "/usr/share/icons/gnome",
        "the index of icons: a cache",
        None,
    ),
    (
        "/usr/share/icons/Papirus",
        "the index of icons: a cache",
        None,
    ),
    (
        "/usr/share/icons/Papirus-Dark",
        "the index of icons: a cache",
        None,
    ),
    (
        "/usr/share/icons/Papirus-Light",
        "the index of icons: a cache",
        None,
    ),
    (
        "/usr/lib/@triplet@/libpcre2-8.so.0",
        "the contexts of a policy of SELinux, compiled: a cache",
        None,
    ),
    (
        "/usr/lib/@triplet@/gtk-2.0/2.10.0/immodules",
        "the list of input methods of GTK 2",
        Some(Writer::Gtk2InputMethods),
    ),
    (
        "/usr/lib/gtk-2.0/2.10.0/immodules",
        "the list of input methods of GTK 2",
        Some(Writer::Gtk2InputMethods),
    ),
    (
        "/usr/libx32/ld-linux-x32.so.2",
        "a link that the package makes when it is configured",
        None,
    ),
    (
        "/usr/lib/libreoffice/share/extensions",
        "the date of a directory",
        None,
    ),
    (
        "/usr/lib/libreoffice",
        "prepares LibreOffice Online, which Debian does not have",
        None,
    ),
    ("/usr/share/fonts", "fonts: a cache", None),
    ("/usr/share/ghostscript/fonts", "fonts: a cache", None),
    ("/usr/share/texmf/fonts", "fonts: a cache", None),
];

/// More triggers than this in one package are not read.
pub(crate) const MAXIMUM_LINES: usize = 10_000;

/// Reads the lines of a `triggers` member (deb-triggers(5)).
pub(crate) fn read(text: &str) -> Vec<(Line, Meaning)> {
    let mut read = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        if read.len() == MAXIMUM_LINES {
            let line = Line {
                number: index + 1,
                text: format!("more than the {MAXIMUM_LINES} triggers that are read"),
            };
            read.push((line, None));
            break;
        }
        let words: Vec<&str> = raw
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        if words.is_empty() {
            continue;
        }
        let line = Line {
            number: index + 1,
            text: raw.trim_end().to_owned(),
        };
        read.push((line, meaning(&words)));
    }
    read
}

fn meaning(words: &[&str]) -> Meaning {
    let [directive, name] = words else {
        return None;
    };
    match *directive {
        "activate" | "activate-await" | "activate-noawait" => Some((
            format!(
                "asks for `{name}`: done by the package that is interested, if it is in the image"
            ),
            None,
        )),
        "interest" | "interest-await" | "interest-noawait" => {
            if name.starts_with("/etc/php/") && name.ends_with("/conf.d") {
                let meaning = "restarts PHP: nothing runs while an image is built";
                return Some((meaning.to_owned(), None));
            }
            let name = script::without_triplet(name);
            let (_, meaning, writer) = INTERESTS.iter().find(|(known, ..)| *known == name)?;
            let effect = writer.map(|writer| Effect::Run { writer });
            Some(((*meaning).to_owned(), effect))
        }
        _ => None,
    }
}
