//! What was seen of the content, what it is compared with, and the verdict.

use crate::digest::{Algorithm, Algorithms, Digest, Digests, Metadata};
use crate::digest_rule::DigestRule;
use crate::failure::Failure;
use crate::row_part::RowPart;
use crate::verification::Baseline;

/// What a content adapter saw of a record's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// How it was looked at.
    pub evidence: Evidence,
    /// Bytes read to see it.
    pub bytes_read: u64,
    /// The stored bytes, or a repository's refs or tags.
    pub stored: Measure,
    /// What the recorded digest and size are of, where the record's [`DigestRule`] says that this is something else
    /// than what is stored; or why that cannot be had of the stored bytes.
    pub recorded: Option<Box<Result<Measure, String>>>,
    /// Nothing is left of what the content is made of, though of what that led to there is. See [`judge_emptied`].
    pub emptied: Option<Emptied>,
}

/// What content is that seems to have been emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Emptied {
    /// A git repository with objects and without refs: it was not made so.
    Refs,
    /// A container repository with layers, and without manifests and tags. Before a tag is pushed for the first time it is
    /// like that as well.
    Manifests,
}

/// How content was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// All of it was read.
    Content,
    /// Nothing was read but what the store says of it.
    Metadata,
    /// Nothing was read, but the store itself computed a digest of the bytes that it holds.
    AtRest,
    /// There is nothing, and nothing need be there: it is as empty content.
    Absence,
}

/// Size and digests of one piece of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measure {
    /// Size in bytes; `None` where content has none of its own (repositories).
    pub size: Option<u64>,
    /// The digests that were asked for, or that the store keeps.
    pub digests: Digests,
}

impl Observation {
    /// Content that was read, and that the recorded digest and size are of.
    pub const fn of_content(size: u64, digests: Digests) -> Self {
        let stored = Measure { size: Some(size), digests };
        Self { evidence: Evidence::Content, bytes_read: size, stored, recorded: None, emptied: None }
    }

    /// What a store says of content that was not read, which lies there as the rule says.
    pub fn of_metadata(evidence: Evidence, stored: Measure, rule: &DigestRule) -> Self {
        let recorded = match rule {
            DigestRule::Stored | DigestRule::Length(_) => None,
            // The recorded digest is not of the bytes of which the store has a digest.
            _ => Some(match stored.size.map(|size| rule.recorded_size(size)) {
                Some(None) => Err("too short for encrypted content".to_owned()),
                size => Ok(Measure { size: size.flatten(), digests: Digests::default() }),
            }),
        };
        Self { evidence, bytes_read: 0, stored, recorded: recorded.map(Box::new), emptied: None }
    }

    /// What the recorded digest and size are compared with, or why there is nothing to compare.
    pub fn recorded(&self) -> Result<&Measure, &str> {
        match self.recorded.as_deref() {
            None => Ok(&self.stored),
            Some(Ok(measure)) => Ok(measure),
            Some(Err(reason)) => Err(reason),
        }
    }

    /// The checksum to show: the digest made with `shown` of content, and of metadata the best there is.
    pub fn checksum(&self, shown: Algorithm) -> Option<Digest> {
        let Measure { size, digests } = self.stored;
        match self.evidence {
            Evidence::Content | Evidence::Absence => digests.get(shown),
            Evidence::Metadata => {
                let kept = digests.sha256.map(Metadata::Sha256);
                let kept = kept.or(digests.md5.map(Metadata::Md5)).or(size.map(Metadata::Size));
                kept.map(Digest::Metadata)
            }
            Evidence::AtRest => {
                let computed = digests.sha256.map(Metadata::AtRestSha256);
                let computed = computed.or(digests.md5.map(Metadata::AtRestMd5));
                computed.or(digests.sha1.map(Metadata::AtRestSha1)).map(Digest::Metadata)
            }
        }
    }
}

/// Why nothing can be said of content. A verdict is about content alone: a fault of the verifier, its host, its
/// network or a storage as a whole is none, and the attempt is given back.
///
/// The database is the fourth scope of such a fault; it fails the calls of its ports as
/// [`StoreError`](crate::ports::StoreError).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJudged {
    /// The attempt was given up, because the worker stops or for another fault of the same reading.
    #[error("given up")]
    Cancelled,
    /// The storage as a whole cannot be read: its root or bucket is not there, its service does not answer or
    /// refuses the credentials. The text says what, and names the storage's address.
    #[error("{0}")]
    Storage(String),
    /// A folder of the storage cannot be read, though the rest can: what is mounted there is gone, or it is encrypted and
    /// locked.
    #[error("{0}")]
    Folder(UnreadableFolder),
    /// The process or its host lacks what it needs to read anything: descriptors, memory, threads, disk space. The
    /// text names it.
    #[error("{0}")]
    Process(String),
}

/// A folder of a storage of which nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UnreadableFolder {
    /// Its path within the storage, as the paths of records are.
    pub folder: String,
    /// Why; the text names the folder.
    pub reason: String,
}

/// Why a content adapter could not see the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Nothing there. `at` is the whole path or key that was looked for.
    #[error("no file at {at}")]
    MissingFile {
        /// The whole path or key, perhaps with a hint in brackets behind it.
        at: String,
    },
    /// No repository there, though one must be.
    #[error("no repository")]
    MissingRepository,
    /// Something that it needs is not there; the text names it.
    #[error("{0}")]
    MissingPart(String),
    /// Something within it is not what the digest recorded there says; the text names it.
    #[error("{0}")]
    Altered(String),
    /// There, but it cannot be read; the text is what the system said.
    #[error("{0}")]
    Unreadable(String),
    /// The location cannot hold content (it leaves its storage, or the storage is not known).
    #[error("{0}")]
    Invalid(String),
    /// What the content is to be compared with is damaged.
    #[error("{0}")]
    DamagedRow(RowPart),
    /// Nothing can be said of the content. Never a finding.
    #[error(transparent)]
    NotJudged(#[from] NotJudged),
}

impl ContentError {
    /// The attempt was given up.
    pub const CANCELLED: Self = Self::NotJudged(NotJudged::Cancelled);

    /// The storage as a whole cannot be read; see [`NotJudged::Storage`].
    pub fn storage(reason: impl Into<String>) -> Self {
        Self::NotJudged(NotJudged::Storage(reason.into()))
    }

    /// The failure to record, unless nothing can be said of the content.
    pub fn into_failure(self) -> Result<Failure, NotJudged> {
        Ok(match self {
            Self::MissingFile { at } => Failure::missing_file(&at),
            Self::MissingRepository => Failure::missing_repository(),
            Self::MissingPart(what) => Failure::missing_part(&what),
            Self::Altered(what) => Failure::altered(&what),
            Self::Unreadable(reason) => Failure::unreadable(&reason),
            Self::Invalid(reason) => Failure::invalid(&reason),
            Self::DamagedRow(part) => Failure::damaged_row(part),
            Self::NotJudged(not_judged) => return Err(not_judged),
        })
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
    /// The checksum that the source's own verification recorded, of the stored bytes or of a repository. It
    /// binds nothing: whether it agrees is only told.
    pub source_checksum: Option<Digest>,
}

impl Reference {
    /// This reference as far as it binds: nothing recorded counts once an administrator accepted other
    /// content, and our own checksum does not bind content that may rightly change.
    #[must_use]
    pub fn under(self, rule: &DigestRule, accepted: bool, mutable: bool) -> Self {
        let size = if let DigestRule::Length(bytes) = rule { Some(*bytes) } else { self.size };
        Self {
            expected: self.expected.filter(|_| !accepted),
            size: size.filter(|_| !accepted),
            baseline: self.baseline.filter(|_| !mutable),
            source_checksum: self.source_checksum,
        }
    }

    /// The algorithms a comparison needs besides the one whose digest is shown.
    pub fn algorithms(&self, shown: Algorithm) -> Algorithms {
        let mut set = Algorithms::default().with(shown);
        let own = self.baseline.map(|baseline| baseline.digest);
        for digest in [self.expected, own, self.source_checksum].into_iter().flatten() {
            set = set.with(digest.algorithm());
        }
        set
    }

    /// Whether what was seen agrees with [`Reference::source_checksum`], as far as the two can be compared.
    pub fn matches_source(&self, seen: &Observation) -> Option<bool> {
        let source_checksum = self.source_checksum?;
        let is = digest(seen.evidence, &seen.stored, source_checksum.algorithm()).ok().flatten()?;
        Some(is.agrees_with(&source_checksum))
    }
}

/// Compares what was seen with what was recorded: the stored bytes with our own last checksum where they
/// cannot be made into what was recorded; else in the order digest, size, own last checksum.
///
/// Returns the checksum to show, made with `shown`. Of content that was read, a digest that was needed but
/// not calculated fails as unreadable: it is never taken for a match. What a store says of content that was
/// not read is compared as far as it goes.
pub fn judge(reference: &Reference, seen: &Observation, shown: Algorithm) -> Result<Digest, Failure> {
    let recorded = match seen.recorded() {
        Ok(measure) => measure,
        Err(reason) => {
            compare_with_baseline(reference, seen)?;
            return Err(Failure::unreadable(reason));
        }
    };
    if let Some(expected) = reference.expected {
        let is = digest(seen.evidence, recorded, expected.algorithm())?;
        if let Some(is) = is.filter(|is| !is.agrees_with(&expected)) {
            return Err(Failure::checksum_mismatch(expected, is));
        }
    }
    if let (Some(size), Some(found)) = (reference.size, recorded.size)
        && size != found
    {
        return Err(Failure::size_mismatch(size, found));
    }
    compare_with_baseline(reference, seen)?;
    seen.checksum(shown).ok_or_else(|| not_calculated(shown))
}

/// Fails if the content was emptied since its last success, or was never seen otherwise and cannot have begun like that:
/// only content that was as empty at its last success is as it was. Before [`judge`], and also for mutable content.
pub fn judge_emptied(last: Option<Baseline>, seen: &Observation) -> Result<(), Failure> {
    let is_as_it_was =
        |last: &Baseline| seen.stored.digests.get(last.digest.algorithm()) == Some(last.digest);
    match (seen.emptied, last) {
        (None, _) | (Some(Emptied::Manifests), None) => Ok(()),
        (Some(_), Some(last)) if is_as_it_was(&last) => Ok(()),
        (Some(Emptied::Refs), _) => Err(Failure::altered("all refs are gone, though there are objects")),
        (Some(Emptied::Manifests), Some(_)) => {
            Err(Failure::altered("all manifests and tags are gone, though there are layers"))
        }
    }
}

fn compare_with_baseline(reference: &Reference, seen: &Observation) -> Result<(), Failure> {
    let Some(Baseline { digest: was, at }) = reference.baseline else { return Ok(()) };
    match digest(seen.evidence, &seen.stored, was.algorithm())? {
        Some(is) if !is.agrees_with(&was) => Err(Failure::content_changed(at, was, is)),
        _ => Ok(()),
    }
}

/// The digest made with this algorithm; `None` if the store keeps none.
fn digest(evidence: Evidence, of: &Measure, algorithm: Algorithm) -> Result<Option<Digest>, Failure> {
    let size = of.size.map(|size| Digest::Metadata(Metadata::Size(size)));
    let found = of.digests.get(algorithm).or(size.filter(|_| algorithm == Algorithm::Size));
    match evidence {
        Evidence::Content | Evidence::Absence if found.is_none() => Err(not_calculated(algorithm)),
        _ => Ok(found),
    }
}

fn not_calculated(algorithm: Algorithm) -> Failure {
    Failure::unreadable(&format!("no {algorithm} digest was calculated"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use crate::time::Timestamp;

    const SHA: [u8; 32] = [1; 32];
    const MD5: [u8; 16] = [2; 16];

    fn seen() -> Observation {
        Observation::of_content(12, Digests { sha256: Some(SHA), md5: Some(MD5), sha1: None, gitaly: None })
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
            source_checksum: None,
        };
        assert_eq!(judge(&reference, &seen(), Algorithm::Sha256), Ok(Digest::Sha256(SHA)));
        assert_eq!(judge(&reference, &seen(), Algorithm::Md5), Ok(Digest::Md5(MD5)));
        assert_eq!(
            reference.algorithms(Algorithm::Sha256),
            Algorithms { sha256: true, md5: true, sha1: false, gitaly: false }
        );
    }

    #[test]
    fn each_difference_is_altered_and_named() {
        let text = |reference: &Reference| {
            let failure = judge(reference, &seen(), Algorithm::Sha256).unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Altered);
            failure.text()
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
    fn emptied_content_is_good_only_if_it_was_so_before() {
        let of = |last, seen: &Observation| judge_emptied(last, seen).map_err(|failure| failure.kind());
        for (emptied, at_first) in [(Emptied::Refs, Err(FailureKind::Altered)), (Emptied::Manifests, Ok(()))]
        {
            let emptied = Observation { emptied: Some(emptied), ..seen() };
            assert_eq!(of(Some(baseline(Digest::Sha256(SHA))), &emptied), Ok(()));
            assert_eq!(of(Some(baseline(Digest::Sha256([9; 32]))), &emptied), Err(FailureKind::Altered));
            assert_eq!(of(None, &emptied), at_first);
        }
        assert_eq!(of(None, &seen()), Ok(()));
    }

    #[test]
    fn what_somebody_else_recorded_is_compared_but_binds_nothing() {
        let with_source_checksum =
            |digest| Reference { source_checksum: Some(digest), ..Reference::default() };
        for (digest, matches_source) in [
            (Digest::Sha256(SHA), Some(true)),
            (Digest::Sha256([9; 32]), Some(false)),
            (Digest::Metadata(Metadata::Size(12)), Some(true)),
            (Digest::Metadata(Metadata::Size(13)), Some(false)),
            (Digest::Gitaly([9; 20]), None),
        ] {
            let reference = with_source_checksum(digest);
            assert_eq!(reference.matches_source(&seen()), matches_source, "{digest:?}");
            assert_eq!(judge(&reference, &seen(), Algorithm::Sha256), Ok(Digest::Sha256(SHA)));
        }
        assert_eq!(Reference::default().matches_source(&seen()), None);
        assert!(with_source_checksum(Digest::Gitaly([9; 20])).algorithms(Algorithm::Sha256).gitaly);
    }

    #[test]
    fn mutable_content_is_not_bound_by_our_own_checksum() {
        let own = Reference { baseline: Some(baseline(Digest::Sha256([9; 32]))), ..Reference::default() };
        assert_eq!(own.under(&DigestRule::Stored, false, true), Reference::default());
        assert_eq!(own.under(&DigestRule::Stored, false, false), own);
    }

    #[test]
    fn accepted_content_is_compared_with_our_own_checksum_alone() {
        let own = Some(baseline(Digest::Sha256(SHA)));
        let reference = Reference {
            expected: Some(Digest::Md5([0; 16])),
            size: Some(1),
            baseline: own,
            source_checksum: None,
        };
        let left = Reference { baseline: own, ..Reference::default() };
        assert_eq!(reference.under(&DigestRule::Length(7), true, false), left);
    }

    #[test]
    fn a_rule_of_length_counts_before_the_size_that_is_shown() {
        let reference = Reference { size: Some(1), ..Reference::default() };
        assert_eq!(reference.under(&DigestRule::Length(7), false, false).size, Some(7));
        assert_eq!(reference.under(&DigestRule::PortablePdb, false, false).size, Some(1));
    }

    #[test]
    fn a_digest_that_was_not_calculated_is_no_match() {
        let blind = Observation::of_content(12, Digests::default());
        let failure = judge(&Reference::default(), &blind, Algorithm::Sha256).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unreadable);
    }

    #[test]
    fn what_was_recorded_of_a_plaintext_is_compared_with_the_plaintext() {
        let plain =
            Measure { size: Some(5), digests: Digests { sha256: Some([7; 32]), ..Digests::default() } };
        let encrypted = Observation { recorded: Some(Box::new(Ok(plain))), ..seen() };
        let good =
            Reference { expected: Some(Digest::Sha256([7; 32])), size: Some(5), ..Reference::default() };
        assert_eq!(judge(&good, &encrypted, Algorithm::Sha256), Ok(Digest::Sha256(SHA)));
        let bad = Reference { expected: Some(Digest::Sha256(SHA)), ..good };
        assert_eq!(judge(&bad, &encrypted, Algorithm::Sha256).unwrap_err().kind(), FailureKind::Altered);
        let own = Reference { baseline: Some(baseline(Digest::Sha256([7; 32]))), ..good };
        assert_eq!(judge(&own, &encrypted, Algorithm::Sha256).unwrap_err().kind(), FailureKind::Altered);
    }

    #[test]
    fn what_cannot_be_decrypted_is_unreadable_unless_the_stored_bytes_are_others_than_before() {
        let locked = Observation { recorded: Some(Box::new(Err("wrong key".to_owned()))), ..seen() };
        let judged = |reference: Reference| judge(&reference, &locked, Algorithm::Sha256).unwrap_err();
        let failure = judged(Reference { size: Some(5), ..Reference::default() });
        assert_eq!(failure.text(), "Error during verification: wrong key");
        assert_eq!(failure.kind(), FailureKind::Unreadable);
        let same = Reference { baseline: Some(baseline(Digest::Sha256(SHA))), ..Reference::default() };
        assert_eq!(judged(same).kind(), FailureKind::Unreadable);
        let other = Reference { baseline: Some(baseline(Digest::Sha256([9; 32]))), ..Reference::default() };
        assert_eq!(judged(other).kind(), FailureKind::Altered);
    }

    #[test]
    fn metadata_are_compared_as_far_as_they_go_and_shown_as_what_they_are() {
        let kept =
            |digests| Observation { evidence: Evidence::Metadata, ..Observation::of_content(12, digests) };
        let with_md5 = kept(Digests { md5: Some(MD5), ..Digests::default() });
        let bare = kept(Digests::default());
        let md5 = Reference { expected: Some(Digest::Md5(MD5)), size: Some(12), ..Reference::default() };
        let judged = |reference: &Reference, seen| judge(reference, seen, Algorithm::Sha256);
        assert_eq!(judged(&md5, &with_md5), Ok(Digest::Metadata(Metadata::Md5(MD5))));
        assert_eq!(judged(&md5, &bare), Ok(Digest::Metadata(Metadata::Size(12))));
        let other = Reference { expected: Some(Digest::Md5([9; 16])), ..md5 };
        assert_eq!(judged(&other, &with_md5).unwrap_err().kind(), FailureKind::Altered);
        let grown = Reference { baseline: Some(baseline(Digest::Metadata(Metadata::Size(11)))), ..md5 };
        assert_eq!(judged(&grown, &bare).unwrap_err().kind(), FailureKind::Altered);
        // A later reading is compared with what the store said before.
        let read_later =
            Reference { baseline: Some(baseline(Digest::Metadata(Metadata::Md5([9; 16])))), ..md5 };
        assert_eq!(judged(&read_later, &seen()).unwrap_err().kind(), FailureKind::Altered);
    }
}
