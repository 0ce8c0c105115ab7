//! From layers to what a registry holds: config, manifest, annotations.

use std::collections::BTreeMap;

use basalt_oci::{
    Descriptor, History, ImageConfig, Manifest, Platform, RootFilesystem, RuntimeConfig,
    annotation, media_type,
};
use basalt_spec::ImageSpec;

use crate::assemble::identity;
use crate::error::BuildError;
use crate::pack::layers::PackedLayer;

/// The `PATH` of an image whose spec sets none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An image's config as bytes.
pub(crate) fn config(
    image: &ImageSpec,
    architecture: &str,
    epoch: i64,
    layers: &[PackedLayer],
) -> Result<Vec<u8>, BuildError> {
    let mut environment = image.environment.clone();
    environment
        .entry("PATH".to_owned())
        .or_insert_with(|| PATH.to_owned());
    let empty = |names: &[String]| {
        names
            .iter()
            .map(|name| (name.clone(), basalt_oci::Empty {}))
            .collect()
    };
    let ports: Vec<String> = image
        .ports
        .iter()
        .map(|port| {
            if port.contains('/') {
                port.clone()
            } else {
                format!("{port}/tcp")
            }
        })
        .collect();
    let config = ImageConfig {
        created: Some(basalt_oci::date(epoch)),
        author: None,
        platform: platform(architecture)?,
        config: RuntimeConfig {
            user: image.user.clone(),
            exposed_ports: empty(&ports),
            env: environment
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            entrypoint: image.entrypoint.clone(),
            cmd: image.cmd.clone(),
            volumes: empty(&image.volumes),
            working_dir: match image.working_directory.is_empty() {
                true => "/".to_owned(),
                false => image.working_directory.clone(),
            },
            labels: image.labels.clone(),
            stop_signal: image.stop_signal.clone(),
        },
        rootfs: RootFilesystem::of_layers(layers.iter().map(|layer| layer.info.diff_id).collect()),
        history: layers
            .iter()
            .map(|layer| History::of_layer(epoch, &layer.packages, "generated files"))
            .collect(),
    };
    Ok(basalt_oci::to_bytes(&config)?)
}

/// An image's manifest as bytes.
pub(crate) fn manifest(
    config: &[u8],
    layers: &[PackedLayer],
    annotations: BTreeMap<String, String>,
) -> Result<Vec<u8>, BuildError> {
    let layers = layers
        .iter()
        .map(|layer| {
            Descriptor::new(
                layer.info.codec.media_type(),
                layer.info.digest,
                layer.info.size,
            )
        })
        .collect();
    let mut manifest = Manifest::new(Descriptor::of(media_type::CONFIG, config), layers);
    manifest.annotations = annotations;
    Ok(basalt_oci::to_bytes(&manifest)?)
}

/// OCI's own annotations filled in, and those of the spec over them.
pub(crate) fn annotations(
    image: &ImageSpec,
    release: &str,
    variant: &str,
    epoch: i64,
) -> BTreeMap<String, String> {
    let title = match variant {
        "" => image.name.clone(),
        variant => format!("{}-{variant}", image.name),
    };
    let mut annotations = BTreeMap::from([
        (annotation::TITLE.to_owned(), title),
        (annotation::DESCRIPTION.to_owned(), image.summary.clone()),
        (
            annotation::VERSION.to_owned(),
            format!("{release}-{}", identity::version(epoch)),
        ),
        (annotation::CREATED.to_owned(), basalt_oci::date(epoch)),
    ]);
    annotations.retain(|_, value| !value.is_empty());
    annotations.extend(image.annotations.clone());
    annotations
}

/// The platform of a Debian architecture.
pub(crate) fn platform(architecture: &str) -> Result<Platform, BuildError> {
    Platform::of_debian(architecture).map_err(|error| BuildError::Spec(error.to_string()))
}
