//! An event as it is sent: a CloudEvent (version 1.0, structured, JSON), signed as Standard Webhooks say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Action;
use crate::metadata::AuditEntry;

/// The event of a line of the audit log. Its id is the line's place, and so the same each time it is sent.
pub fn document(source: &str, chain: &str, line: &AuditEntry, action: Action) -> (String, Value) {
    let id = match chain {
        "" => line.sequence.to_string(),
        chain => format!("{chain}/{}", line.sequence),
    };
    let (tag, digest) = match action {
        Action::PushManifest | Action::DeleteManifest => (None, Some(line.object.as_str())),
        Action::DeleteTag => (Some(line.object.as_str()), None),
        Action::PushTag | Action::MoveTag => match line.object.split_once(" -> ") {
            Some((tag, digest)) => (Some(tag), Some(digest)),
            None => (Some(line.object.as_str()), None),
        },
    };
    let subject = match (tag, digest) {
        (Some(tag), _) => format!("{}:{tag}", line.repository),
        (None, digest) => format!("{}@{}", line.repository, digest.unwrap_or_default()),
    };
    let time = jiff::Timestamp::from_millisecond(line.author.moment).unwrap_or_default();
    let mut data = json!({
        "action": action,
        "repository": line.repository,
        "actor": {"name": line.author.name, "address": line.author.address},
    });
    for (name, value) in [("tag", tag), ("digest", digest)] {
        if let Some(value) = value {
            data[name] = json!(value);
        }
    }
    let document = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": action.kind(),
        "subject": subject,
        "time": format!("{time:.3}"),
        "datacontenttype": "application/json",
        "data": data,
    });
    (id, document)
}

/// The signature of what is sent, at this time in seconds: HMAC-SHA256 over `id.time.body`.
pub fn signature(secret: &[u8], id: &str, seconds: i64, body: &[u8]) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Author;

    fn line(action: &str, object: &str) -> AuditEntry {
        AuditEntry {
            sequence: 7,
            author: Author {
                name: "ann".to_owned(),
                address: "10.0.0.1".to_owned(),
                moment: 1_700_000_000_123,
            },
            action: action.to_owned(),
            repository: "team/app".to_owned(),
            object: object.to_owned(),
            hash: [0; 32],
        }
    }

    #[test]
    fn an_event_has_what_cloudevents_ask_for_and_the_same_id_each_time() {
        let moved = line("move tag", "v1 -> sha256:aa");
        let action = Action::of(&moved).expect("hooks are told of it");
        let (id, event) = document("urn:basalt:here", "", &moved, action);
        assert_eq!((id.as_str(), &event["id"]), ("7", &json!("7")));
        for (name, value) in [
            ("specversion", "1.0"),
            ("source", "urn:basalt:here"),
            ("type", "basalt.registry.tag.moved"),
            ("subject", "team/app:v1"),
            ("time", "2023-11-14T22:13:20.123Z"),
            ("datacontenttype", "application/json"),
        ] {
            assert_eq!(event[name], value);
        }
        assert_eq!(event["data"]["digest"], "sha256:aa");
        assert_eq!(document("x", "two", &moved, action).0, "two/7");
        assert_eq!(Action::of(&line("push blob", "sha256:aa")), None);
    }

    #[test]
    fn what_is_sent_is_signed_with_its_id_and_time() {
        let signed = signature(b"whsec", "7", 1_700_000_000, b"{\"a\":1}");
        assert_eq!(signed, "v1,b3CkwOMZ3teKDsvOVgopJebzfehdF3WtIcx4AF/yENM=");
    }
}
