//! What was seen of the content, what it is compared with, and the verdict.

use crate::digest::{Algorithm, Algorithms, Digest, Digests};
use crate::failure::Failure;
use crate::model::Model;
use crate::verification::Baseline;

/// What a content adapter saw when it read all of a record's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Bytes read.
    pub size: u64,
    /// The digests that were asked for.
    pub digests: Digests,
}

/// Why a content adapter could not see the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Nothing there. `at` is the whole path or key that was looked for.
    #[error("no file at {at}")]
    MissingFile {
        /// The whole path or key.
        at: String,
    },
    /// No repository there, though one must be.
    #[error("no repository")]
    MissingRepository,
    /// There, but it cannot be read; the text is what the system said.
    #[error("{0}")]
    Unreadable(String),
    /// The location cannot hold content (it leaves its storage, or the storage is not known).
    #[error("{0}")]
    Invalid(String),
    /// The reading was given up because the worker stops. Never a finding.
    #[error("given up")]
    Cancelled,
}

impl ContentError {
    /// The failure to record; `None` when the attempt was only given up.
    pub fn into_failure(self) -> Option<Failure> {
        match self {
            Self::MissingFile { at } => Some(Failure::missing_file(&at)),
            Self::MissingRepository => Some(Failure::missing_repository()),
            Self::Unreadable(reason) => Some(Failure::unreadable(&reason)),
            Self::Invalid(reason) => Some(Failure::invalid(&reason)),
            Self::Cancelled => None,
        }
    }
}

/// What the content is compared with. Absent parts are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reference {
    /// The digest recorded when the data was stored.
    pub expected: Option<Digest>,
    /// The size in bytes recorded when the data was stored.
    pub size: Option<u64>,
    /// Our own last good checksum.
    pub baseline: Option<Baseline>,
}

impl Reference {
    /// The reference of a record: nothing recorded counts once an administrator accepted other content, and
    /// our own checksum does not bind content that may rightly change.
    pub fn new(
        model: Model,
        accepted: bool,
        expected: Option<Digest>,
        file_size: Option<u64>,
        baseline: Option<Baseline>,
    ) -> Self {
        Self {
            expected: expected.filter(|_| !accepted),
            size: file_size.filter(|_| !accepted),
            baseline: baseline.filter(|_| !model.is_mutable()),
        }
    }

    /// The algorithms a comparison needs besides the one whose digest is shown.
    pub fn algorithms(&self, shown: Algorithm) -> Algorithms {
        let mut set = Algorithms::default().with(shown);
        for digest in [self.expected, self.baseline.map(|baseline| baseline.digest)].into_iter().flatten() {
            set = set.with(digest.algorithm());
        }
        set
    }
}

/// Compares what was seen with what was recorded, in the order digest, size, own last checksum.
///
/// Returns the checksum to show, made with `shown`. A digest that was needed but not calculated fails as
/// unreadable: it is never taken for a match.
pub fn judge(reference: &Reference, seen: &Observation, shown: Algorithm) -> Result<Digest, Failure> {
    let calculated = |algorithm: Algorithm| {
        seen.digests
            .get(algorithm)
            .ok_or_else(|| Failure::unreadable(&format!("no {algorithm} digest was calculated")))
    };
    if let Some(expected) = reference.expected {
        let is = calculated(expected.algorithm())?;
        if is != expected {
            return Err(Failure::checksum_mismatch(expected, is));
        }
    }
    if let Some(size) = reference.size.filter(|size| *size != seen.size) {
        return Err(Failure::size_mismatch(size, seen.size));
    }
    if let Some(Baseline { digest, at }) = reference.baseline {
        let is = calculated(digest.algorithm())?;
        if is != digest {
            return Err(Failure::content_changed(at, digest, is));
        }
    }
    calculated(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use crate::time::Timestamp;

    const SHA: [u8; 32] = [1; 32];
    const MD5: [u8; 16] = [2; 16];

    fn seen() -> Observation {
        Observation { size: 12, digests: Digests { sha256: Some(SHA), md5: Some(MD5) } }
    }

    fn baseline(digest: Digest) -> Baseline {
        Baseline { digest, at: Timestamp::from_millis(0) }
    }

    #[test]
    fn good_content_gives_the_shown_digest() {
        let reference = Reference {
            expected: Some(Digest::Md5(MD5)),
            size: Some(12),
            baseline: Some(baseline(Digest::Sha256(SHA))),
        };
        assert_eq!(judge(&reference, &seen(), Algorithm::Sha256), Ok(Digest::Sha256(SHA)));
        assert_eq!(judge(&reference, &seen(), Algorithm::Md5), Ok(Digest::Md5(MD5)));
        assert_eq!(reference.algorithms(Algorithm::Sha256), Algorithms { sha256: true, md5: true });
    }

    #[test]
    fn each_difference_is_altered_and_named() {
        let text = |reference: &Reference| {
            let failure = judge(reference, &seen(), Algorithm::Sha256).unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Altered);
            failure.text().to_owned()
        };
        let other = Digest::Sha256([9; 32]);
        assert!(
            text(&Reference { expected: Some(other), size: Some(1), ..Default::default() })
                .contains("Checksum mismatch: expected sha256 0909")
        );
        assert_eq!(
            text(&Reference { size: Some(1), baseline: Some(baseline(other)), ..Default::default() }),
            "Error during verification: Size mismatch: expected 1 bytes, found 12"
        );
        assert!(
            text(&Reference { baseline: Some(baseline(other)), ..Default::default() })
                .contains("Content changed since 1970-01-01T00:00:00.000Z: was 0909")
        );
    }

    #[test]
    fn mutable_content_is_not_bound_by_our_own_checksum() {
        let own = Some(baseline(Digest::Sha256([9; 32])));
        assert_eq!(Reference::new(Model::Projects, false, None, None, own), Reference::default());
        assert_eq!(Reference::new(Model::Uploads, false, None, None, own).baseline, own);
    }

    #[test]
    fn accepted_content_is_compared_with_our_own_checksum_alone() {
        let own = Some(baseline(Digest::Sha256(SHA)));
        let reference = Reference::new(Model::Uploads, true, Some(Digest::Md5([0; 16])), Some(1), own);
        assert_eq!(reference, Reference { baseline: own, ..Default::default() });
    }

    #[test]
    fn a_digest_that_was_not_calculated_is_no_match() {
        let blind = Observation { size: 12, digests: Digests::default() };
        let failure = judge(&Reference::default(), &blind, Algorithm::Sha256).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unreadable);
    }
}
