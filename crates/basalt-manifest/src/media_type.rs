//! The media types by which engines tell documents apart.

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// What engines take for the configuration of what they run. The last four are those that old clients wrote.
const CONFIGS: [&str; 8] = [
    OCI_CONFIG,
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.plugin.v1+json",
    "application/vnd.docker.plugin.v0+json",
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
];

/// What media types of layers hold that engines start without the config of an image: Docker's layers (podman takes any
/// config beside them), WebAssembly (containerd's shims: `application/wasm`, `application/vnd.wasm.…`, `….wasm.component.…+wasm`)
/// and SIF (Apptainer: `application/vnd.sylabs.sif.…`, and its older `appliciation/…`).
const STARTED: [&str; 3] = ["vnd.docker.image.rootfs.", "wasm", "sylabs.sif"];

/// The layers that every engine unpacks as they are (OCI image specification, *Layer*; Docker's schema 2). Docker's type for
/// zstd is none of them: containerd before 2.0 passes over it.
const LAYERS: [&str; 10] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// A media type without its parameters, in lower case.
pub(crate) fn plain(media_type: &str) -> String {
    let plain = media_type.split(';').next().unwrap_or_default();
    plain.trim().to_ascii_lowercase()
}

/// Whether an engine takes this for the configuration of something it runs.
pub(crate) fn is_config(media_type: &str) -> bool {
    let kind = plain(media_type);
    CONFIGS.contains(&kind.as_str()) || kind.contains("wasm")
}

/// Whether every engine unpacks a layer of this media type. Others are passed over by some (containerd) and unpacked by
/// others, so that nobody can tell from the manifest what runs. To the letter: engines compare no other way.
pub fn is_layer(media_type: &str) -> bool {
    LAYERS.contains(&media_type)
}

/// Whether a layer of this media type is started also beside a config that is no image's.
pub(crate) fn is_started(media_type: &str) -> bool {
    let kind = plain(media_type);
    STARTED.iter().any(|part| kind.contains(part))
}
