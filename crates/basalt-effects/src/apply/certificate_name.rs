//! OpenSSL's hash of a certificate's subject, by which it finds `<hash>.0` in a directory.

use der::{AnyRef, Decode, Reader, SliceReader, Tag, Tagged};
use sha1::{Digest as _, Sha1};

/// The most relative distinguished names of one subject that are read.
const MAXIMUM_NAMES: usize = 256;

/// The hash that names a link: the first four bytes, lowest first, of the SHA-1 of the subject in
/// canonical encoding (strings in UTF-8, lower-case, blanks collapsed; the outer header left out).
///
/// # Errors
/// When these bytes are no X.509 certificate in DER.
pub fn subject_hash(certificate: &[u8]) -> Result<u32, der::Error> {
    let certificate = sequence(AnyRef::from_der(certificate)?)?;
    let body = sequence(SliceReader::new(certificate)?.decode()?)?;
    let mut fields = SliceReader::new(body)?;
    let first: AnyRef<'_> = fields.decode()?;
    if first.tag().is_context_specific() {
        // The version; the serial number follows.
        let _serial: AnyRef<'_> = fields.decode()?;
    }
    let _algorithm: AnyRef<'_> = fields.decode()?;
    let _issuer: AnyRef<'_> = fields.decode()?;
    let _validity: AnyRef<'_> = fields.decode()?;
    let subject = canonical_name(sequence(fields.decode()?)?)?;
    let digest: [u8; 20] = Sha1::digest(&subject).into();
    Ok(u32::from_le_bytes([
        digest[0], digest[1], digest[2], digest[3],
    ]))
}

fn sequence(any: AnyRef<'_>) -> Result<&[u8], der::Error> {
    any.tag().assert_eq(Tag::Sequence)?;
    Ok(any.value())
}

/// All items of a constructed value.
fn items(bytes: &[u8]) -> Result<Vec<AnyRef<'_>>, der::Error> {
    let mut reader = SliceReader::new(bytes)?;
    let mut items = Vec::new();
    while !reader.is_finished() {
        if items.len() == MAXIMUM_NAMES {
            return Err(der::ErrorKind::Overflow.into());
        }
        items.push(reader.decode()?);
    }
    Ok(items)
}

fn canonical_name(name: &[u8]) -> Result<Vec<u8>, der::Error> {
    let mut result = Vec::new();
    for set in items(name)? {
        set.tag().assert_eq(Tag::Set)?;
        let mut members = Vec::new();
        for member in items(set.value())? {
            let parts = items(sequence(member)?)?;
            let [kind, value] = parts.as_slice() else {
                return Err(Tag::Sequence.value_error());
            };
            kind.tag().assert_eq(Tag::ObjectIdentifier)?;
            let mut body = encoded(Tag::ObjectIdentifier, kind.value());
            match text(value) {
                Some(text) => body.extend(encoded(Tag::Utf8String, &canonical_text(&text))),
                None => body.extend(encoded(value.tag(), value.value())),
            }
            members.push(encoded(Tag::Sequence, &body));
        }
        // DER sorts the members of a set.
        members.sort();
        result.extend(encoded(Tag::Set, &members.concat()));
    }
    Ok(result)
}

/// The UTF-8 of those kinds of string that OpenSSL makes canonical; `None` for all else.
fn text(value: &AnyRef<'_>) -> Option<Vec<u8>> {
    let bytes = value.value();
    let wide = |unit: usize| {
        let letters = bytes.chunks(unit).map(|chunk| {
            let number = chunk
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            char::from_u32(number)
        });
        letters.collect::<Option<String>>().map(String::into_bytes)
    };
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString => {
            Some(bytes.to_vec())
        }
        // T.61 is taken as Latin-1, as everyone does.
        Tag::TeletexString => wide(1),
        Tag::BmpString => wide(2),
        _ => None,
    }
}

/// Blanks at both ends dropped, blanks within collapsed, ASCII letters lower-case.
fn canonical_text(text: &[u8]) -> Vec<u8> {
    // OpenSSL's idea of a blank has the vertical tab, Rust's has not.
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    text.split(is_blank)
        .filter(|word| !word.is_empty())
        .map(<[u8]>::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join(&b' ')
}

fn encoded(tag: Tag, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(tag)];
    let length = value.len();
    if length < 0x80 {
        bytes.push(length as u8);
    } else {
        let digits = length.to_be_bytes();
        let digits = &digits[digits.iter().take_while(|byte| **byte == 0).count()..];
        bytes.push(0x80 | digits.len() as u8);
        bytes.extend_from_slice(digits);
    }
    bytes.extend_from_slice(value);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_case_do_not_count() {
        assert_eq!(canonical_text(b"  Some \t CA\x0b"), b"some ca");
        assert_eq!(canonical_text("ŐX".as_bytes()), "Őx".as_bytes());
    }

    #[test]
    fn garbage_is_no_certificate() {
        for bytes in [&b""[..], b"\x30\x03\x30\x01\x00", &[0x30; 40]] {
            assert!(subject_hash(bytes).is_err());
        }
    }
}
