//! What a report of an object store says of a record: an inventory of its objects, or checksums that it computed of them.
//!
//! A report is as old as it is. It never replaces a verdict that is newer, it never clears a failure, and that it does not
//! name an object proves nothing: the record is read instead.

use crate::digest::{Algorithm, Digest, Digests, EvidenceLevel};
use crate::digest_rule::DigestRule;
use crate::failure::Failure;
use crate::key::RecordKey;
use crate::record::Record;
use crate::selection::State;
use crate::time::Timestamp;
use crate::verdict::{Evidence, Measure, Observation, Reference, judge};

/// What a report says of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reported {
    /// The size in bytes, if the report has it.
    pub size: Option<u64>,
    /// Digests of the whole object.
    pub digests: Digests,
    /// Whether the store computed the digests of the bytes that it holds, and did not keep them from the upload.
    pub at_rest: bool,
    /// A digest that may be one of something else than the object's bytes: if it agrees, it is one of them, and if not, that
    /// proves nothing.
    pub uncertain: Digests,
    /// The store could not say anything of the object.
    pub refused: bool,
}

/// What a report is compared with of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "what a report is judged by, which no state is made of")]
pub struct StoredRecord {
    /// The primary key.
    pub key: RecordKey,
    /// The path or key within the storage.
    pub path: String,
    /// When the data was stored, where known.
    pub created_at: Option<Timestamp>,
    /// What the content is compared with.
    pub reference: Reference,
    /// What the recorded digest and size are of.
    pub rule: DigestRule,
    /// The content may rightly change.
    pub mutable: bool,
    /// Switched off.
    pub is_off: bool,
    /// The last attempt found the content good, and nobody asked for another since.
    pub is_good: bool,
    /// When the last attempt ended, good or bad.
    pub ended_at: Option<Timestamp>,
    /// Whether the last attempt that ended failed.
    pub is_failing: bool,
}

impl StoredRecord {
    /// That of a record.
    pub fn of(record: &Record) -> Self {
        Self {
            key: record.key.clone(),
            path: record.location.path.clone(),
            created_at: record.created_at,
            reference: Reference { source_checksum: None, ..record.reference() },
            rule: record.rule.clone(),
            mutable: record.mutable || record.model.is_mutable(),
            is_off: record.state() == State::Disabled,
            is_good: record.state() == State::Succeeded,
            ended_at: record.history().last_checksum_at(),
            is_failing: record.status.last_failure().is_some(),
        }
    }

    /// Whether the record is about something that a report made then can know.
    pub fn is_older_than(&self, report: Timestamp) -> bool {
        self.ended_at.is_none_or(|at| at < report) && self.created_at.is_none_or(|at| at < report)
    }
}

/// How a report is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportRules {
    /// When the report was made.
    pub made_at: Timestamp,
    /// Whether what a store says without having looked at the bytes makes a record good, as in a storage that is checked by
    /// metadata alone.
    pub metadata_suffices: bool,
}

/// What a report says of a record comes to this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportVerdict {
    /// The record was looked at, or its data stored, after the report was made.
    Newer,
    /// The report has nothing that could be compared, or the content may rightly be another by now.
    Silent,
    /// It agrees, and the record is as well as it says, or better.
    Agrees,
    /// It agrees, and that is more than what was known: this is the checksum, with its level of evidence.
    Good(Digest),
    /// The object is another.
    Bad(Failure),
    /// Something speaks against the object, or a failure may be over: reading tells.
    Doubtful,
}

impl ReportRules {
    /// Judges a record by what the report says of its object; `None`: the report is of all objects, and does not name it.
    pub fn judge(&self, record: &StoredRecord, said: Option<&Reported>) -> ReportVerdict {
        let has_no_object = matches!(record.rule, DigestRule::Unresolved(_) | DigestRule::Unlisted(_));
        if record.is_off || has_no_object {
            return ReportVerdict::Silent;
        }
        if !record.is_older_than(self.made_at) {
            return ReportVerdict::Newer;
        }
        let Some(said) = said.filter(|said| !said.refused) else { return ReportVerdict::Doubtful };
        if record.mutable {
            return ReportVerdict::Silent;
        }
        let seen = said.observation(&record.reference, &record.rule);
        let says_nothing = seen.checksum(Algorithm::Sha256).is_none();
        if says_nothing || (said.at_rest && !is_comparable(&record.reference, &seen)) {
            return ReportVerdict::Silent;
        }
        match judge(&record.reference, &seen, Algorithm::Sha256) {
            Err(failure) => ReportVerdict::Bad(failure),
            Ok(_) if record.is_failing || said.contradicts(&record.reference, &record.rule) => {
                ReportVerdict::Doubtful
            }
            Ok(checksum) => self.good(record, checksum),
        }
    }

    fn good(&self, record: &StoredRecord, checksum: Digest) -> ReportVerdict {
        let known = record.reference.baseline.map(|baseline| baseline.digest);
        let level = checksum.level();
        let suffices = level == EvidenceLevel::ComputedAtRest || self.metadata_suffices;
        // A checksum of our own is not given up for one that it could not be compared with later.
        let keeps_more = known.is_some_and(|known| {
            let is_good = record.is_good && known.level() > level;
            is_good || (known.level() == EvidenceLevel::Read && known.algorithm() != checksum.algorithm())
        });
        if suffices && !keeps_more { ReportVerdict::Good(checksum) } else { ReportVerdict::Agrees }
    }
}

impl Reported {
    /// What was seen of the object, to be compared under this rule.
    fn observation(&self, reference: &Reference, rule: &DigestRule) -> Observation {
        let mut digests = self.digests;
        if let Some(md5) =
            self.uncertain.md5.filter(|_| matches!(rule, DigestRule::Stored | DigestRule::Length(_)))
        {
            let is = Digest::Md5(md5);
            let agrees = |known: Digest| known.compare(&is) == Some(true);
            let known = [reference.expected, reference.baseline.map(|baseline| baseline.digest)];
            if known.into_iter().flatten().any(agrees) {
                digests.md5 = Some(md5);
            }
        }
        let evidence = if self.at_rest { Evidence::AtRest } else { Evidence::Metadata };
        Observation::of_metadata(evidence, Measure { size: self.size, digests }, rule)
    }

    /// Whether a digest that may be of something else differs from what was recorded.
    fn contradicts(&self, reference: &Reference, rule: &DigestRule) -> bool {
        let Some(md5) = self.uncertain.md5 else { return false };
        let is_of_stored = matches!(rule, DigestRule::Stored | DigestRule::Length(_));
        let expected = reference.expected.filter(|_| is_of_stored);
        let known = [expected, reference.baseline.map(|baseline| baseline.digest)];
        known.into_iter().flatten().any(|known| known.compare(&Digest::Md5(md5)) == Some(false))
    }
}

/// Whether a digest that was computed can be held against something that is known; if nothing is known, it is the first.
fn is_comparable(reference: &Reference, seen: &Observation) -> bool {
    let recorded = seen.recorded().ok().map(|measure| measure.digests);
    let expected = reference
        .expected
        .map(|expected| recorded.is_some_and(|digests| digests.get(expected.algorithm()).is_some()));
    let baseline = reference.baseline.map(|baseline| baseline.digest.algorithm());
    let baseline = baseline
        .filter(|algorithm| *algorithm != Algorithm::Size)
        .map(|algorithm| seen.stored.digests.get(algorithm).is_some());
    match (expected, baseline) {
        (None, None) => seen.stored.digests != Digests::default(),
        (expected, baseline) => expected == Some(true) || baseline == Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Metadata;
    use crate::failure::FailureKind;
    use crate::verification::Baseline;

    const SHA: [u8; 32] = [1; 32];
    const MD5: [u8; 16] = [2; 16];
    const RULES: ReportRules =
        ReportRules { made_at: Timestamp::from_millis(1_000), metadata_suffices: false };

    fn record() -> StoredRecord {
        StoredRecord {
            key: RecordKey::integer(1),
            path: "a".to_owned(),
            created_at: None,
            reference: Reference {
                expected: Some(Digest::Sha256(SHA)),
                size: Some(12),
                ..Reference::default()
            },
            rule: DigestRule::Stored,
            mutable: false,
            is_off: false,
            is_good: false,
            ended_at: None,
            is_failing: false,
        }
    }

    /// The same, read and found good at this time.
    fn read_at(millis: i64) -> StoredRecord {
        let at = Timestamp::from_millis(millis);
        let mut record = record();
        record.reference.baseline = Some(Baseline { digest: Digest::Sha256(SHA), at });
        StoredRecord { is_good: true, ended_at: Some(at), ..record }
    }

    fn sized(size: u64) -> Reported {
        Reported { size: Some(size), ..Reported::default() }
    }

    fn computed(sha256: [u8; 32]) -> Reported {
        Reported {
            digests: Digests { sha256: Some(sha256), ..Digests::default() },
            at_rest: true,
            ..Reported::default()
        }
    }

    fn kind(verdict: &ReportVerdict) -> Option<FailureKind> {
        match verdict {
            ReportVerdict::Bad(failure) => Some(failure.kind()),
            _ => None,
        }
    }

    #[test]
    fn a_size_makes_nothing_good_and_another_one_is_altered() {
        assert_eq!(RULES.judge(&record(), Some(&sized(12))), ReportVerdict::Agrees);
        assert_eq!(kind(&RULES.judge(&record(), Some(&sized(13)))), Some(FailureKind::Altered));
        let by_metadata = ReportRules { metadata_suffices: true, ..RULES };
        let good = ReportVerdict::Good(Digest::Metadata(Metadata::Size(12)));
        assert_eq!(by_metadata.judge(&record(), Some(&sized(12))), good);
        assert_eq!(by_metadata.judge(&read_at(1), Some(&sized(12))), ReportVerdict::Agrees);
    }

    #[test]
    fn what_was_computed_at_rest_counts_if_it_can_be_compared() {
        let good = ReportVerdict::Good(Digest::Metadata(Metadata::AtRestSha256(SHA)));
        assert_eq!(RULES.judge(&record(), Some(&computed(SHA))), good);
        assert_eq!(kind(&RULES.judge(&record(), Some(&computed([9; 32])))), Some(FailureKind::Altered));
        let md5 = Reported {
            digests: Digests { md5: Some(MD5), ..Digests::default() },
            at_rest: true,
            ..Reported::default()
        };
        assert_eq!(RULES.judge(&record(), Some(&md5)), ReportVerdict::Silent);
        let nothing = Reported { at_rest: true, ..Reported::default() };
        assert_eq!(RULES.judge(&record(), Some(&nothing)), ReportVerdict::Silent);
        let unknown = StoredRecord { reference: Reference::default(), ..record() };
        let first = ReportVerdict::Good(Digest::Metadata(Metadata::AtRestMd5(MD5)));
        assert_eq!(RULES.judge(&unknown, Some(&md5)), first);
    }

    #[test]
    fn a_reading_is_not_given_up_for_less() {
        assert_eq!(RULES.judge(&read_at(1), Some(&computed(SHA))), ReportVerdict::Agrees);
        let due = StoredRecord { is_good: false, ..read_at(1) };
        let good = ReportVerdict::Good(Digest::Metadata(Metadata::AtRestSha256(SHA)));
        assert_eq!(RULES.judge(&due, Some(&computed(SHA))), good);
    }

    #[test]
    fn a_report_never_replaces_what_is_newer_and_never_clears_a_failure() {
        for record in [
            read_at(1_000),
            StoredRecord { ended_at: Some(Timestamp::from_millis(2_000)), is_failing: true, ..record() },
            StoredRecord { created_at: Some(Timestamp::from_millis(1_000)), ..record() },
        ] {
            for said in [Some(sized(13)), Some(computed(SHA)), None] {
                assert_eq!(RULES.judge(&record, said.as_ref()), ReportVerdict::Newer);
            }
        }
        let failing =
            StoredRecord { ended_at: Some(Timestamp::from_millis(1)), is_failing: true, ..record() };
        assert_eq!(RULES.judge(&failing, Some(&computed(SHA))), ReportVerdict::Doubtful);
        assert_eq!(kind(&RULES.judge(&failing, Some(&sized(13)))), Some(FailureKind::Altered));
    }

    #[test]
    fn what_a_report_does_not_name_or_was_refused_is_read() {
        assert_eq!(RULES.judge(&read_at(1), None), ReportVerdict::Doubtful);
        let refused = Reported { refused: true, ..Reported::default() };
        assert_eq!(RULES.judge(&read_at(1), Some(&refused)), ReportVerdict::Doubtful);
        let off = StoredRecord { is_off: true, ..record() };
        assert_eq!(RULES.judge(&off, None), ReportVerdict::Silent);
    }

    #[test]
    fn mutable_content_may_be_another_by_now() {
        let record = StoredRecord { mutable: true, ..record() };
        assert_eq!(RULES.judge(&record, Some(&sized(13))), ReportVerdict::Silent);
    }

    #[test]
    fn an_etag_that_may_be_no_md5_proves_something_only_if_it_agrees() {
        let with_md5 = |md5| StoredRecord {
            reference: Reference { expected: Some(Digest::Md5(md5)), size: Some(12), ..Reference::default() },
            ..record()
        };
        let said = Reported { uncertain: Digests { md5: Some(MD5), ..Digests::default() }, ..sized(12) };
        let by_metadata = ReportRules { metadata_suffices: true, ..RULES };
        let good = ReportVerdict::Good(Digest::Metadata(Metadata::Md5(MD5)));
        assert_eq!(by_metadata.judge(&with_md5(MD5), Some(&said)), good);
        assert_eq!(by_metadata.judge(&with_md5([9; 16]), Some(&said)), ReportVerdict::Doubtful);
        assert_eq!(RULES.judge(&with_md5([9; 16]), Some(&said)), ReportVerdict::Doubtful);
        assert_eq!(RULES.judge(&record(), Some(&said)), ReportVerdict::Agrees);
    }
}
