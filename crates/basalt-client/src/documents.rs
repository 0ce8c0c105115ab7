//! What registries of `basalt serve` answer besides the distribution API: documents.

use basalt_fetch::address;
use serde_json::Value;
use ureq::http::Method;

use crate::error::ClientError;
use crate::registry::{Ask, Registry};
use crate::token::percent_encode;
use crate::transport::Payload;

/// The longest document that is read, in bytes.
const MAXIMUM_DOCUMENT: u64 = 16 << 20;
/// The most parts of a list that are asked for, and the most entries of all of them.
const MAXIMUM_PARTS: usize = 1000;
const MAXIMUM_ENTRIES: usize = 100_000;

impl Registry {
    /// Asks for the document at a path: `/basalt/v1/robots`.
    ///
    /// # Errors
    /// When the registry cannot be reached, is no `basalt serve`, or refuses it.
    pub fn document(&self, path: &str) -> Result<Value, ClientError> {
        self.exchange(Method::GET, path, None, &[])
    }

    /// All entries of the list `robots` or `sessions`, part by part; `key` is what they are in order of.
    ///
    /// # Errors
    /// As [`Registry::document`].
    pub fn documents(&self, list: &str, key: &str) -> Result<Vec<Value>, ClientError> {
        let mut entries: Vec<Value> = Vec::new();
        let mut last = String::new();
        for _ in 0..MAXIMUM_PARTS {
            let mut path = format!("/basalt/v1/{list}?n=1000&last=");
            percent_encode(&last, &mut path);
            let part = self.document(&path)?;
            let part = part[list].as_array().cloned().unwrap_or_default();
            let refused = |cause: &str| ClientError::Untrusted {
                url: format!("{}{path}", self.host()),
                cause: format!("its list of {list} {cause}"),
            };
            for entry in part.iter() {
                let next = entry[key].as_str().unwrap_or_default();
                // In order, it comes to an end.
                if next <= last.as_str() {
                    return Err(refused("is in no order"));
                }
                next.clone_into(&mut last);
            }
            if part.is_empty() {
                return Ok(entries);
            }
            entries.extend(part);
            if entries.len() > MAXIMUM_ENTRIES {
                return Err(refused("does not come to an end"));
            }
        }
        Err(ClientError::Untrusted {
            url: self.host().to_owned(),
            cause: format!("its list of {list} does not come to an end"),
        })
    }

    /// A page, from 1 on, of the images that have a package: `liblzma5 < 5.4`.
    ///
    /// # Errors
    /// As [`Registry::document`]; and when the question is none.
    pub fn search_packages(&self, query: &str, page: u64) -> Result<Value, ClientError> {
        let mut path = "/basalt/v1/search?package=".to_owned();
        percent_encode(query, &mut path);
        path.push_str(&format!("&page={page}"));
        self.exchange(Method::GET, &path, None, &["registry:catalog:*"])
            .map_err(|error| match error {
                ClientError::Status { status: 404, .. } => ClientError::NotFound {
                    place: self.host().to_owned(),
                    what: "a search for packages: `basalt serve` has one".to_owned(),
                },
                other => other,
            })
    }

    /// Sends a document to a path; what is answered.
    ///
    /// # Errors
    /// As [`Registry::document`].
    pub fn send_document(&self, path: &str, document: &Value) -> Result<Value, ClientError> {
        self.exchange(Method::POST, path, Some(document), &[])
    }

    /// Deletes what is at a path.
    ///
    /// # Errors
    /// As [`Registry::document`].
    pub fn delete_document(&self, path: &str) -> Result<(), ClientError> {
        self.exchange(Method::DELETE, path, None, &[]).map(drop)
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        document: Option<&Value>,
        scopes: &[&str],
    ) -> Result<Value, ClientError> {
        let bytes = document.map(|document| document.to_string().into_bytes());
        let kind = ("Content-Type", "application/json".to_owned());
        let answer = self.call(Ask {
            method,
            url: format!("{}{path}", self.base()?),
            headers: bytes.is_some().then_some(kind).into_iter().collect(),
            payload: bytes.as_deref().map_or(Payload::Nothing, Payload::Bytes),
            repository: "",
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        })?;
        match answer.status {
            200 | 201 => {
                let url = address::shown(&answer.url);
                let bytes = zeroize::Zeroizing::new(answer.bytes(MAXIMUM_DOCUMENT)?);
                serde_json::from_slice(&bytes).map_err(|cause| ClientError::Protocol {
                    url,
                    cause: format!("its answer is no JSON: {cause}"),
                })
            }
            204 => Ok(Value::Null),
            _ => Err(self.refusal(answer, "")),
        }
    }
}
