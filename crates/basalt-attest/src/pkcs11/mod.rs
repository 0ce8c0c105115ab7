//! Keys that a token keeps to itself (PKCS #11), named by a URI (RFC 7512).

mod token;
mod uri;

pub use token::TokenKey;
pub use uri::TokenUri;
