//! Digests: their algorithms, their values and the text forms.

use std::fmt;
use std::str::FromStr;

/// A digest algorithm that checksums are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// MD5, 16 bytes; for comparison with digests that were recorded so.
    Md5,
}

impl Algorithm {
    /// The name in configuration, import lines and failure texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Md5 => "md5",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = ParseDigestError;

    fn from_str(name: &str) -> Result<Self, ParseDigestError> {
        match name {
            "sha256" => Ok(Self::Sha256),
            "md5" => Ok(Self::Md5),
            _ => Err(ParseDigestError::Algorithm),
        }
    }
}

/// Which algorithms to run over content in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Algorithms {
    /// Calculate SHA-256.
    pub sha256: bool,
    /// Calculate MD5.
    pub md5: bool,
}

impl Algorithms {
    /// This set and one more.
    #[must_use]
    pub const fn with(mut self, algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => self.sha256 = true,
            Algorithm::Md5 => self.md5 = true,
        }
        self
    }
}

/// The digests calculated in one pass over content, one for each algorithm that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digests {
    /// SHA-256, where asked for.
    pub sha256: Option<[u8; 32]>,
    /// MD5, where asked for.
    pub md5: Option<[u8; 16]>,
}

impl Digests {
    /// The digest of this algorithm, if it was calculated.
    pub fn get(&self, algorithm: Algorithm) -> Option<Digest> {
        match algorithm {
            Algorithm::Sha256 => self.sha256.map(Digest::Sha256),
            Algorithm::Md5 => self.md5.map(Digest::Md5),
        }
    }
}

/// A digest with its algorithm.
///
/// `Display` is the lower-case hex alone; [`FromStr`] and [`Digest::tagged`] use the form
/// `<algorithm>:<hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// MD5.
    Md5([u8; 16]),
}

impl Digest {
    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Md5(_) => Algorithm::Md5,
        }
    }

    /// The raw bytes, whose number tells the algorithm.
    pub const fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Md5(bytes) => bytes,
        }
    }

    /// The digest of these bytes: 32 are SHA-256, 16 are MD5, any other number is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let sha256 = bytes.try_into().map(Self::Sha256);
        sha256.or_else(|_| bytes.try_into().map(Self::Md5)).ok()
    }

    /// `<algorithm>:<hex>`, as in an import line.
    pub fn tagged(&self) -> String {
        format!("{}:{self}", self.algorithm())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.bytes()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tagged())
    }
}

/// Why a text is no tagged digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestError {
    /// No `sha256:` or `md5:` in front.
    #[error("a digest begins with sha256: or md5:")]
    Algorithm,
    /// The hex has the wrong length or other characters.
    #[error("sha256: is followed by 64 and md5: by 32 hexadecimal digits")]
    Hex,
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (name, digits) = text.split_once(':').ok_or(ParseDigestError::Algorithm)?;
        let algorithm: Algorithm = name.parse()?;
        let bytes = hex::decode(digits).map_err(|_| ParseDigestError::Hex)?;
        Self::from_bytes(&bytes).filter(|digest| digest.algorithm() == algorithm).ok_or(ParseDigestError::Hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tagged_form_parses_back() {
        for digest in [Digest::Sha256([0xab; 32]), Digest::Md5([1; 16])] {
            assert_eq!(digest.tagged().parse(), Ok(digest));
            assert_eq!(Digest::from_bytes(digest.bytes()), Some(digest));
        }
    }

    #[test]
    fn wrong_forms_are_refused() {
        assert_eq!("abc".parse::<Digest>(), Err(ParseDigestError::Algorithm));
        assert_eq!("sha1:abcd".parse::<Digest>(), Err(ParseDigestError::Algorithm));
        assert_eq!("md5:zz".parse::<Digest>(), Err(ParseDigestError::Hex));
        assert_eq!(format!("sha256:{}", "0".repeat(32)).parse::<Digest>(), Err(ParseDigestError::Hex));
    }
}
