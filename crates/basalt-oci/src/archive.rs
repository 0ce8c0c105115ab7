//! A layout as one file: an OCI archive, or an archive that `docker load` takes. The same layout
//! always gives the same bytes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;

use crate::contents::decompressed;
use crate::error::OciError;
use crate::layout::MARKER;
use crate::manifest::annotation;
use crate::platform::Platform;
use crate::read::Layout;
use crate::staging::write_file;

/// Writes the images of the layout as an uncompressed tar. What is attached to them is left out: most that read
/// such an archive (podman, skopeo without a tag) take it for further images, and refuse to choose.
///
/// # Errors
/// When a blob is not sound or the file cannot be written; the file is then as it was.
pub fn write_oci_archive(layout: &Layout, file: &Path) -> Result<(), OciError> {
    write_file(file, false, |out| stream_oci_archive(layout, None, out))
}

/// Like [`write_oci_archive`], into a pipe. A name (`docker.io/library/python:trixie`) is noted in
/// the index for containerd, which gives the image this name when it imports the archive.
///
/// # Errors
/// When a blob is not sound or the archive cannot be written; then it has no end.
pub fn stream_oci_archive(
    layout: &Layout,
    name: Option<&str>,
    out: &mut impl Write,
) -> Result<(), OciError> {
    let mut index = layout.index().clone();
    index.manifests = layout.image_entries()?;
    let blobs = layout.blobs_of(&index.manifests)?;
    if let Some(name) = name {
        for descriptor in &mut index.manifests {
            let key = annotation::CONTAINERD_NAME.to_owned();
            descriptor.annotations.insert(key, name.to_owned());
        }
    }
    let index = crate::to_bytes(&index)?;
    whole(out, |archive| {
        add(archive, "oci-layout", MARKER.len() as u64, MARKER)?;
        add(archive, "index.json", index.len() as u64, index.as_slice())?;
        for blob in &blobs {
            let name = format!("blobs/sha256/{}", blob.digest.hex());
            add(archive, &name, blob.size, layout.open_blob(blob)?)?;
        }
        Ok(())
    })
}

/// One image in `manifest.json` of a docker archive.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage<'a> {
    config: String,
    repo_tags: &'a [String],
    layers: Vec<String>,
}

/// Writes one image of the layout as an archive for `docker load` and `podman load`, with these
/// names (`python:trixie`). Layers in zstd are decompressed, as older Dockers read gzip only.
///
/// # Errors
/// When the platform is not there, a blob is not sound, or the file cannot be written; the file
/// is then as it was.
pub fn write_docker_archive(
    layout: &Layout,
    file: &Path,
    tags: &[String],
    platform: &Platform,
) -> Result<(), OciError> {
    write_file(file, false, |out| {
        stream_docker_archive(layout, tags, platform, out)
    })
}

/// Like [`write_docker_archive`], into a pipe.
///
/// # Errors
/// When the platform is not there, a blob is not sound, or the archive cannot be written; then it
/// has no end.
pub fn stream_docker_archive(
    layout: &Layout,
    tags: &[String],
    platform: &Platform,
    out: &mut impl Write,
) -> Result<(), OciError> {
    let image = layout.image(platform)?;
    // The same layer may stand twice in an image; a member stands once.
    let mut layers = BTreeMap::new();
    for layer in &image.manifest.layers {
        layers.insert(format!("{}.tar", layer.digest.hex()), layer);
    }
    let config = layout.read_blob(&image.manifest.config)?;
    let config_name = format!("{}.json", image.manifest.config.digest.hex());
    let names = image.manifest.layers.iter();
    let manifest = crate::to_bytes(&[DockerImage {
        config: config_name.clone(),
        repo_tags: tags,
        layers: names
            .map(|layer| format!("{}.tar", layer.digest.hex()))
            .collect(),
    }])?;
    whole(out, |archive| {
        let size = manifest.len() as u64;
        add(archive, "manifest.json", size, manifest.as_slice())?;
        add(
            archive,
            &config_name,
            config.len() as u64,
            config.as_slice(),
        )?;
        for (name, layer) in layers {
            if layer.media_type.ends_with("zstd") {
                // A tar header has the length in front: once to count, once to write.
                let open = || decompressed(layout.open_blob(layer)?, layer);
                let size = io::copy(&mut open()?, &mut io::sink())?;
                add(archive, &name, size, open()?)?;
            } else {
                add(archive, &name, layer.size, layout.open_blob(layer)?)?;
            }
        }
        Ok(())
    })
}

/// Writes an archive. It gets its end only when all went well: who reads the other side of a pipe
/// must not take a part for the whole.
fn whole<W: Write>(
    out: W,
    fill: impl FnOnce(&mut tar::Builder<W>) -> Result<(), OciError>,
) -> Result<(), OciError> {
    let mut archive = tar::Builder::new(out);
    if let Err(error) = fill(&mut archive) {
        // Dropping it would write the end.
        std::mem::forget(archive);
        return Err(error);
    }
    archive.into_inner()?.flush()?;
    Ok(())
}

/// Adds a plain file: mode 0644, root, dated 1970.
fn add(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    size: u64,
    content: impl Read,
) -> Result<(), OciError> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    // Takes the content's end, where its digest is compared, with it; `append` alone would
    // stop there too, yet write whatever length it was given.
    let mut counted = Counted {
        inner: content,
        count: 0,
    };
    archive.append_data(&mut header, name, &mut counted)?;
    if counted.count != size {
        return Err(OciError::Io(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("{name} has {} bytes, not {size}", counted.count),
        )));
    }
    Ok(())
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
