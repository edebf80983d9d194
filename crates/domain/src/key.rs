//! Record keys: one integer, or a composite of several, ordered numerically part by part.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Written with padding, read with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A record's primary key: one integer or a composite of two or more.
///
/// The derived order compares part by part as numbers; a shorter key sorts before a longer one that
/// begins with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey(Vec<i64>);

/// Why a text is no record key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither an integer nor base64.
    #[error("invalid base64")]
    InvalidBase64,
    /// Base64, but of a text without a space.
    #[error("Invalid composite key format")]
    InvalidComposite,
    /// Well formed, but of a value that no record can have (a part that is no 64-bit integer).
    #[error("a key no record can have")]
    Unknowable,
}

impl RecordKey {
    /// The most parts a key may have; PostgreSQL allows no primary key of more columns.
    pub const MAX_PARTS: usize = 32;

    /// A key of one integer.
    pub fn integer(value: i64) -> Self {
        Self(vec![value])
    }

    /// A key of these parts; `None` for no parts or more than [`RecordKey::MAX_PARTS`].
    pub fn from_parts(parts: Vec<i64>) -> Option<Self> {
        (1..=Self::MAX_PARTS).contains(&parts.len()).then_some(Self(parts))
    }

    /// The parts, at least one.
    pub fn parts(&self) -> &[i64] {
        &self.0
    }

    /// The integer, if the key is a single one.
    pub fn as_integer(&self) -> Option<i64> {
        match self.0.as_slice() {
            [value] => Some(*value),
            _ => None,
        }
    }

    /// Whether the text has the form of an integer (an optional minus sign and decimal digits), in or out
    /// of range.
    pub fn looks_like_integer(text: &str) -> bool {
        let digits = text.strip_prefix('-').unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    }
}

/// An integer in decimal, a composite as padded URL-safe base64 of its parts joined by one space.
impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(value) = self.as_integer() {
            return write!(f, "{value}");
        }
        let joined = self.0.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
        f.write_str(&BASE64.encode(joined))
    }
}

impl FromStr for RecordKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if Self::looks_like_integer(text) {
            return text.parse().map(Self::integer).map_err(|_| KeyError::Unknowable);
        }
        let bytes = BASE64.decode(text).map_err(|_| KeyError::InvalidBase64)?;
        if !bytes.contains(&b' ') {
            return Err(KeyError::InvalidComposite);
        }
        let joined = String::from_utf8(bytes).map_err(|_| KeyError::Unknowable)?;
        let parts = joined.split(' ').map(str::parse).collect::<Result<Vec<i64>, _>>();
        parts.ok().and_then(Self::from_parts).ok_or(KeyError::Unknowable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn composite_is_padded_base64_and_read_without_padding() {
        let key = RecordKey::from_parts(vec![5, 100]).unwrap();
        assert_eq!(key.to_string(), "NSAxMDA=");
        assert_eq!("NSAxMDA=".parse(), Ok(key.clone()));
        assert_eq!("NSAxMDA".parse(), Ok(key));
    }

    #[test]
    fn bad_texts_are_told_apart() {
        assert_eq!("no base64!".parse::<RecordKey>(), Err(KeyError::InvalidBase64));
        assert_eq!("".parse::<RecordKey>(), Err(KeyError::InvalidComposite));
        assert_eq!("bm9zcGFjZQ".parse::<RecordKey>(), Err(KeyError::InvalidComposite));
        assert_eq!("99999999999999999999".parse::<RecordKey>(), Err(KeyError::Unknowable));
        assert_eq!("YSBi".parse::<RecordKey>(), Err(KeyError::Unknowable));
    }

    #[test]
    fn order_is_numeric() {
        let key = |parts: &[i64]| RecordKey::from_parts(parts.to_vec()).unwrap();
        assert!(key(&[9]) < key(&[10]));
        assert!(key(&[-1]) < key(&[0]));
        assert!(key(&[5, 9]) < key(&[5, 100]));
        assert!(key(&[5]) < key(&[5, i64::MIN]));
    }

    proptest! {
        #[test]
        fn display_parses_back(parts in prop::collection::vec(any::<i64>(), 1..=RecordKey::MAX_PARTS)) {
            let key = RecordKey::from_parts(parts).unwrap();
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }

        #[test]
        fn any_text_is_a_key_or_an_error(text in ".*") {
            let _ = text.parse::<RecordKey>();
        }
    }
}
