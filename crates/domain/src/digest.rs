//! Digests: their algorithms, their values and the text forms.

use std::fmt;
use std::str::FromStr;

use crate::named::named;

named! {
    /// A digest algorithm that checksums are made with.
    pub enum Algorithm {
        /// SHA-256, 32 bytes.
        Sha256 = "sha256",
        /// MD5, 16 bytes; for comparison with digests that were recorded so.
        Md5 = "md5",
        /// SHA-1, 20 bytes; for comparison with digests that were recorded so.
        Sha1 = "sha1",
        /// Gitaly's own checksum of a git repository's refs, 20 bytes: the exclusive or of the SHA-1 of each line
        /// of `git show-ref --head` that Gitaly looks at.
        Gitaly = "gitaly",
        /// The size alone, which is all that GitLab's own check looks at in object storage.
        Size = "size",
    }
    /// The name in configuration, import lines and failure texts.
    fn name;
}

/// Knows the two that checksums to show are made with.
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
#[expect(clippy::struct_excessive_bools, reason = "a set, with a member for each algorithm")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Algorithms {
    /// Calculate SHA-256.
    pub sha256: bool,
    /// Calculate MD5.
    pub md5: bool,
    /// Calculate SHA-1.
    pub sha1: bool,
    /// Calculate Gitaly's checksum, which only a git repository has.
    pub gitaly: bool,
}

impl Algorithms {
    /// This set and one more. A size needs no calculation.
    #[must_use]
    pub const fn with(mut self, algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => self.sha256 = true,
            Algorithm::Md5 => self.md5 = true,
            Algorithm::Sha1 => self.sha1 = true,
            Algorithm::Gitaly => self.gitaly = true,
            Algorithm::Size => {}
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
    /// SHA-1, where asked for.
    pub sha1: Option<[u8; 20]>,
    /// Gitaly's checksum, where asked for.
    pub gitaly: Option<[u8; 20]>,
}

impl Digests {
    /// The digest of this algorithm, if it was calculated.
    pub fn get(&self, algorithm: Algorithm) -> Option<Digest> {
        match algorithm {
            Algorithm::Sha256 => self.sha256.map(Digest::Sha256),
            Algorithm::Md5 => self.md5.map(Digest::Md5),
            Algorithm::Sha1 => self.sha1.map(Digest::Sha1),
            Algorithm::Gitaly => self.gitaly.map(Digest::Gitaly),
            Algorithm::Size => None,
        }
    }
}

/// A digest with its algorithm.
///
/// `Display` is the text that is shown as checksum; [`FromStr`] and [`Digest::tagged`] use the form
/// `<algorithm>:<hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-256, shown as 64 hexadecimal digits.
    Sha256([u8; 32]),
    /// MD5, shown as 32 hexadecimal digits.
    Md5([u8; 16]),
    /// SHA-1, shown as 40 hexadecimal digits.
    Sha1([u8; 20]),
    /// Gitaly's checksum, shown as Gitaly shows it: hexadecimal without leading zero bytes, or forty zeros.
    Gitaly([u8; 20]),
    /// What an object store says of an object that was not read.
    Metadata(Metadata),
}

/// What an object store says of an object. It is no proof of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metadata {
    /// The SHA-256 that the store keeps.
    Sha256([u8; 32]),
    /// The MD5 that the store keeps.
    Md5([u8; 16]),
    /// The size in bytes, shown as GitLab shows it: decimal, with an even number of digits.
    Size(u64),
    /// The SHA-256 that the store computed of the bytes that it holds.
    AtRestSha256([u8; 32]),
    /// The SHA-1 that the store computed of the bytes that it holds.
    AtRestSha1([u8; 20]),
    /// The MD5 that the store computed of the bytes that it holds.
    AtRestMd5([u8; 16]),
}

named! {
    /// What a good verdict rests on, the weakest first.
    pub enum EvidenceLevel {
        /// The size alone, as the store says it.
        SizeOnly = "size_only",
        /// A digest that the store keeps from the upload: it says what was stored, not what is there.
        SaidByStore = "said_by_store",
        /// A digest that the store computed of the bytes that it holds.
        ComputedAtRest = "computed_at_rest",
        /// The bytes, which were read and hashed here.
        Read = "read",
    }
    /// The name in the API, in documents and in exports.
    fn name;
}

impl EvidenceLevel {
    /// What it means of a checksum, for people; `None` of one of bytes that were read, as is usual.
    pub const fn remark(self) -> Option<&'static str> {
        match self {
            Self::Read => None,
            Self::ComputedAtRest => Some("computed by the store of what it holds"),
            Self::SaidByStore => Some("as the store keeps it from the upload"),
            Self::SizeOnly => Some("only the size, as the store says it"),
        }
    }
}

impl Metadata {
    /// What it is worth as evidence.
    pub const fn level(self) -> EvidenceLevel {
        match self {
            Self::Size(_) => EvidenceLevel::SizeOnly,
            Self::Sha256(_) | Self::Md5(_) => EvidenceLevel::SaidByStore,
            Self::AtRestSha256(_) | Self::AtRestSha1(_) | Self::AtRestMd5(_) => EvidenceLevel::ComputedAtRest,
        }
    }
}

impl Digest {
    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) | Self::Metadata(Metadata::Sha256(_) | Metadata::AtRestSha256(_)) => {
                Algorithm::Sha256
            }
            Self::Md5(_) | Self::Metadata(Metadata::Md5(_) | Metadata::AtRestMd5(_)) => Algorithm::Md5,
            Self::Sha1(_) | Self::Metadata(Metadata::AtRestSha1(_)) => Algorithm::Sha1,
            Self::Gitaly(_) => Algorithm::Gitaly,
            Self::Metadata(Metadata::Size(_)) => Algorithm::Size,
        }
    }

    /// What a verdict with this checksum rests on.
    pub const fn level(&self) -> EvidenceLevel {
        match self {
            Self::Sha256(_) | Self::Md5(_) | Self::Sha1(_) | Self::Gitaly(_) => EvidenceLevel::Read,
            Self::Metadata(metadata) => metadata.level(),
        }
    }

    /// `<algorithm>:<text>`, as in an import line.
    pub fn tagged(&self) -> String {
        format!("{}:{self}", self.algorithm())
    }

    /// Whether it says the same as this digest, whoever made either of them.
    pub fn agrees_with(&self, other: &Self) -> bool {
        match (self.as_if_read(), other.as_if_read()) {
            (Some(one), Some(other)) => one == other,
            _ => self == other,
        }
    }

    /// Whether the two say the same of the content; `None` if they are of different kinds, which says nothing.
    pub fn compare(&self, other: &Self) -> Option<bool> {
        (self.algorithm() == other.algorithm()).then(|| self.agrees_with(other))
    }

    /// The digest that reading would give if the metadata are true; `None` for a size.
    fn as_if_read(self) -> Option<Self> {
        match self {
            Self::Metadata(Metadata::Sha256(bytes) | Metadata::AtRestSha256(bytes)) => {
                Some(Self::Sha256(bytes))
            }
            Self::Metadata(Metadata::Md5(bytes) | Metadata::AtRestMd5(bytes)) => Some(Self::Md5(bytes)),
            Self::Metadata(Metadata::AtRestSha1(bytes)) => Some(Self::Sha1(bytes)),
            Self::Metadata(Metadata::Size(_)) => None,
            digest => Some(digest),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(bytes) | Self::Metadata(Metadata::Sha256(bytes) | Metadata::AtRestSha256(bytes)) => {
                write_hex(f, bytes)
            }
            Self::Md5(bytes) | Self::Metadata(Metadata::Md5(bytes) | Metadata::AtRestMd5(bytes)) => {
                write_hex(f, bytes)
            }
            Self::Sha1(bytes) | Self::Metadata(Metadata::AtRestSha1(bytes)) => write_hex(f, bytes),
            Self::Gitaly(bytes) => {
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                let shown = bytes.get(zeros..).filter(|rest| !rest.is_empty()).unwrap_or(bytes);
                write_hex(f, shown)
            }
            Self::Metadata(Metadata::Size(size)) => {
                let digits = size.to_string();
                let padding = if digits.len().is_multiple_of(2) { "" } else { "0" };
                write!(f, "{padding}{digits}")
            }
        }
    }
}

/// Writes hexadecimal digits without a text of their own: a page has a digest for each of its records.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let mut digits = [0; 64];
    let digits = digits.get_mut(..2 * bytes.len()).ok_or(fmt::Error)?;
    hex::encode_to_slice(bytes, digits).map_err(|_| fmt::Error)?;
    f.write_str(std::str::from_utf8(digits).map_err(|_| fmt::Error)?)
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tagged())
    }
}

/// Why a text is no tagged digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestError {
    /// No `sha256:`, `sha1:` or `md5:` in front.
    #[error("a digest begins with sha256:, sha1: or md5:")]
    Algorithm,
    /// The hex has the wrong length or other characters.
    #[error("sha256: is followed by 64, sha1: by 40 and md5: by 32 hexadecimal digits")]
    Hex,
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (name, digits) = text.split_once(':').ok_or(ParseDigestError::Algorithm)?;
        let bytes = hex::decode(digits);
        let bytes = || bytes.as_deref().map_err(|_| ParseDigestError::Hex);
        match name {
            "sha256" => bytes()?.try_into().map(Self::Sha256),
            "sha1" => bytes()?.try_into().map(Self::Sha1),
            "md5" => bytes()?.try_into().map(Self::Md5),
            _ => return Err(ParseDigestError::Algorithm),
        }
        .map_err(|_| ParseDigestError::Hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tagged_form_parses_back() {
        for digest in [Digest::Sha256([0xab; 32]), Digest::Md5([1; 16]), Digest::Sha1([2; 20])] {
            assert_eq!(digest.tagged().parse(), Ok(digest));
        }
    }

    #[test]
    fn checksums_are_shown_as_gitlab_shows_its_own() {
        let size = |bytes| Digest::Metadata(Metadata::Size(bytes)).to_string();
        // The values of GitLab's own tests.
        assert_eq!([size(12), size(123), size(0)], ["12", "0123", "00"]);
        let mut gitaly = [0; 20];
        assert_eq!(Digest::Gitaly(gitaly).to_string(), "0".repeat(40));
        gitaly[1..].fill(0xab);
        assert_eq!(Digest::Gitaly(gitaly).to_string(), "ab".repeat(19));
    }

    #[test]
    fn what_a_store_keeps_agrees_with_what_reading_gives() {
        let kept = Digest::Metadata(Metadata::Md5([1; 16]));
        assert!(kept.agrees_with(&Digest::Md5([1; 16])) && kept != Digest::Md5([1; 16]));
        assert!(!kept.agrees_with(&Digest::Md5([2; 16])));
        assert!(!Digest::Metadata(Metadata::Size(1)).agrees_with(&Digest::Metadata(Metadata::Size(2))));
    }

    #[test]
    fn a_checksum_says_what_it_rests_on() {
        for (digest, level) in [
            (Digest::Sha256([1; 32]), EvidenceLevel::Read),
            (Digest::Metadata(Metadata::AtRestSha1([1; 20])), EvidenceLevel::ComputedAtRest),
            (Digest::Metadata(Metadata::Md5([1; 16])), EvidenceLevel::SaidByStore),
            (Digest::Metadata(Metadata::Size(1)), EvidenceLevel::SizeOnly),
        ] {
            assert_eq!(digest.level(), level, "{digest:?}");
        }
        assert!(EvidenceLevel::ALL.is_sorted());
        let at_rest = Digest::Metadata(Metadata::AtRestSha1([1; 20]));
        assert!(at_rest.agrees_with(&Digest::Sha1([1; 20])) && !at_rest.agrees_with(&Digest::Sha1([2; 20])));
    }

    #[test]
    fn only_digests_of_one_kind_can_be_compared() {
        let sha = Digest::Sha256([1; 32]);
        assert_eq!(sha.compare(&Digest::Metadata(Metadata::Sha256([1; 32]))), Some(true));
        assert_eq!(sha.compare(&Digest::Sha256([2; 32])), Some(false));
        assert_eq!(sha.compare(&Digest::Gitaly([1; 20])), None);
    }

    #[test]
    fn wrong_forms_are_refused() {
        assert_eq!("abc".parse::<Digest>(), Err(ParseDigestError::Algorithm));
        assert_eq!("sha512:abcd".parse::<Digest>(), Err(ParseDigestError::Algorithm));
        assert_eq!("sha1:abcd".parse::<Digest>(), Err(ParseDigestError::Hex));
        assert_eq!("md5:zz".parse::<Digest>(), Err(ParseDigestError::Hex));
        assert_eq!(format!("sha256:{}", "0".repeat(32)).parse::<Digest>(), Err(ParseDigestError::Hex));
    }
}
