//! The cursor of findings: opaque and URL-safe, it carries a model and a key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stocktake_domain::{Model, RecordKey};

use crate::cursor;

/// The prefix of each cursor, which distinguishes it from another version and from the cursors of other lists.
const VERSION: &str = "f1 ";

/// A position in the list of all findings: right after a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FindingsCursor {
    /// The record's model.
    pub(super) model: Model,
    /// The record's key.
    pub(super) key: RecordKey,
}

impl FindingsCursor {
    /// The text to hand out.
    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{VERSION}{} {}", self.model, cursor::joined(&self.key)))
    }

    /// The cursor of a text handed out before; `None` for any other.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (model, parts) = plain.strip_prefix(VERSION)?.split_once(' ')?;
        Some(Self { model: model.parse().ok()?, key: cursor::split(parts)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Cursor;
    use crate::testing::key;

    #[test]
    fn decodes_back_and_is_url_safe() {
        for model in Model::ALL {
            for key in [key(&[i64::MIN]), key(&[5, 100])] {
                let place = FindingsCursor { model, key };
                let text = place.encode();
                assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
                assert_eq!(FindingsCursor::decode(&text), Some(place));
            }
        }
    }

    #[test]
    fn foreign_texts_are_no_places() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        assert!(FindingsCursor::decode(&encode("f1 uploads 5")).is_some());
        for text in ["", "f1 uploads", "f1 uploads ", "f1 upload 5", "f2 uploads 5", "f1 uploads five", "1n5"]
        {
            assert_eq!(FindingsCursor::decode(&encode(text)), None, "{text}");
        }
        for text in ["", "!", &Cursor::After(key(&[5])).encode()] {
            assert_eq!(FindingsCursor::decode(text), None, "{text}");
        }
    }
}
