//! For which platforms images are had: by what indexes say of them, and by what an image says of itself.

use std::sync::Arc;

use basalt_manifest::read_config;

use super::download::Wanted;
use crate::digest::Digest;
use crate::fault::{Code, Fault};
use crate::name::RepositoryName;
use crate::server::Registry;
use crate::server::bills::read_blob;
use crate::upstream::{Remote, Trouble, Upstream};

/// The longest configuration of an image that is read, in bytes.
const MAXIMUM_CONFIG: u64 = 4 << 20;
/// The media types of the configurations of images that run.
const CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// A platform as it is written: `linux/arm64/v8`.
pub(super) fn text(os: &str, architecture: &str, variant: Option<&str>) -> String {
    let variant = variant.filter(|variant| !variant.is_empty());
    let variant = variant.map_or(String::new(), |variant| format!("/{variant}"));
    format!("{os}/{architecture}{variant}")
}

/// Refuses an image that indexes list for platforms alone which are not had here. Whether one lists it at all.
///
/// # Errors
/// With that.
pub(super) async fn check_listed(
    registry: &Registry,
    remote: &Remote,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<bool, Fault> {
    let listed = registry.metadata.copied_platforms(repository, digest);
    let listed = listed.await?;
    // One index that names no platform is enough.
    if listed.iter().any(String::is_empty) || remote.upstream.has_platform(&listed) {
        return Ok(!listed.is_empty());
    }
    Err(denied(&remote.upstream, &listed.join(", ")))
}

/// Refuses an image that no index lists, and that says itself that it is for another platform. Its configuration is had for
/// that, as every client that wants the image has it next.
///
/// # Errors
/// With that, or when the configuration cannot be had.
pub(super) async fn check_image(
    registry: &Arc<Registry>,
    remote: &Remote,
    repository: &RepositoryName,
    manifest: &[u8],
    address: &str,
) -> Result<(), Trouble> {
    let Some(digest) = config_of(manifest).filter(|_| remote.upstream.is_choosy()) else {
        return Ok(());
    };
    let download = registry.proxying.downloads.join(Wanted {
        registry: Arc::clone(registry),
        remote: remote.clone(),
        repository: repository.clone(),
        digest: digest.clone(),
        address: address.to_owned(),
    })?;
    download.ended().await?;
    let bytes = read_blob(registry, repository, &digest, MAXIMUM_CONFIG).await;
    let bytes = bytes.map_err(|_| Fault::internal())?.unwrap_or_default();
    let named = read_config(&bytes).ok().and_then(|config| {
        let variant = config.variant.as_deref();
        Some(text(&config.os?, &config.architecture?, variant))
    });
    // One that names no platform is for none.
    match named {
        Some(platform)
            if !remote
                .upstream
                .has_platform(std::slice::from_ref(&platform)) =>
        {
            Err(denied(&remote.upstream, &platform).into())
        }
        _ => Ok(()),
    }
}

/// The configuration of an image that runs.
fn config_of(manifest: &[u8]) -> Option<Digest> {
    let config = basalt_manifest::read(manifest).ok()?.config?;
    let is_image = CONFIGS.contains(&config.media_type.as_str());
    is_image.then(|| config.digest.parse().ok())?
}

fn denied(upstream: &Upstream, platforms: &str) -> Fault {
    let message = format!(
        "this is an image for {platforms}; of the upstream `{}` those for {} can be had here",
        upstream.prefix,
        upstream.platforms()
    );
    Fault::new(Code::Denied, message)
}
