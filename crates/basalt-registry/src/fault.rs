//! What a request is refused with (OCI distribution specification, *Error codes*).

use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

/// A code of the specification, or of those that clients of Docker's registry know besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// A blob is not in the repository.
    BlobUnknown,
    /// What an upload was sent does not fit.
    BlobUploadInvalid,
    /// There is no such upload.
    BlobUploadUnknown,
    /// A digest is none, or is not that of what came.
    DigestInvalid,
    /// A manifest names what the repository does not have.
    ManifestBlobUnknown,
    /// A manifest is not sound.
    ManifestInvalid,
    /// There is no such manifest.
    ManifestUnknown,
    /// A name is none.
    NameInvalid,
    /// There is no such repository.
    NameUnknown,
    /// A length does not fit.
    SizeInvalid,
    /// A tag is none.
    TagInvalid,
    /// A number of entries is none.
    PaginationNumberInvalid,
    /// Who asks is to say who they are.
    Unauthorized,
    /// Who asks may not.
    Denied,
    /// That cannot be done here.
    Unsupported,
    /// Too much at once.
    #[serde(rename = "TOOMANYREQUESTS")]
    TooManyRequests,
    /// The server is at fault.
    Unknown,
    /// It may go better later.
    Unavailable,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The status of HTTP.
    pub status: StatusCode,
    /// The code.
    pub code: Code,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// What is wrong, for programs.
    pub detail: Option<Box<Value>>,
    /// Headers that belong to it.
    pub headers: Vec<(&'static str, String)>,
}

impl Fault {
    /// A fault with the status that belongs to its code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let status = match code {
            Code::BlobUnknown
            | Code::BlobUploadUnknown
            | Code::ManifestBlobUnknown
            | Code::ManifestUnknown
            | Code::NameUnknown => StatusCode::NOT_FOUND,
            Code::BlobUploadInvalid
            | Code::DigestInvalid
            | Code::ManifestInvalid
            | Code::NameInvalid
            | Code::SizeInvalid
            | Code::TagInvalid
            | Code::PaginationNumberInvalid => StatusCode::BAD_REQUEST,
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::Denied => StatusCode::FORBIDDEN,
            Code::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Code::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self {
            status,
            code,
            message: message.into(),
            detail: None,
            headers: Vec::new(),
        }
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With what is wrong, for programs.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = Some(Box::new(detail));
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The document that tells of it.
    pub fn document(&self) -> Vec<u8> {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(detail) = &self.detail {
            error["detail"] = Value::clone(detail);
        }
        json!({"errors": [error]}).to_string().into_bytes()
    }

    /// The server cannot do it now, but may soon.
    pub fn passing() -> Self {
        let message = "the registry cannot reach its database or its store of blobs; try again";
        Self::new(Code::Unavailable, message).header("retry-after", "5")
    }

    /// What was sent has no room on the server's disk (RFC 4918, section 11.5). Nothing of it is kept.
    pub fn full() -> Self {
        let message = "the registry's disk is full: it takes nothing until there is room, and still gives and deletes what it has";
        Self::new(Code::Unavailable, message).status(StatusCode::INSUFFICIENT_STORAGE)
    }

    /// Something in the server failed; the log says what, the client only that.
    pub fn internal() -> Self {
        Self::new(
            Code::Unknown,
            "the registry failed; its log says more under this request's id",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_the_specification_has_them() {
        let fault = Fault::new(Code::BlobUploadUnknown, "no \"such\" upload");
        let text = String::from_utf8(fault.document()).expect("UTF-8");
        assert_eq!(
            text,
            r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"no \"such\" upload"}]}"#
        );
        let denied = Fault::new(Code::Denied, "").detail(json!({"quota": 5}));
        let text = String::from_utf8(denied.document()).expect("UTF-8");
        assert!(text.ends_with(r#""detail":{"quota":5}}]}"#), "{text}");
        let many = Fault::new(Code::TooManyRequests, "");
        assert!(String::from_utf8_lossy(&many.document()).contains("TOOMANYREQUESTS"));
    }
}
