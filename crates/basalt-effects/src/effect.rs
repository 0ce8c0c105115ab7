//! The declarative things that maintainer scripts do to a fresh root.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One declarative thing that a maintainer script or a trigger does to a fresh root.
/// Paths are absolute, as the script names them; users and groups are named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "effect", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// A directory that must be there, with these attributes.
    Directory {
        /// Where.
        path: String,
        /// Permission bits.
        #[serde(default = "directory_mode")]
        mode: u32,
        /// Owning user.
        #[serde(default = "root")]
        user: String,
        /// Owning group.
        #[serde(default = "root")]
        group: String,
    },
    /// A file with this text, unless one is already there.
    File {
        /// Where.
        path: String,
        /// Its whole content.
        content: String,
        /// Permission bits.
        #[serde(default = "file_mode")]
        mode: u32,
    },
    /// A copy of a file of the image, unless one is already there.
    Copy {
        /// The file copied.
        from: String,
        /// Where the copy stands.
        to: String,
        /// Permission bits.
        #[serde(default = "file_mode")]
        mode: u32,
    },
    /// A configuration file as `ucf` places it: a copy of a file of the image with its attributes,
    /// unless one is already there, and the record of it.
    Configuration {
        /// The file copied.
        from: String,
        /// Where the copy stands.
        to: String,
        /// Whether the original is kept to be compared with, however large it is.
        #[serde(default)]
        three_way: bool,
    },
    /// As `configuration`, where the script puts a line of its own in the place of one that the file must have.
    ChangedConfiguration {
        /// The file copied.
        from: String,
        /// Where the copy stands.
        to: String,
        /// The line that is replaced, wherever it stands.
        line: String,
        /// What stands there instead.
        with: String,
    },
    /// A symbolic link, unless something is already there.
    Symlink {
        /// Where the link stands.
        path: String,
        /// Where it points.
        target: String,
    },
    /// A file with this text, whatever stood there; one that is there keeps its mode.
    Write {
        /// Where.
        path: String,
        /// Its whole content.
        content: String,
    },
    /// A directory that is taken away, if it is there and empty.
    RemoveEmpty {
        /// Which.
        path: String,
    },
    /// A path that is taken away, if it is there.
    Remove {
        /// Which.
        path: String,
    },
    /// Lines that must stand in a text file (appended when missing).
    Lines {
        /// The file; made when missing.
        path: String,
        /// The lines, without line ends.
        lines: Vec<String>,
    },
    /// Owner and mode of a path that a package brings (`chown`, `chmod`, `dpkg-statoverride`).
    Attributes {
        /// Which.
        path: String,
        /// Permission bits, if changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
        /// Owning user, if changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Owning group, if changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
    },
    /// Capabilities of a program, permitted and effective at once (`setcap CAPABILITY,…+ep`).
    Capabilities {
        /// Which file.
        path: String,
        /// Their names: `cap_net_admin`.
        permitted: Vec<String>,
    },
    /// A system or normal group.
    Group {
        /// Its name.
        name: String,
        /// A fixed id, else one is allocated and kept in the lock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gid: Option<u32>,
    },
    /// A user. Its group of the same name is made unless `group` names another.
    User {
        /// Its name.
        name: String,
        /// A fixed id, else one is allocated and kept in the lock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<u32>,
        /// Primary group, if not one of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// Home directory.
        home: String,
        /// Login shell.
        shell: String,
        /// Comment.
        #[serde(default)]
        comment: String,
        /// Whether the home directory is made.
        #[serde(default)]
        make_home: bool,
    },
    /// A user made a member of a group.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// `update-alternatives --install`.
    Alternative {
        /// The generic name of the group of alternatives.
        name: String,
        /// The link.
        link: String,
        /// What it is to point to.
        path: String,
        /// Its priority.
        priority: i32,
        /// Links that follow it. One whose path is not in the tree is left out, as
        /// `update-alternatives` does.
        #[serde(default)]
        slaves: Vec<Slave>,
        /// Manual pages that follow it too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pages: Option<Pages>,
    },
    /// `dpkg-divert --add`: another package's file at `from` goes to `to`.
    Diversion {
        /// Where the file would stand.
        from: String,
        /// Where it goes.
        to: String,
        /// A directory without which the script diverts nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_directory: Option<String>,
    },
    /// `add-shell`: a line of `/etc/shells`.
    Shell {
        /// The shell.
        path: String,
    },
    /// Effects that depend on the rest of the image: on what the packages and the spec bring, before
    /// any effect is applied.
    When {
        /// What is asked.
        condition: Condition,
        /// What is done when it holds.
        #[serde(default)]
        effects: Vec<Effect>,
        /// What is done when it does not.
        #[serde(default)]
        otherwise: Vec<Effect>,
    },
    /// Stops the build: what happens here is not known.
    Refuse {
        /// Why, and what to do about it.
        why: String,
    },
    /// A native writer, run once for the whole tree after all else.
    Run {
        /// Which.
        writer: Writer,
    },
}

impl Effect {
    /// Calls for this effect, or for each that stands under its condition, on both sides.
    pub fn each<'e>(&'e self, call: &mut dyn FnMut(&'e Effect)) {
        match self {
            Self::When {
                effects, otherwise, ..
            } => effects
                .iter()
                .chain(otherwise)
                .for_each(|effect| effect.each(call)),
            effect => call(effect),
        }
    }
}

/// A question about the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Something stands at this path, links followed.
    Exists(String),
    /// A file stands at this path, links followed.
    File(String),
    /// A directory stands at this path, links followed.
    Directory(String),
    /// A symbolic link stands at this path.
    Link(String),
    /// A file that may be executed stands at this path, links followed.
    Executable(String),
    /// A program of this name stands in a directory of programs.
    Command(String),
    /// Another package than this one brings something at this path.
    Foreign(String),
    /// There is a user of this name.
    User(String),
    /// There is a group of this name.
    Group(String),
    /// The other way round.
    Not(Box<Condition>),
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
}

/// A link that follows the choice of an alternative.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slave {
    /// Its generic name.
    pub name: String,
    /// The link.
    pub link: String,
    /// What it is to point to.
    pub path: String,
}

/// Manual pages of packages that stand out of the way, so that several versions can be there at once: each that is not the
/// alternative itself is linked from the place below `/usr/share/man` where `man` looks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// The directory that has `man1` and the like.
    pub below: String,
    /// The packages whose pages are meant.
    pub of: Vec<String>,
}

/// What is written natively, in place of a program that a trigger would run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Writer {
    /// `ldconfig`: `/etc/ld.so.cache` and the links named by SONAME.
    LinkerCache,
    /// `update-ca-certificates`: the bundle, the hashed links.
    CertificateBundle,
    /// `ca-certificates-java`: `/etc/ssl/certs/java/cacerts`, if there is a Java runtime.
    JavaKeystore,
    /// `update-passwd`: `/etc/passwd` and `/etc/group` from base-passwd's master files.
    PasswdMaster,
    /// `pwconv` and `grpconv`: `/etc/shadow` and `/etc/gshadow`.
    Shadow,
    /// `pam-auth-update --package`: `/etc/pam.d/common-*`.
    PamCommon,
    /// `update-shells`: `/etc/shells` from `/usr/share/debianutils/shells` and the lists in
    /// `/usr/share/debianutils/shells.d`.
    Shells,
    /// `update-catalog --update-super`: the catalog of all SGML catalogs.
    SgmlCatalogs,
    /// `update-xmlcatalog`: the XML catalogs from what is registered.
    XmlCatalogs,
    /// `locale-gen` and what comes before it: `/etc/locale.gen` with all locales that are supported, none chosen.
    Locales,
    /// `phpenmod`: each of PHP's modules for each of its interfaces.
    PhpModules,
    /// `glib-compile-schemas`: GSettings schemas, compiled.
    GsettingsSchemas,
    /// `update-mime-database`: the database of file types.
    MimeDatabase,
    /// `gio-querymodules` on the modules of GIO.
    GioModules,
    /// `gio-querymodules` on the modules of GTK 4.
    Gtk4Modules,
    /// `gdk-pixbuf-query-loaders`: the list of image loaders.
    PixbufLoaders,
    /// `gtk-query-immodules-3.0`: the list of input methods of GTK 3.
    InputMethods,
    /// `gtk-query-immodules-2.0`: the list of input methods of GTK 2.
    Gtk2InputMethods,
    /// `systemd-sysusers` on the packages' own `sysusers.d`.
    SystemUsers,
    /// `systemd-tmpfiles --create` on the packages' own `tmpfiles.d`, without boot-only lines.
    TemporaryFiles,
}

fn directory_mode() -> u32 {
    0o755
}

fn file_mode() -> u32 {
    0o644
}

fn root() -> String {
    "root".to_owned()
}
