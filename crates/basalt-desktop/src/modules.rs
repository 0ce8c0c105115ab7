//! Lists of modules beside a folder of them, which the real programs make by loading each module and asking it.
//!
//! Here, nothing is loaded: what the known modules answer stands in tables by file name, and each text of an answer must stand
//! in the module too, so that an answer which changed is noticed. A module that is not known is an error.

/// Why a list cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// The tables do not have it.
    #[error(
        "what the module {0} offers is not known, as nothing of it is run; leave out the package that brings it"
    )]
    Unknown(String),
    /// The module is another than the tables are about.
    #[error("the module {module} does not hold the text `{text}`, so what it offers is not known")]
    Changed {
        /// Its file name.
        module: String,
        /// What is missing.
        text: String,
    },
}

/// A module: its file name and its bytes.
pub type Module = (String, Vec<u8>);

/// What modules of GIO and GTK 4 extend, by file name.
const EXTENSION_POINTS: [(&str, &str); 11] = [
    ("libdconfsettings.so", "gsettings-backend"),
    ("libgiognomeproxy.so", "gio-proxy-resolver"),
    ("libgiognutls.so", "gio-tls-backend"),
    ("libgiolibproxy.so", "gio-proxy-resolver"),
    ("libgioopenssl.so", "gio-tls-backend"),
    (
        "libgioremote-volume-monitor.so",
        "gio-native-volume-monitor,gio-volume-monitor",
    ),
    ("libgvfsdbus.so", "gio-vfs,gio-volume-monitor"),
    ("libprintbackend-cloudprint.so", "gtk-print-backend"),
    ("libprintbackend-cpdb.so", "gtk-print-backend"),
    ("libprintbackend-cups.so", "gtk-print-backend"),
    ("libprintbackend-file.so", "gtk-print-backend"),
];

const PIXBUF_LOADERS: &str = include_str!("../data/pixbuf-loaders.txt");
const GTK2_INPUT_METHODS: &str = include_str!("../data/gtk2-input-methods.txt");
const INPUT_METHODS: &str = include_str!("../data/gtk3-input-methods.txt");

/// The domain of translations that gdk-pixbuf writes for a loader which names none.
const DEFAULT_DOMAIN: &str = "gdk-pixbuf";

/// Texts shorter than this are folded into code by compilers.
const SHORTEST_TEXT: usize = 9;

fn check(module: &Module, text: &str) -> Result<(), ModuleError> {
    let (name, bytes) = module;
    let text_bytes = text.as_bytes();
    if text.len() < SHORTEST_TEXT || bytes.windows(text.len()).any(|window| window == text_bytes) {
        return Ok(());
    }
    Err(ModuleError::Changed {
        module: name.clone(),
        text: text.to_owned(),
    })
}

/// The names of a folder's modules must be in this order.
fn sorted(modules: &[Module]) -> Vec<&Module> {
    let mut sorted: Vec<&Module> = modules
        .iter()
        .filter(|(name, _)| name.ends_with(".so"))
        .collect();
    sorted.sort_by(|left, right| left.0.cmp(&right.0));
    sorted
}

/// `giomodule.cache` of a folder; `None` when there are no modules in it, and so no list.
///
/// # Errors
/// When a module is not known, or changed.
pub fn extension_points(modules: &[Module]) -> Result<Option<String>, ModuleError> {
    let mut list = String::new();
    for module in sorted(modules) {
        let known = EXTENSION_POINTS.iter().find(|(name, _)| *name == module.0);
        let (name, points) = known.ok_or_else(|| ModuleError::Unknown(module.0.clone()))?;
        for point in points.split(',') {
            check(module, point)?;
        }
        list.push_str(&format!("{name}: {points}\n"));
    }
    Ok((!list.is_empty()).then_some(list))
}

/// `loaders.cache` of gdk-pixbuf, of the modules in a folder.
///
/// # Errors
/// When a module is not known, or changed.
pub fn pixbuf_loaders(
    modules: &[Module],
    folder: &str,
    version: &str,
) -> Result<String, ModuleError> {
    let head = format!(
        "# GdkPixbuf Image Loader Modules file\n# Automatically generated file, do not edit\n\
         # Created by gdk-pixbuf-query-loaders from gdk-pixbuf-{version}\n#\n"
    );
    // An empty line ends the list, besides those that end each answer.
    Ok(answers(head, PIXBUF_LOADERS, modules, folder)? + "\n")
}

/// `immodules.cache` of GTK 3, of the modules in `library/gtk-3.0/3.0.0/immodules`; `library` is the folder of libraries.
///
/// # Errors
/// When a module is not known, or changed.
pub fn input_methods(
    modules: &[Module],
    library: &str,
    version: &str,
) -> Result<String, ModuleError> {
    let folder = format!("{library}/gtk-3.0/3.0.0/immodules");
    let searched = [
        "3.0.0/linux/immodules",
        "3.0.0/immodules",
        "linux/immodules",
        "immodules",
    ]
    .map(|place| format!("{library}/gtk-3.0/{place}"))
    .join(":");
    let head = format!(
        "# GTK+ Input Method Modules file\n# Automatically generated file, do not edit\n\
         # Created by {library}/libgtk-3-0t64/gtk-query-immodules-3.0 from gtk+-{version}\n#\n\
         # ModulesPath = {searched}\n#\n"
    );
    answers(head, INPUT_METHODS, modules, &folder)
}

/// `immodules.cache` of GTK 2 on a machine with this triplet in GNU's words, of the modules in
/// `library/gtk-2.0/2.10.0/immodules`; `library` is the folder of libraries. The remark in it names root's own folders too.
///
/// # Errors
/// When a module is not known, or changed.
pub fn gtk2_input_methods(
    modules: &[Module],
    library: &str,
    triplet: &str,
    version: &str,
) -> Result<String, ModuleError> {
    let folder = format!("{library}/gtk-2.0/2.10.0/immodules");
    let places = [
        format!("2.10.0/{triplet}/immodules"),
        "2.10.0/immodules".to_owned(),
        format!("{triplet}/immodules"),
        "immodules".to_owned(),
    ];
    let searched: Vec<String> = ["/root/.gtk-2.0".to_owned(), format!("{library}/gtk-2.0")]
        .iter()
        .flat_map(|above| places.iter().map(move |place| format!("{above}/{place}")))
        .collect();
    let head = format!(
        "# GTK+ Input Method Modules file\n# Automatically generated file, do not edit\n\
         # Created by {library}/libgtk2.0-0t64/gtk-query-immodules-2.0 from gtk+-{version}\n#\n\
         # ModulesPath = {}\n#\n",
        searched.join(":")
    );
    answers(head, GTK2_INPUT_METHODS, modules, &folder)
}

/// The answers of modules as they stand in a table, one after another: a line with the name, more lines, an empty line.
fn answers(
    mut list: String,
    table: &str,
    modules: &[Module],
    folder: &str,
) -> Result<String, ModuleError> {
    for module in sorted(modules) {
        let name = format!("\"{}\"", module.0);
        let answer = table
            .split("\n\n")
            .map(str::trim_start)
            .find_map(|block| block.strip_prefix(name.as_str()))
            .ok_or_else(|| ModuleError::Unknown(module.0.clone()))?;
        for text in answer.split('"').skip(1).step_by(2) {
            // What is written with escapes is not the module's text, nor is what stands for a name that it does not give.
            if !text.contains('\\') && text != DEFAULT_DOMAIN {
                check(module, text)?;
            }
        }
        list.push_str(&format!("\"{folder}/{}\"{answer}\n\n", module.0));
    }
    Ok(list)
}
