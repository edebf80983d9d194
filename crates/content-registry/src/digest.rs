//! Digests as registries write them: `<algorithm>:<hexadecimal>`.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

/// The digest of a manifest, config or layer, with one of the two algorithms that the image specification
/// registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Digest {
    /// `sha256:`, 64 digits.
    Sha256([u8; 32]),
    /// `sha512:`, 128 digits.
    Sha512([u8; 64]),
}

impl Digest {
    /// The name of the algorithm and the digits.
    pub(crate) fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Sha256(bytes) => ("sha256", hex::encode(bytes)),
            Self::Sha512(bytes) => ("sha512", hex::encode(bytes)),
        }
    }
}

impl Digest {
    /// Whether it is that of these bytes.
    pub(crate) fn is_of(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Sha256(digest) => Sha256::digest(bytes).as_slice() == digest,
            Self::Sha512(digest) => Sha512::digest(bytes).as_slice() == digest,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (algorithm, digits) = self.parts();
        write!(f, "{algorithm}:{digits}")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a digest that can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseDigestError {
    /// The algorithm is neither sha256 nor sha512.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// The wrong number of digits, or characters other than lower-case hexadecimal digits.
    #[error("malformed digest")]
    Digits,
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (algorithm, digits) = text.split_once(':').ok_or(ParseDigestError::Digits)?;
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ParseDigestError::Digits);
        }
        let bytes = || hex::decode(digits).map_err(|_| ParseDigestError::Digits);
        match algorithm {
            "sha256" => bytes()?.as_slice().try_into().map(Self::Sha256),
            "sha512" => bytes()?.as_slice().try_into().map(Self::Sha512),
            _ => return Err(ParseDigestError::Algorithm),
        }
        .map_err(|_| ParseDigestError::Digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_its_bytes_alone() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let empty: Digest = empty.parse().unwrap();
        assert!(empty.is_of(b"") && !empty.is_of(b"a"));
        let other = Digest::Sha512(Sha512::digest(b"a").into());
        assert!(other.is_of(b"a") && !other.is_of(b""));
    }

    #[test]
    fn the_text_parses_back_and_wrong_texts_are_told_apart() {
        for text in [format!("sha256:{}", "0a".repeat(32)), format!("sha512:{}", "f1".repeat(64))] {
            assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        }
        for (text, error) in [
            ("", ParseDigestError::Digits),
            ("sha256", ParseDigestError::Digits),
            ("sha256:00", ParseDigestError::Digits),
            ("sha256:zz", ParseDigestError::Digits),
            ("sha384:00", ParseDigestError::Algorithm),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(error), "{text}");
        }
        let upper = format!("sha256:{}", "0A".repeat(32));
        assert_eq!(upper.parse::<Digest>(), Err(ParseDigestError::Digits));
    }
}
