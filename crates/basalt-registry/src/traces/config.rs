//! Where spans go, as the configuration has it.

use serde::Deserialize;

/// The longest address of a collector, in bytes.
const MAXIMUM_URL: usize = 2000;

/// Where spans of requests go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TracesConfig {
    /// A collector that takes OTLP over HTTP: `http://collector.example:4318`.
    pub url: String,
    /// Of a hundred traces that begin here, how many are kept; all when nothing is said.
    pub percent: Option<u8>,
}

impl TracesConfig {
    /// Finds what its types let pass.
    ///
    /// # Errors
    /// The word that is wrong, what is wrong with it, and what to do.
    pub fn check(&self) -> Result<(), (&str, String, &'static str)> {
        if !is_collector(&self.url) {
            let message = format!("`{}` is no address of a collector", self.url);
            return Err((
                &self.url,
                message,
                "write it as `http://collector.example:4318`",
            ));
        }
        if self.percent.is_some_and(|percent| percent > 100) {
            let message = "there cannot be more than 100 of a hundred".to_owned();
            return Err(("percent", message, "write a number from 0 to 100"));
        }
        Ok(())
    }
}

/// Whether a collector of traces may be there. Its address is told in messages: it holds no password.
pub(crate) fn is_collector(url: &str) -> bool {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let sound = |byte: u8| byte.is_ascii_graphic() && !b"@?#\\\"'<>".contains(&byte);
    rest.is_some_and(|rest| {
        let is_named = !rest.is_empty() && !rest.starts_with('/');
        is_named && url.len() <= MAXIMUM_URL && rest.bytes().all(sound)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_collector_holds_no_password_and_no_query() {
        for sound in [
            "http://c",
            "https://c.example:4318/v1/traces",
            "http://[::1]:4318",
        ] {
            assert!(is_collector(sound), "{sound}");
        }
        for wrong in [
            "",
            "c:4318",
            "http://",
            "http:///x",
            "http://a:b@c",
            "http://c?key=x",
            "http://c d",
        ] {
            assert!(!is_collector(wrong), "{wrong}");
        }
    }
}
