//! What desktop programs read compiled, made of the files that packages bring: once for the whole image.

use std::fmt::Display;

use basalt_desktop::modules::{self, Module};
use basalt_desktop::{mime, schemas};
use basalt_tree::{Attributes, Owner};

use super::error::ApplyError;
use super::runs;
use super::work::{Step, Work, owned};
use crate::effect::Writer;

const SCHEMAS: &str = "/usr/share/glib-2.0/schemas";
const TYPES: &str = "/usr/share/mime";
/// The program whose version the database of types is marked with.
const TYPES_PROGRAM: &str = "/usr/bin/update-mime-database";
const LIST: &str = "giomodule.cache";

/// Runs the writers that are asked for.
pub(super) fn apply(work: &mut Work<'_>, steps: &[Step<'_>]) -> Result<(), ApplyError> {
    type Write = fn(&mut Work<'_>, &Owner) -> Result<(), ApplyError>;
    let writers: [(Writer, &str, Write); 7] = [
        (
            Writer::GsettingsSchemas,
            "compiled schemas",
            compile_schemas,
        ),
        (
            Writer::MimeDatabase,
            "database of file types",
            compile_types,
        ),
        (Writer::GioModules, "list of modules", list_gio_modules),
        (Writer::Gtk4Modules, "list of modules", list_gtk4_modules),
        (
            Writer::PixbufLoaders,
            "list of image loaders",
            list_pixbuf_loaders,
        ),
        (
            Writer::InputMethods,
            "list of input methods",
            list_input_methods,
        ),
        (
            Writer::Gtk2InputMethods,
            "list of input methods",
            list_gtk2_input_methods,
        ),
    ];
    for (writer, what, write) in writers {
        if let Some(package) = runs(steps, writer) {
            write(work, &owned(package, what))?;
        }
    }
    Ok(())
}

/// An error of a writer, with the folder that it is about.
fn failed(folder: &str) -> impl Fn(String) -> ApplyError + '_ {
    move |cause| ApplyError::Derived {
        folder: folder.to_owned(),
        cause,
    }
}

/// Where the libraries of the image's architecture stand.
fn library(work: &Work<'_>) -> Result<String, ApplyError> {
    let triplet = match work.context.architecture.as_str() {
        "amd64" => "x86_64-linux-gnu",
        "arm64" => "aarch64-linux-gnu",
        other => {
            return Err(failed("/usr/lib")(format!(
                "the folder of libraries of `{other}` is not known"
            )));
        }
    };
    Ok(format!("/usr/lib/{triplet}"))
}

/// The version of a package as its source has it: without what Debian adds.
fn source_version(work: &Work<'_>, package: &str) -> Result<String, ApplyError> {
    let missing = || failed("/var/lib/dpkg")(format!("the version of {package} is not known"));
    let version = work.context.versions.get(package).ok_or_else(missing)?;
    let version = version
        .split_once(':')
        .map_or(version.as_str(), |(_, rest)| rest);
    let version = version
        .rsplit_once('-')
        .map_or(version, |(source, _)| source);
    Ok(version.split('+').next().unwrap_or(version).to_owned())
}

/// The text files of a folder with these endings, by name.
fn texts(
    work: &Work<'_>,
    folder: &str,
    endings: &[&str],
    owner: &Owner,
) -> Result<Vec<(String, String)>, ApplyError> {
    let mut texts = Vec::new();
    if !work.exists(folder) {
        return Ok(texts);
    }
    for name in work.files_in(folder, owner)? {
        if endings.iter().any(|ending| name.ends_with(ending))
            && let Some(text) = work.read_text(&format!("{folder}/{name}"), owner)?
        {
            texts.push((name, text));
        }
    }
    Ok(texts)
}

fn compile_schemas(work: &mut Work<'_>, owner: &Owner) -> Result<(), ApplyError> {
    let files = texts(
        work,
        SCHEMAS,
        &[".gschema.xml", ".enums.xml", ".gschema.override"],
        owner,
    )?;
    let compiled = schemas::compile(&files).map_err(|error| failed(SCHEMAS)(error.to_string()))?;
    match compiled {
        Some(bytes) => work.write(&format!("{SCHEMAS}/gschemas.compiled"), bytes, 0o644, owner),
        None => Ok(()),
    }
}

fn compile_types(work: &mut Work<'_>, owner: &Owner) -> Result<(), ApplyError> {
    let packages = format!("{TYPES}/packages");
    if !work.exists(TYPES_PROGRAM) || !work.exists(&packages) {
        return Ok(());
    }
    let version = source_version(work, "shared-mime-info")?;
    let files = texts(work, &packages, &[".xml"], owner)?;
    let files =
        mime::database(&files, &version).map_err(|error| failed(TYPES)(error.to_string()))?;
    let attributes = Attributes {
        mode: Some(0o755),
        uid: Some(0),
        gid: Some(0),
        ..Attributes::default()
    };
    for (name, bytes) in files {
        let folder = name
            .split_once('/')
            .map(|(folder, _)| format!("{TYPES}/{folder}"));
        if let Some(folder) = folder.filter(|folder| !work.exists(folder)) {
            work.directory(&folder, &attributes, owner)?;
        }
        work.write(&format!("{TYPES}/{name}"), bytes, 0o644, owner)?;
    }
    Ok(())
}

/// The modules of a folder; `None` when the folder is not there.
fn modules_in(
    work: &Work<'_>,
    folder: &str,
    owner: &Owner,
) -> Result<Option<Vec<Module>>, ApplyError> {
    if !work.exists(folder) {
        return Ok(None);
    }
    let mut modules = Vec::new();
    for name in work.files_in(folder, owner)? {
        if name.ends_with(".so") {
            let bytes = work.read(&format!("{folder}/{name}"), owner)?;
            modules.push((name, bytes.unwrap_or_default()));
        }
    }
    Ok(Some(modules))
}

fn list_extension_points(
    work: &mut Work<'_>,
    folder: &str,
    owner: &Owner,
) -> Result<(), ApplyError> {
    let modules = modules_in(work, folder, owner)?.unwrap_or_default();
    let list =
        modules::extension_points(&modules).map_err(|error| failed(folder)(error.to_string()))?;
    match list {
        Some(list) => work.write(&format!("{folder}/{LIST}"), list.into_bytes(), 0o644, owner),
        None => Ok(()),
    }
}

fn list_gio_modules(work: &mut Work<'_>, owner: &Owner) -> Result<(), ApplyError> {
    let folder = format!("{}/gio/modules", library(work)?);
    list_extension_points(work, &folder, owner)
}

fn list_gtk4_modules(work: &mut Work<'_>, owner: &Owner) -> Result<(), ApplyError> {
    let library = library(work)?;
    for folder in ["immodules", "printbackends"] {
        list_extension_points(work, &format!("{library}/gtk-4.0/4.0.0/{folder}"), owner)?;
    }
    Ok(())
}

/// Writes what `made` says of the modules in a folder, for the version of the package that reads it; nothing when
/// the folder is not there.
fn list_modules<E: Display>(
    work: &mut Work<'_>,
    list: &str,
    folder: &str,
    package: &str,
    owner: &Owner,
    made: impl FnOnce(&[Module], &str) -> Result<String, E>,
) -> Result<(), ApplyError> {
    let Some(modules) = modules_in(work, folder, owner)? else {
        return Ok(());
    };
    let version = source_version(work, package)?;
    let text = made(&modules, &version).map_err(|error| failed(folder)(error.to_string()))?;
    work.write(list, text.into_bytes(), 0o644, owner)
}

fn refuse_former(work: &Work<'_>, folder: &str, what: &str) -> Result<(), ApplyError> {
    if work.exists(folder) {
        return Err(failed(folder)(format!(
            "{what} in the former folder are not understood"
        )));
    }
    Ok(())
}

fn list_pixbuf_loaders(work: &mut Work<'_>, owner: &Owner) -> Result<(), ApplyError> {
    let former = "/usr/lib/gdk-pixbuf-2.0/2.10.0/loaders";
    refuse_former(work, former, "image loaders")?;
    let place = format!("{}/gdk-pixbuf-2.0/2.10.0", library(work)?);
    let folder = format!("{place}/loaders");
    let list = format!("{place}/loaders.cache");
    let package = "libgdk-pixbuf-2.0-0";
    list_modules(work, &list, &folder, package, owner, |modules, version| {
        modules::pixbuf_loaders(modules, &folder, version)
    })
}

fn list_input_methods(work: &mut Work<'_>, owner: &Owner) -> Result<(), ApplyError> {
    let library = library(work)?;
    let place = format!("{library}/gtk-3.0/3.0.0");
    let folder = format!("{place}/immodules");
    let list = format!("{place}/immodules.cache");
    let package = "libgtk-3-0t64";
    list_modules(work, &list, &folder, package, owner, |modules, version| {
        modules::input_methods(modules, &library, version)
    })
}

fn list_gtk2_input_methods(work: &mut Work<'_>, owner: &Owner) -> Result<(), ApplyError> {
    let former = "/usr/lib/gtk-2.0/2.10.0/immodules";
    refuse_former(work, former, "input methods")?;
    let library = library(work)?;
    let place = format!("{library}/gtk-2.0/2.10.0");
    let folder = format!("{place}/immodules");
    let list = format!("{place}/immodules.cache");
    let triplet = match work.context.architecture.as_str() {
        "arm64" => "aarch64-unknown-linux-gnu",
        _ => "x86_64-pc-linux-gnu",
    };
    let package = "libgtk2.0-0t64";
    list_modules(work, &list, &folder, package, owner, |modules, version| {
        modules::gtk2_input_methods(modules, &library, triplet, version)
    })
}
