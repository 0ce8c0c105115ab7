//! One image as a spec finally describes it: everything merged, defaults filled in, values checked.

use std::collections::BTreeMap;

use basalt_effects::Effect;
use serde::Serialize;

use crate::overlay::Overlay;
use crate::parts::{
    Applets, Assertions, Compression, ExtraArchive, FileSpec, Group, Keep, Layers, Minimize,
    PackageDatabase, SliceChoice, User,
};
use crate::settle;
use crate::values::{PackageName, WantedPackage};

/// The architectures that Debian releases and images are made for.
pub const ARCHITECTURES: [&str; 7] = [
    "amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x",
];

/// One image, merged and checked. The fields are those of [`Overlay`], with defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each field is documented in `Overlay`")]
pub struct ImageSpec {
    pub name: String,
    pub summary: String,
    pub distribution: String,
    pub architectures: Vec<String>,
    pub archives: Vec<ExtraArchive>,
    pub packages: Vec<WantedPackage>,
    // Left out when empty, so that the digest of a spec without slices stays what it was.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slices: BTreeMap<PackageName, SliceChoice>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slice_definitions: Vec<String>,
    pub exclude_packages: Vec<PackageName>,
    pub recommends: bool,
    pub essential: bool,
    pub users: Vec<User>,
    pub groups: Vec<Group>,
    pub files: Vec<FileSpec>,
    pub applets: Vec<Applets>,
    pub certificates: Vec<String>,
    // Left out when there is none, as slices are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    pub environment: BTreeMap<String, String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub working_directory: String,
    pub user: String,
    pub stop_signal: String,
    pub ports: Vec<String>,
    pub volumes: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub keep: Keep,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimize: Option<Minimize>,
    pub package_database: PackageDatabase,
    pub layers: Layers,
    pub compression: Compression,
    pub debconf: BTreeMap<String, String>,
    pub effects: BTreeMap<String, Vec<Effect>>,
    pub assertions: Assertions,
}

/// A value that cannot be.
pub(crate) struct Impossible {
    pub message: String,
    pub help: Option<String>,
    /// How the value is written, to find its place.
    pub word: Option<String>,
}

impl ImageSpec {
    pub(crate) fn new(overlay: &Overlay, release: &str) -> Result<Self, Impossible> {
        let mut overlay = overlay.clone();
        settle::conditions(&overlay)?;
        settle::locale(&mut overlay);
        settle::once(&mut overlay, release);
        settle::whole(&mut overlay);
        settle::accounts(&overlay)?;
        settle::minimized(&overlay)?;
        settle::effects(&overlay)?;
        Ok(Self {
            name: overlay.name.ok_or_else(|| Impossible {
                message: "the image has no name".to_owned(),
                help: Some("add `name:` with what it is to be called".to_owned()),
                word: None,
            })?,
            summary: overlay.summary.unwrap_or_default(),
            distribution: overlay.distribution.unwrap_or_else(|| "debian".to_owned()),
            architectures: settle::architectures(overlay.architectures)?,
            archives: overlay.archives,
            packages: overlay.packages,
            slices: overlay.slices,
            slice_definitions: overlay.slice_definitions,
            exclude_packages: overlay.exclude_packages,
            recommends: overlay.recommends.unwrap_or(false),
            essential: overlay.essential.unwrap_or(false),
            users: overlay.users,
            groups: overlay.groups,
            files: overlay.files,
            applets: overlay.applets,
            certificates: overlay.certificates,
            locale: overlay.locale,
            environment: overlay.environment,
            entrypoint: overlay.entrypoint.unwrap_or_default(),
            cmd: overlay.cmd.unwrap_or_default(),
            working_directory: overlay.working_directory.unwrap_or_default(),
            user: overlay.user.unwrap_or_default(),
            stop_signal: overlay.stop_signal.unwrap_or_default(),
            ports: overlay.ports,
            volumes: overlay.volumes,
            labels: overlay.labels,
            annotations: overlay.annotations,
            keep: overlay.keep.unwrap_or_default(),
            minimize: overlay.minimize,
            package_database: overlay.package_database.unwrap_or_default(),
            layers: overlay.layers.unwrap_or_default(),
            compression: overlay.compression.unwrap_or_default(),
            debconf: overlay.debconf,
            effects: overlay.effects,
            assertions: overlay.assertions,
        })
    }
}
