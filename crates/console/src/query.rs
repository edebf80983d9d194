//! Query strings and forms, and the addresses of pages.

use std::fmt::{self, Display};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use stocktake_web::pairs;

/// All characters but those that RFC 3986 calls unreserved are encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The most pairs that are looked at.
const MAX_PAIRS: usize = 256;

/// What a query string or a form says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// From the text of either.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let fields = pairs(text).take(MAX_PAIRS);
        Self(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The field's last value, without white space around it; `None` if it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.exact(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The field's last value as it is, which nobody wrote by hand: a name of a file may begin and end with white space.
    pub(crate) fn exact(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name)?;
        Some(found.1.as_str())
    }
}

/// The address of a page of ours.
#[derive(Debug, Clone)]
pub(crate) struct Address(String);

impl Address {
    /// The console's first page.
    pub(crate) fn console() -> Self {
        Self("/console".to_owned())
    }

    /// The page below it with this name.
    pub(crate) fn below(self, segment: impl Display) -> Self {
        let segment = segment.to_string();
        Self(format!("{}/{}", self.0, utf8_percent_encode(&segment, ENCODED)))
    }

    /// With this parameter, if there is a value.
    pub(crate) fn with(self, name: &str, value: Option<impl Display>) -> Self {
        let Some(value) = value else { return self };
        let mark = if self.0.contains('?') { '&' } else { '?' };
        let value = value.to_string();
        Self(format!("{}{mark}{name}={}", self.0, utf8_percent_encode(&value, ENCODED)))
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path of ours that somebody asked for and is to come back to; anything else is not taken.
pub(crate) fn own_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("/console")?;
    let is_ours = rest.is_empty() || rest.starts_with(['/', '?']);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (is_ours && is_plain && !text.contains("//")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_an_empty_one_is_none() {
        let fields = Fields::parse(b"a=1&b=+&a=+2+&c");
        assert_eq!(
            (fields.get("a"), fields.get("b"), fields.get("c"), fields.get("d")),
            (Some("2"), None, None, None)
        );
        assert_eq!((fields.exact("a"), fields.exact("b"), fields.exact("d")), (Some(" 2 "), Some(" "), None));
    }

    #[test]
    fn addresses_are_encoded() {
        let address =
            Address::console().below("models").below("a/b?").with("x", Some("&=ä")).with("y", None::<u8>);
        assert_eq!(address.with("z", Some(1)).to_string(), "/console/models/a%2Fb%3F?x=%26%3D%C3%A4&z=1");
    }

    #[test]
    fn only_a_path_of_ours_is_gone_back_to() {
        for ours in ["/console", "/console/jobs?x=%2F%2F", "/console?state=failed"] {
            assert_eq!(own_path(ours), Some(ours));
        }
        for other in [
            "//evil.example",
            "/consolex",
            "/console//evil.example",
            "https://evil.example",
            "/console/\\x",
            "/",
            "",
        ] {
            assert_eq!(own_path(other), None, "{other}");
        }
    }
}
