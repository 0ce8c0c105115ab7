//! What a registry of Basalt tells besides the API of the specification: which images have a package.

use basalt_fetch::address;
use serde_json::Value;
use ureq::http::Method;

use crate::error::ClientError;
use crate::registry::{Ask, Registry};
use crate::transport::Payload;

/// The longest answer that is read, in bytes.
const MAXIMUM_ANSWER: u64 = 16 << 20;

impl Registry {
    /// A page, from 1 on, of the images that have a package: `liblzma5 < 5.4`.
    ///
    /// # Errors
    /// When the registry cannot be reached, is none of Basalt, refuses who asks, or the question is none.
    pub fn search_packages(&self, query: &str, page: u64) -> Result<Value, ClientError> {
        let query = encode(query);
        let url = format!(
            "{}/basalt/v1/search?package={query}&page={page}",
            self.base()?
        );
        let answer = self.call(Ask {
            method: Method::GET,
            url,
            headers: Vec::new(),
            payload: Payload::Nothing,
            repository: "",
            scopes: vec!["registry:catalog:*".to_owned()],
        })?;
        match answer.status {
            200 => {}
            404 => {
                answer.finish();
                return Err(ClientError::NotFound {
                    place: self.host().to_owned(),
                    what: "a search for packages: `basalt serve` has one".to_owned(),
                });
            }
            _ => return Err(self.refusal(answer, "")),
        }
        let shown = address::shown(&answer.url);
        serde_json::from_slice(&answer.bytes(MAXIMUM_ANSWER)?).map_err(|error| {
            ClientError::Protocol {
                url: shown,
                cause: format!("its answer is no JSON: {error}"),
            }
        })
    }
}

/// A text as a query has it (RFC 3986).
fn encode(text: &str) -> String {
    let mut written = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                written.push(byte as char);
            }
            other => written.push_str(&format!("%{other:02X}")),
        }
    }
    written
}
