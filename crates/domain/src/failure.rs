//! What went wrong with a record: the kind, and the text of at most 255 characters.

use std::fmt;
use std::time::Duration;

use crate::digest::Digest;
use crate::time::{Timestamp, format_duration};

/// The most characters a failure text has (the API's limit for `checksum_failure`).
pub const MAX_FAILURE_CHARS: usize = 255;

const PREFIX: &str = "Error during verification: ";

/// The kinds of failure, each of which asks something else of the administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// The content is not there.
    Missing,
    /// The content is there, but is not what was stored.
    Altered,
    /// The content could not be read (permission, I/O error, broken repository, wrong key).
    Unreadable,
    /// The catalogue names no place that can hold content.
    Invalid,
    /// The attempt did not end within its lease.
    TimedOut,
}

impl FailureKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Missing, Self::Altered, Self::Unreadable, Self::Invalid, Self::TimedOut];

    /// The name in summaries and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Altered => "altered",
            Self::Unreadable => "unreadable",
            Self::Invalid => "invalid",
            Self::TimedOut => "timed_out",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of failure with the text that the API shows as `checksum_failure`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    kind: FailureKind,
    text: Box<str>,
    /// In a box, because few failures have one.
    calculated: Option<Box<Digest>>,
}

impl Failure {
    /// No content at this path or key. A path too long keeps its end.
    pub fn missing_file(at: &str) -> Self {
        let lead = format!("{PREFIX}File is not checksummable - file does not exist at: ");
        let room = MAX_FAILURE_CHARS - lead.chars().count();
        let skipped = at.chars().count().saturating_sub(room);
        let text = lead.chars().chain(at.chars().skip(skipped)).collect::<String>().into();
        Self { kind: FailureKind::Missing, text, calculated: None }
    }

    /// No repository where one must be.
    pub fn missing_repository() -> Self {
        Self::new(FailureKind::Missing, format!("{PREFIX}Repository does not exist"))
    }

    /// The content's digest is not the one recorded when it was stored.
    pub fn checksum_mismatch(expected: Digest, calculated: Digest) -> Self {
        let algorithm = expected.algorithm();
        let text =
            format!("{PREFIX}Checksum mismatch: expected {algorithm} {expected}, calculated {calculated}");
        Self { calculated: Some(Box::new(calculated)), ..Self::new(FailureKind::Altered, text) }
    }

    /// The content's size in bytes is not the one recorded when it was stored.
    pub fn size_mismatch(expected: u64, found: u64) -> Self {
        Self::new(
            FailureKind::Altered,
            format!("{PREFIX}Size mismatch: expected {expected} bytes, found {found}"),
        )
    }

    /// The content is not what our own last good checksum says it was.
    pub fn content_changed(since: Timestamp, was: Digest, is: Digest) -> Self {
        let text = format!("{PREFIX}Content changed since {since}: was {was}, is {is}");
        Self { calculated: Some(Box::new(is)), ..Self::new(FailureKind::Altered, text) }
    }

    /// Something within the content is not what the digest recorded there says; `what` names it.
    pub fn altered(what: &str) -> Self {
        Self::new(FailureKind::Altered, format!("{PREFIX}{what}"))
    }

    /// The content could not be read; `reason` is what the system said.
    pub fn unreadable(reason: &str) -> Self {
        Self::new(FailureKind::Unreadable, format!("{PREFIX}{reason}"))
    }

    /// The record's location cannot hold content.
    pub fn invalid(reason: &str) -> Self {
        Self::new(FailureKind::Invalid, format!("{PREFIX}{reason}"))
    }

    /// The attempt outlasted its lease.
    pub fn timed_out(lease: Duration) -> Self {
        Self::new(FailureKind::TimedOut, format!("Verification timed out after {}", format_duration(lease)))
    }

    /// A failure read back from where it was kept; the text is cut to [`MAX_FAILURE_CHARS`].
    pub fn restored(kind: FailureKind, text: String, calculated: Option<Digest>) -> Self {
        Self { calculated: calculated.map(Box::new), ..Self::new(kind, text) }
    }

    /// The kind.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The text, at most [`MAX_FAILURE_CHARS`] characters.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The digest of the content that was found instead of the right one, where that is what is wrong.
    pub fn calculated(&self) -> Option<Digest> {
        self.calculated.as_deref().copied()
    }

    fn new(kind: FailureKind, mut text: String) -> Self {
        if let Some((end, _)) = text.char_indices().nth(MAX_FAILURE_CHARS) {
            text.truncate(end);
        }
        Self { kind, text: text.into(), calculated: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_keeps_its_end() {
        let path = format!("{}/the-end.bin", "é".repeat(400));
        let failure = Failure::missing_file(&path);
        assert_eq!(failure.text().chars().count(), MAX_FAILURE_CHARS);
        assert!(failure.text().starts_with("Error during verification: File is not checksummable"));
        assert!(failure.text().ends_with("éé/the-end.bin"));
    }

    #[test]
    fn a_long_reason_keeps_its_beginning() {
        let failure = Failure::unreadable(&"ü".repeat(999));
        assert_eq!(failure.text().chars().count(), MAX_FAILURE_CHARS);
        assert!(failure.text().starts_with("Error during verification: ü"));
    }

    #[test]
    fn the_longest_digest_texts_fit() {
        let digest = Digest::Sha256([7; 32]);
        let time = Timestamp::from_millis(0);
        assert!(Failure::checksum_mismatch(digest, digest).text().ends_with(&digest.to_string()));
        assert!(Failure::content_changed(time, digest, digest).text().ends_with(&digest.to_string()));
        assert_eq!(Failure::timed_out(Duration::from_secs(28_800)).text(), "Verification timed out after 8h");
    }
}
