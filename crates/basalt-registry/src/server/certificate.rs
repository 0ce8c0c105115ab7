//! The names in certificates of clients, which were verified before.

use std::collections::BTreeSet;
use std::sync::Arc;

use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::{AssociatedOid, ObjectIdentifier};
use x509_cert::der::{Any, Decode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::access::Vouched;

/// What the names of those begin with whom a certification authority vouches for.
pub(super) const PREFIX: &str = "cert";
/// The longest name that is taken, in bytes.
const MAXIMUM_NAME: usize = 255;
/// The common name of a subject (X.520).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Who has this certificate; nobody when it has no name that can be used.
pub(super) fn holder(certificate: &[u8]) -> Option<Arc<Vouched>> {
    let name = name(certificate)?;
    let sound = |letter: char| !letter.is_control() && letter != '"';
    let fits = !name.is_empty() && name.len() <= MAXIMUM_NAME && name.chars().all(sound);
    fits.then(|| {
        Arc::new(Vouched {
            name: format!("{PREFIX}:{name}"),
            groups: BTreeSet::new(),
        })
    })
}

/// The first URI of its alternative names, else the first DNS name, else the first e-mail address. Its common name counts
/// only where it has no alternative names at all: authorities look at that one less closely.
fn name(certificate: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?.tbs_certificate;
    let extensions = certificate.extensions.unwrap_or_default();
    let alternative = extensions
        .iter()
        .find(|extension| extension.extn_id == SubjectAltName::OID);
    if let Some(extension) = alternative {
        let names = SubjectAltName::from_der(extension.extn_value.as_bytes())
            .ok()?
            .0;
        let first = |pick: fn(&GeneralName) -> Option<&str>| names.iter().find_map(pick);
        let found = first(uri).or_else(|| first(dns)).or_else(|| first(email));
        return found.map(str::to_owned);
    }
    let parts = certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let mut common = parts.filter(|part| part.oid == COMMON_NAME);
    match (common.next(), common.next()) {
        (Some(part), None) => text(&part.value),
        _ => None,
    }
}

fn uri(name: &GeneralName) -> Option<&str> {
    match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str()),
        _ => None,
    }
}

fn dns(name: &GeneralName) -> Option<&str> {
    match name {
        GeneralName::DnsName(dns) => Some(dns.as_str()),
        _ => None,
    }
}

fn email(name: &GeneralName) -> Option<&str> {
    match name {
        GeneralName::Rfc822Name(email) => Some(email.as_str()),
        _ => None,
    }
}

fn text(value: &Any) -> Option<String> {
    let utf8 = value.decode_as::<Utf8StringRef<'_>>().ok();
    let printable = value.decode_as::<PrintableStringRef<'_>>().ok();
    let ascii = value.decode_as::<Ia5StringRef<'_>>().ok();
    utf8.map(|text| text.as_str().to_owned())
        .or_else(|| printable.map(|text| text.as_str().to_owned()))
        .or_else(|| ascii.map(|text| text.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_names_nobody() {
        for bytes in [&b""[..], b"\x30\x00", &[0x30; 64]] {
            assert_eq!(holder(bytes), None);
        }
    }
}
