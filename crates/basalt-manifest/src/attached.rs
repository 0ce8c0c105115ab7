//! What is attached to images and never unpacked: signatures, attestations, bills of materials.

use crate::config::begins_object;
use crate::media_type::{OCI_CONFIG, plain};

/// The media types of what is attached. The list is closed: what is not on it is taken for something that can be run.
const ATTACHED: [&str; 22] = [
    // cosign
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.in-toto+json",
    "application/vnd.in-toto.provenance+dsse",
    // sigstore's bundles
    "application/vnd.dev.sigstore.bundle+json",
    "application/vnd.dev.sigstore.bundle.v0.1+json",
    "application/vnd.dev.sigstore.bundle.v0.2+json",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    // bills of materials
    "application/spdx+json",
    "text/spdx",
    "text/spdx+json",
    "text/spdx+xml",
    "application/vnd.cyclonedx",
    "application/vnd.cyclonedx+json",
    "application/vnd.cyclonedx+xml",
    "application/vnd.syft+json",
    // reports
    "application/sarif+json",
    "application/vnd.openvex+json",
    "application/vnd.csaf+json",
    "application/vnd.dev.cosign.artifact.sig.v1+json",
    "application/vnd.dev.cosign.artifact.sbom.v1+json",
    "application/jose+json",
];
/// Those of them that need not be JSON.
const TEXTS: [&str; 4] = [
    "text/spdx",
    "text/spdx+xml",
    "application/vnd.cyclonedx",
    "application/vnd.cyclonedx+xml",
];
/// The configs that a manifest of such things has besides: an image's (cosign's older format, BuildKit), or an empty one.
const CONFIGS: [&str; 3] = [
    OCI_CONFIG,
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.empty.v1+json",
];

/// Whether this is the media type of something that is attached to an image.
pub fn is_attached_type(media_type: &str) -> bool {
    ATTACHED.contains(&plain(media_type).as_str())
}

/// Whether a manifest of attached things may have a config of this media type.
pub(crate) fn is_config_of_attached(media_type: &str) -> bool {
    CONFIGS.contains(&plain(media_type).as_str()) || is_attached_type(media_type)
}

/// Whether these bytes are what an attached thing of this media type is: JSON, or with some types another text.
pub fn is_document(media_type: &str, bytes: &[u8]) -> bool {
    let kind = plain(media_type);
    let may_be_text = TEXTS.contains(&kind.as_str());
    is_text(bytes) && (may_be_text || begins_object(bytes) && is_json(bytes))
}

/// Whether some JSON document stands here and nothing else. What it says does not matter.
fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// Whether these bytes are a text, and nothing that an engine unpacks: engines go by the bytes of a layer, whatever its media
/// type says. A text has no NUL, so that it holds no program either.
fn is_text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let is_odd = |one: char| one.is_control() && !matches!(one, '\t' | '\n' | '\r');
    // Nothing at all is an empty archive, and `BZh` begins what bzip2 compressed.
    !text.is_empty() && !text.starts_with("BZh") && !text.contains(is_odd) && !is_tar(bytes)
}

/// Whether a tar archive begins here: the first block has its own sum in it (POSIX.1, *ustar*; older tars summed signed bytes).
fn is_tar(bytes: &[u8]) -> bool {
    const SUM: std::ops::Range<usize> = 148..156;
    let Some(block) = bytes.get(..512) else {
        return false;
    };
    let digits: String = block[SUM]
        .iter()
        .map(|byte| char::from(*byte))
        .filter(|one| !matches!(one, ' ' | '\0'))
        .collect();
    let Ok(stated) = i64::from_str_radix(&digits, 8) else {
        return false;
    };
    let bytes = || {
        let all = block.iter().enumerate();
        all.map(|(place, byte)| if SUM.contains(&place) { b' ' } else { *byte })
    };
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    stated == unsigned || stated == signed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar header that is text throughout.
    fn textual_tar() -> Vec<u8> {
        let mut block = vec![b' '; 512];
        block[..7].copy_from_slice(b"{\"a\":\"b");
        block[124..135].copy_from_slice(b"00000000000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        block[510..].copy_from_slice(b"\"}");
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(place, byte)| match (148..156).contains(&place) {
                true => 32,
                false => u32::from(*byte),
            })
            .sum();
        block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        block
    }

    #[test]
    fn what_an_engine_unpacks_is_no_document_whatever_it_is_called() {
        let tar = textual_tar();
        assert!(std::str::from_utf8(&tar).is_ok_and(|text| text.starts_with('{')));
        for bytes in [
            &tar[..],
            b"",
            b"\x1f\x8b\x08\0",
            b"\x28\xb5\x2f\xfd",
            b"P*M\x18\x01\0\0\0",
            b"BZh91AY&SY",
            b"\xfd7zXZ\0",
            &[0; 1024],
            b"{\"a\":\"\x7fELF\"}",
            b"{\"a\":\0}",
        ] {
            let shown = String::from_utf8_lossy(bytes);
            assert!(!is_document("text/spdx", bytes), "{shown}");
            assert!(
                !is_document("application/vnd.in-toto+json", bytes),
                "{shown}"
            );
        }
        let long = format!("{{\"payload\":\"{}\"}}", "A".repeat(2000));
        for bytes in [
            &b"{}"[..],
            b"\t{\r\n}",
            b"SPDXVersion: SPDX-2.3\n",
            "<?xml version=\"1.0\"?><bom>\u{e4}</bom>".as_bytes(),
            long.as_bytes(),
        ] {
            let shown = String::from_utf8_lossy(bytes);
            assert!(is_document("text/spdx", bytes), "{shown}");
            let is_json = bytes.contains(&b'{');
            let kind = "application/vnd.dsse.envelope.v1+json";
            assert_eq!(is_document(kind, bytes), is_json, "{shown}");
        }
    }

    #[test]
    fn only_types_on_the_list_are_attached() {
        assert!(is_attached_type(
            "application/vnd.dev.sigstore.bundle+json;version=0.3"
        ));
        assert!(is_attached_type("Application/vnd.in-toto+json"));
        for other in [
            "",
            "application/x-layer",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.in-toto+json2",
            "application/json",
        ] {
            assert!(!is_attached_type(other), "{other}");
        }
    }
}
