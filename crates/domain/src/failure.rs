//! What went wrong with a record: the cause, from which its kind and its text follow; and how long the record waits for
//! its next attempt.

use std::fmt;
use std::time::Duration;

use crate::digest::Digest;
use crate::named::named;
use crate::row_part::RowPart;
use crate::time::{Timestamp, format_duration};

/// The most characters a failure text has (the API's limit for `checksum_failure`).
pub const MAX_FAILURE_CHARS: usize = 255;

const PREFIX: &str = "Error during verification: ";

const MISSING_FILE: &str = "File is not checksummable - file does not exist at: ";

named! {
    /// The kinds of failure, each of which the administrator has to treat in another way.
    pub enum FailureKind {
        /// The content is not there.
        Missing = "missing",
        /// The content is there, but is not what was stored.
        Altered = "altered",
        /// The content could not be read (permission, I/O error, broken repository, wrong key).
        Unreadable = "unreadable",
        /// The catalogue names no place that can hold content, or its row is damaged.
        Invalid = "invalid",
        /// The attempt did not end within its lease.
        TimedOut = "timed_out",
    }
    /// The name in summaries and metrics.
    fn name;
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FailureCause {
    /// No content at this path or key.
    MissingFile {
        /// The path or key, or the end of one that is too long.
        at: String,
    },
    /// No repository where one must be.
    MissingRepository,
    /// Something that the content needs is not there.
    MissingPart {
        /// Names it.
        what: String,
    },
    /// The content's digest is not the one recorded when it was stored.
    ChecksumMismatch {
        /// The recorded digest.
        expected: Digest,
        /// The content's.
        calculated: Digest,
    },
    /// The content's size is not the one recorded when it was stored.
    SizeMismatch {
        /// The recorded size in bytes.
        expected: u64,
        /// The content's.
        found: u64,
    },
    /// The content is not what our own last good checksum says it was.
    ContentChanged {
        /// When that checksum was calculated.
        since: Timestamp,
        /// That checksum.
        was: Digest,
        /// The content's digest now.
        is: Digest,
    },
    /// Something within the content is not what the digest recorded there says.
    Altered {
        /// Names it.
        what: String,
    },
    /// The content could not be read.
    Unreadable {
        /// What the system said.
        reason: String,
    },
    /// The record's location cannot hold content.
    Invalid {
        /// Why not.
        reason: String,
    },
    /// The record's row in the catalogue is damaged.
    DamagedRow {
        /// In which part.
        part: RowPart,
    },
    /// The attempt outlasted its lease.
    TimedOut {
        /// How long the lease was.
        lease: Duration,
    },
}

impl FailureCause {
    /// The kind.
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::MissingFile { .. } | Self::MissingRepository | Self::MissingPart { .. } => {
                FailureKind::Missing
            }
            Self::ChecksumMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::ContentChanged { .. }
            | Self::Altered { .. } => FailureKind::Altered,
            Self::Unreadable { .. } => FailureKind::Unreadable,
            Self::Invalid { .. } | Self::DamagedRow { .. } => FailureKind::Invalid,
            Self::TimedOut { .. } => FailureKind::TimedOut,
        }
    }
}

impl FailureCause {
    /// What is told in words of its own: a path, a reason, a name; `None` of a cause that is told in figures alone.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::MissingFile { at: text }
            | Self::MissingPart { what: text }
            | Self::Altered { what: text }
            | Self::Unreadable { reason: text }
            | Self::Invalid { reason: text } => Some(text),
            Self::MissingRepository
            | Self::ChecksumMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::ContentChanged { .. }
            | Self::DamagedRow { .. }
            | Self::TimedOut { .. } => None,
        }
    }
}

/// The text that the API shows as `checksum_failure`.
impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingFile { at } => write!(f, "{PREFIX}{MISSING_FILE}{at}"),
            Self::MissingRepository => write!(f, "{PREFIX}Repository does not exist"),
            Self::ChecksumMismatch { expected, calculated } => {
                let algorithm = expected.algorithm();
                write!(
                    f,
                    "{PREFIX}Checksum mismatch: expected {algorithm} {expected}, calculated {calculated}"
                )
            }
            Self::SizeMismatch { expected, found } => {
                write!(f, "{PREFIX}Size mismatch: expected {expected} bytes, found {found}")
            }
            Self::ContentChanged { since, was, is } => {
                write!(f, "{PREFIX}Content changed since {since}: was {was}, is {is}")
            }
            Self::Altered { what } | Self::MissingPart { what } => write!(f, "{PREFIX}{what}"),
            Self::Unreadable { reason } | Self::Invalid { reason } => write!(f, "{PREFIX}{reason}"),
            Self::DamagedRow { part } => write!(f, "{PREFIX}{part}"),
            Self::TimedOut { lease } => write!(f, "Verification timed out after {}", format_duration(*lease)),
        }
    }
}

/// A cause whose text has at most [`MAX_FAILURE_CHARS`] characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    /// In a box, because few verifications have one.
    cause: Box<FailureCause>,
}

impl Failure {
    /// A failure with this cause. A path too long keeps its end, another text its beginning.
    pub fn new(mut cause: FailureCause) -> Self {
        let room = MAX_FAILURE_CHARS - PREFIX.len();
        match &mut cause {
            FailureCause::MissingFile { at } => keep_end(at, room - MISSING_FILE.len()),
            FailureCause::MissingPart { what: text }
            | FailureCause::Altered { what: text }
            | FailureCause::Unreadable { reason: text }
            | FailureCause::Invalid { reason: text } => keep_beginning(text, room),
            FailureCause::MissingRepository
            | FailureCause::ChecksumMismatch { .. }
            | FailureCause::SizeMismatch { .. }
            | FailureCause::ContentChanged { .. }
            | FailureCause::DamagedRow { .. }
            | FailureCause::TimedOut { .. } => {}
        }
        Self { cause: Box::new(cause) }
    }

    /// See [`FailureCause::MissingFile`].
    pub fn missing_file(at: &str) -> Self {
        Self::new(FailureCause::MissingFile { at: at.to_owned() })
    }

    /// See [`FailureCause::MissingRepository`].
    pub fn missing_repository() -> Self {
        Self::new(FailureCause::MissingRepository)
    }

    /// See [`FailureCause::MissingPart`].
    pub fn missing_part(what: &str) -> Self {
        Self::new(FailureCause::MissingPart { what: what.to_owned() })
    }

    /// See [`FailureCause::ChecksumMismatch`].
    pub fn checksum_mismatch(expected: Digest, calculated: Digest) -> Self {
        Self::new(FailureCause::ChecksumMismatch { expected, calculated })
    }

    /// See [`FailureCause::SizeMismatch`].
    pub fn size_mismatch(expected: u64, found: u64) -> Self {
        Self::new(FailureCause::SizeMismatch { expected, found })
    }

    /// See [`FailureCause::ContentChanged`].
    pub fn content_changed(since: Timestamp, was: Digest, is: Digest) -> Self {
        Self::new(FailureCause::ContentChanged { since, was, is })
    }

    /// See [`FailureCause::Altered`].
    pub fn altered(what: &str) -> Self {
        Self::new(FailureCause::Altered { what: what.to_owned() })
    }

    /// See [`FailureCause::Unreadable`].
    pub fn unreadable(reason: &str) -> Self {
        Self::new(FailureCause::Unreadable { reason: reason.to_owned() })
    }

    /// See [`FailureCause::Invalid`].
    pub fn invalid(reason: &str) -> Self {
        Self::new(FailureCause::Invalid { reason: reason.to_owned() })
    }

    /// See [`FailureCause::DamagedRow`].
    pub fn damaged_row(part: RowPart) -> Self {
        Self::new(FailureCause::DamagedRow { part })
    }

    /// See [`FailureCause::TimedOut`].
    pub fn timed_out(lease: Duration) -> Self {
        Self::new(FailureCause::TimedOut { lease })
    }

    /// The same, which names the path or key of the content if what the system said does not.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        let FailureCause::Unreadable { reason } = &*self.cause else { return self };
        if reason.contains(path) {
            return self;
        }
        let room = MAX_FAILURE_CHARS - PREFIX.len() - 2;
        let (mut reason, mut path) = (reason.clone(), path.to_owned());
        keep_end(&mut path, room.saturating_sub(reason.chars().count()).max(room / 2));
        keep_beginning(&mut reason, room.saturating_sub(path.chars().count()));
        Self::unreadable(&format!("{reason}: {path}"))
    }

    /// Whether the content may be good and the catalogue not: it was found altered, or what it was compared with is lost. Then
    /// an administrator may accept it as it is.
    pub fn may_be_accepted(&self) -> bool {
        self.kind() == FailureKind::Altered
            || *self.cause == FailureCause::DamagedRow { part: RowPart::Baseline }
    }

    /// The size in bytes that was found, where that is what is wrong.
    pub fn found_size(&self) -> Option<u64> {
        match &*self.cause {
            FailureCause::SizeMismatch { found, .. } => Some(*found),
            _ => None,
        }
    }

    /// The cause.
    pub fn cause(&self) -> &FailureCause {
        &self.cause
    }

    /// The kind.
    pub fn kind(&self) -> FailureKind {
        self.cause.kind()
    }

    /// The text, at most [`MAX_FAILURE_CHARS`] characters.
    pub fn text(&self) -> String {
        self.cause.to_string()
    }

    /// The digest of the content that was found instead of the right one, where that is what is wrong.
    pub fn calculated(&self) -> Option<Digest> {
        match &*self.cause {
            FailureCause::ChecksumMismatch { calculated: found, .. }
            | FailureCause::ContentChanged { is: found, .. } => Some(*found),
            _ => None,
        }
    }
}

fn keep_beginning(text: &mut String, chars: usize) {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
    }
}

fn keep_end(text: &mut String, chars: usize) {
    let skipped = text.chars().count().saturating_sub(chars);
    if let Some((start, _)) = text.char_indices().nth(skipped).filter(|_| skipped > 0) {
        text.drain(..start);
    }
}

/// How many different values the random part of [`retry_delay`] takes: roll a [`crate::Rng`] of so many
/// sides.
pub const JITTER_STEPS: u32 = 30;

/// The longest [`retry_delay`].
pub const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(3616 + 2 * 29);

/// The wait after the `failures`-th failure in a row (1 for the first): the smaller of
/// n⁴ + 15 + r·(n+1) and 3616 + 2r seconds, with `jitter` as r, in `0..`[`JITTER_STEPS`].
pub fn retry_delay(failures: u32, jitter: u32) -> Duration {
    let n = u64::from(failures);
    let r = u64::from(jitter);
    let growing =
        n.saturating_pow(4).saturating_add(15).saturating_add(r.saturating_mul(n.saturating_add(1)));
    Duration::from_secs(growing.min(3616 + 2 * r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_the_fourth_power_up_to_an_hour() {
        assert_eq!(retry_delay(1, 0), Duration::from_secs(16));
        assert_eq!(retry_delay(1, 29), Duration::from_secs(74));
        assert_eq!(retry_delay(3, 10), Duration::from_secs(81 + 15 + 40));
        assert_eq!(retry_delay(8, 0), Duration::from_secs(3616));
        assert_eq!(retry_delay(u32::MAX, JITTER_STEPS - 1), LONGEST_RETRY_DELAY);
        assert_eq!(LONGEST_RETRY_DELAY, Duration::from_secs(3674));
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        let path = format!("{}/the-end.bin", "é".repeat(400));
        let failure = Failure::missing_file(&path);
        assert_eq!(failure.text().chars().count(), MAX_FAILURE_CHARS);
        assert!(failure.text().starts_with("Error during verification: File is not checksummable"));
        assert!(failure.text().ends_with("éé/the-end.bin"));
        assert_eq!(Failure::new(failure.cause().clone()), failure);
    }

    #[test]
    fn a_long_reason_keeps_its_beginning() {
        let reason = "ü".repeat(999);
        let of = [Failure::unreadable, Failure::invalid, Failure::altered, Failure::missing_part];
        for failure in of.map(|of| of(&reason)) {
            assert_eq!(failure.text().chars().count(), MAX_FAILURE_CHARS);
            assert!(failure.text().starts_with("Error during verification: ü"));
            assert_eq!(Failure::new(failure.cause().clone()), failure);
        }
    }

    #[test]
    fn what_is_unreadable_is_named() {
        let text = |reason: &str, path: &str| Failure::unreadable(reason).at(path).text();
        assert_eq!(text("I/O error", "a/b"), "Error during verification: I/O error: a/b");
        assert_eq!(text("a/b: bad refs", "a/b"), "Error during verification: a/b: bad refs");
        let (long, path) = ("ü".repeat(300), format!("{}/end", "é".repeat(300)));
        for reason in ["I/O error", &long] {
            let text = text(reason, &path);
            assert_eq!(text.chars().count(), MAX_FAILURE_CHARS);
            assert!(text.ends_with("éé/end") && text.starts_with(PREFIX), "{text}");
        }
        assert!(text("I/O error", &path).contains("I/O error: éé"));
        assert!(text(&long, "a").ends_with("ü: a"));
        assert_eq!(Failure::missing_file("x").at("a/b"), Failure::missing_file("x"));
    }

    #[test]
    fn texts_are_those_of_the_contract() {
        let (one, two) = (Digest::Md5([1; 16]), Digest::Md5([2; 16]));
        for (failure, text) in [
            (
                Failure::missing_file("a/b"),
                "File is not checksummable - file does not exist at: a/b".to_owned(),
            ),
            (Failure::missing_repository(), "Repository does not exist".to_owned()),
            (
                Failure::checksum_mismatch(one, two),
                format!("Checksum mismatch: expected md5 {one}, calculated {two}"),
            ),
            (Failure::size_mismatch(1, 2), "Size mismatch: expected 1 bytes, found 2".to_owned()),
            (
                Failure::content_changed(Timestamp::from_millis(5), one, two),
                format!("Content changed since 1970-01-01T00:00:00.005Z: was {one}, is {two}"),
            ),
            (Failure::missing_part("object 11"), "object 11".to_owned()),
            (Failure::altered("object 12"), "object 12".to_owned()),
            (Failure::unreadable("I/O error"), "I/O error".to_owned()),
            (Failure::invalid("leaves its storage"), "leaves its storage".to_owned()),
        ] {
            assert_eq!(failure.text(), format!("Error during verification: {text}"));
        }
        assert_eq!(Failure::timed_out(Duration::from_secs(28_800)).text(), "Verification timed out after 8h");
    }

    #[test]
    fn the_longest_digest_texts_fit() {
        let digest = Digest::Sha256([7; 32]);
        let time = Timestamp::from_millis(0);
        for failure in
            [Failure::checksum_mismatch(digest, digest), Failure::content_changed(time, digest, digest)]
        {
            assert!(failure.text().chars().count() <= MAX_FAILURE_CHARS);
            assert_eq!(failure.calculated(), Some(digest));
        }
    }
}
