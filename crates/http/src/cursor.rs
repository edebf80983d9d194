//! The cursor of keyset pagination: opaque, URL-safe, and bound to a direction and a key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stocktake_domain::RecordKey;
use stocktake_domain::ports::PageStart;

/// The prefix of each cursor, which distinguishes it from another version.
const VERSION: char = '1';
const FORWARD: char = 'n';
const BACKWARD: char = 'p';

/// Where a page begins, and in which direction from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// The page right after this key in the list's order.
    After(RecordKey),
    /// The page right before this key in the list's order.
    Before(RecordKey),
}

impl Cursor {
    /// The text to hand out.
    pub(crate) fn encode(&self) -> String {
        let (direction, key) = match self {
            Self::After(key) => (FORWARD, key),
            Self::Before(key) => (BACKWARD, key),
        };
        URL_SAFE_NO_PAD.encode(format!("{VERSION}{direction}{}", joined(key)))
    }

    /// The cursor of a text handed out before; `None` for any other.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let rest = plain.strip_prefix(VERSION)?;
        let direction = rest.chars().next()?;
        let key = split(rest.strip_prefix(direction)?)?;
        match direction {
            FORWARD => Some(Self::After(key)),
            BACKWARD => Some(Self::Before(key)),
            _ => None,
        }
    }

    /// The key.
    pub(crate) fn key(&self) -> &RecordKey {
        match self {
            Self::After(key) | Self::Before(key) => key,
        }
    }
}

/// The parts of a key as one text.
pub(crate) fn joined(key: &RecordKey) -> String {
    key.parts().iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
}

/// The key whose parts were joined so.
pub(crate) fn split(text: &str) -> Option<RecordKey> {
    let parts = text.split(' ').map(|part| part.parse().ok());
    RecordKey::from_parts(parts.collect::<Option<_>>()?)
}

impl From<Cursor> for PageStart {
    fn from(cursor: Cursor) -> Self {
        match cursor {
            Cursor::After(key) => Self::After(key),
            Cursor::Before(key) => Self::Before(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn foreign_texts_are_no_cursors() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        assert!(Cursor::decode(&encode("1n5")).is_some());
        for text in ["", "1", "1n", "1x5", "2n5", "n5", "1n5 ", "1n5,6", "1nfive", "1n99999999999999999999"] {
            assert_eq!(Cursor::decode(&encode(text)), None, "{text}");
        }
        for text in ["", "!", "1n5", "\u{e9}", "////", "eyJpZCI6IjQyIn0"] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn decodes_back_and_is_url_safe(
            parts in prop::collection::vec(any::<i64>(), 1..=RecordKey::MAX_PARTS),
            forward in any::<bool>(),
        ) {
            let key = RecordKey::from_parts(parts).unwrap();
            let cursor = if forward { Cursor::After(key) } else { Cursor::Before(key) };
            let text = cursor.encode();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(Cursor::decode(&text), Some(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_none(text in ".*") {
            let _ = Cursor::decode(&text);
        }
    }
}
