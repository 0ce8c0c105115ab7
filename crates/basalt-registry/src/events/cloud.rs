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
