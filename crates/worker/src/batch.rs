//! Results that wait to be recorded.

use stocktake_domain::ports::{ClaimedRecord, Outcome};
use stocktake_domain::{
    Algorithm, ContentError, Digest, Evidence, Failure, FailureCause, FailureKind, JITTER_STEPS, NotJudged,
    Observation, RecordKey, Rng, Timestamp, judge, judge_emptied,
};

use crate::stats::Stats;

/// Results of one lease that wait to be recorded, with their counts.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) outcomes: Vec<(RecordKey, Outcome)>,
    /// Where good content was found.
    pub(crate) good: Vec<String>,
    pub(crate) stats: Stats,
}

/// What all verdicts of one moment have in common.
pub(crate) struct Judge<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) rng: &'a dyn Rng,
    pub(crate) now: Timestamp,
}

/// What is not recorded as it was seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unrecorded {
    /// The record's content is not good, if the storage is what it should be.
    Unconfirmed(Box<Unconfirmed>),
    /// Nothing can be said of the record.
    NotJudged(NotJudged),
}

/// A record whose content is not good, or not there where none need be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unconfirmed {
    judged: Judged,
    /// Whether it is not there, or was good and cannot be read: what a storage that is not whole does to its records.
    pub(crate) is_lost: bool,
}

impl Unconfirmed {
    /// The path or key of its content.
    pub(crate) fn path(&self) -> &str {
        &self.judged.record.path
    }

    /// Whether the content is not there.
    pub(crate) fn is_absent(&self) -> bool {
        self.judged.is_absent
    }

    /// Whether nothing of it is there, and not only a part is missing.
    pub(crate) fn is_all_gone(&self) -> bool {
        let part = |failure: &Failure| matches!(failure.cause(), FailureCause::MissingPart { .. });
        self.is_absent() && !self.judged.verdict.as_ref().is_err_and(part)
    }
}

/// What was seen of a record comes to this.
#[derive(Debug, PartialEq, Eq)]
struct Judged {
    record: ClaimedRecord,
    verdict: Verdict,
    bytes_read: u64,
    is_absent: bool,
}

/// The checksum of good content, and how it compares with the source's own; else why it is not good.
type Verdict = Result<(Digest, Option<bool>), Failure>;

impl Judged {
    fn new(record: ClaimedRecord, seen: Result<Observation, Failure>, algorithm: Algorithm) -> Self {
        let (bytes_read, is_absent) = match &seen {
            Ok(observation) => (observation.bytes_read, observation.evidence == Evidence::Absence),
            Err(failure) => (0, failure.kind() == FailureKind::Missing),
        };
        let verdict = seen.and_then(|observation| {
            let reference = record.reference.map_err(Failure::damaged_row)?;
            judge_emptied(record.verification.history().baseline(), &observation)?;
            let checksum = judge(&reference, &observation, algorithm)?;
            Ok((checksum, reference.matches_source(&observation)))
        });
        Self { record, verdict, bytes_read, is_absent }
    }

    /// Whether the content was good when it was last looked at, and now cannot be read.
    fn is_no_longer_readable(&self) -> bool {
        let history = self.record.verification.history();
        let was_good = history.baseline().is_some() && history.failures.is_none();
        was_good && self.verdict.as_ref().is_err_and(|failure| failure.kind() == FailureKind::Unreadable)
    }
}

impl Batch {
    /// Judges what was seen of a record. Returns what is not recorded: a record whose content is not good, which is to be
    /// confirmed first and then [added](Self::add_confirmed), or why nothing can be said.
    pub(crate) fn add(
        &mut self,
        record: ClaimedRecord,
        seen: Result<Observation, ContentError>,
        judge_by: &Judge<'_>,
    ) -> Result<(), Unrecorded> {
        let seen = match seen.map_err(ContentError::into_failure) {
            Err(Err(not_judged)) => return Err(Unrecorded::NotJudged(not_judged)),
            Err(Ok(failure)) => Err(failure),
            Ok(observation) => Ok(observation),
        };
        let judged = Judged::new(record, seen, judge_by.algorithm);
        // What makes a record invalid stands in its row, or in a name.
        let says_nothing_of_the_storage = match &judged.verdict {
            Ok(_) => !judged.is_absent,
            Err(failure) => failure.kind() == FailureKind::Invalid,
        };
        if says_nothing_of_the_storage {
            self.add_judged(judged, judge_by);
            return Ok(());
        }
        let is_lost = judged.is_absent || judged.is_no_longer_readable();
        Err(Unrecorded::Unconfirmed(Box::new(Unconfirmed { judged, is_lost })))
    }

    /// Adds a record whose content is not good, for certain.
    pub(crate) fn add_confirmed(&mut self, confirmed: Unconfirmed, judge_by: &Judge<'_>) {
        self.add_judged(confirmed.judged, judge_by);
    }

    fn add_judged(&mut self, judged: Judged, judge_by: &Judge<'_>) {
        let Judged { record, verdict, bytes_read, is_absent } = judged;
        self.stats.bytes += bytes_read;
        match verdict {
            Ok((checksum, matches_source)) => {
                self.stats.succeeded += 1;
                self.stats.metadata_only += u64::from(matches!(checksum, Digest::Metadata(_)));
                let verification = record.verification.succeed(checksum, judge_by.now);
                let outcome = Outcome::Succeeded(verification.with_source_match(matches_source));
                self.outcomes.push((record.key, outcome));
                if !is_absent {
                    self.good.push(record.path);
                }
            }
            Err(failure) => self.add_failed(record, failure, judge_by),
        }
    }

    fn add_failed(&mut self, record: ClaimedRecord, failure: Failure, judge_by: &Judge<'_>) {
        let failure = failure.at(&record.path);
        *self.stats.failed.entry(failure.kind()).or_default() += 1;
        let verification = record.verification.fail(failure, judge_by.now, judge_by.rng.below(JITTER_STEPS));
        self.outcomes.push((record.key, Outcome::Failed(verification)));
    }

    /// The counts of what was recorded, if only `written` of the results were. Which ones is not known: the
    /// good ones are taken for those thrown away first, so that a failure is never passed over.
    pub(crate) fn written(&self, written: u64) -> Stats {
        let mut stats = self.stats.clone();
        let mut discarded = stats.records().saturating_sub(written);
        if written == 0 {
            return Stats::default();
        }
        let good = discarded.min(stats.succeeded);
        stats.succeeded -= good;
        stats.metadata_only = stats.metadata_only.min(stats.succeeded);
        discarded -= good;
        for count in stats.failed.values_mut() {
            let bad = discarded.min(*count);
            *count -= bad;
            discarded -= bad;
        }
        stats.failed.retain(|_, count| *count > 0);
        stats
    }

    /// Forgets what was recorded.
    pub(crate) fn clear(&mut self) {
        self.outcomes.clear();
        self.good.clear();
        self.stats = Stats::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use stocktake_domain::{DigestRule, Digests, Reference, Verification};

    struct Six;

    impl Rng for Six {
        fn below(&self, _sides: u32) -> u32 {
            6
        }
    }

    const JUDGE: Judge<'_> =
        Judge { algorithm: Algorithm::Md5, rng: &Six, now: Timestamp::from_millis(9_000) };

    fn record(key: i64) -> ClaimedRecord {
        ClaimedRecord {
            key: RecordKey::integer(key),
            path: String::new(),
            rule: DigestRule::Stored,
            reference: Ok(Reference::default()),
            verification: Verification::new().claim(),
        }
    }

    fn seen(size: u64) -> Observation {
        Observation::of_content(size, Digests { md5: Some([5; 16]), ..Digests::default() })
    }

    #[test]
    fn findings_become_outcomes_and_counts() {
        let mut batch = Batch::default();
        assert_eq!(batch.add(record(1), Ok(seen(10)), &JUDGE), Ok(()));
        let missing = batch.add(record(2), Err(ContentError::MissingRepository), &JUDGE);
        let Err(Unrecorded::Unconfirmed(missing)) = missing else { panic!("{missing:?}") };
        batch.add_confirmed(*missing, &JUDGE);
        for not_judged in [NotJudged::Cancelled, NotJudged::Storage("gone".to_owned())] {
            let added = batch.add(record(3), Err(not_judged.clone().into()), &JUDGE);
            assert_eq!(added, Err(Unrecorded::NotJudged(not_judged)));
        }
        let checksums: Vec<_> = batch.outcomes.iter().map(|(_, outcome)| outcome.checksum()).collect();
        assert_eq!(checksums, [seen(0).checksum(Algorithm::Md5), None]);
        let Outcome::Failed(failed) = &batch.outcomes[1].1 else { panic!("{:?}", batch.outcomes) };
        assert_eq!(failed.stage().retry_at, Timestamp::from_millis(9_000 + (1 + 15 + 6 * 2) * 1_000));
        let failures = BTreeMap::from([(FailureKind::Missing, 1)]);
        assert_eq!(batch.stats, Stats { succeeded: 1, metadata_only: 0, failed: failures, bytes: 10 });
    }

    #[test]
    fn what_was_only_said_by_a_store_is_counted_apart() {
        let mut batch = Batch::default();
        let said = Observation { evidence: Evidence::Metadata, bytes_read: 0, ..seen(10) };
        for (number, seen) in [(1, said), (2, seen(10))] {
            assert_eq!(batch.add(record(number), Ok(seen), &JUDGE), Ok(()));
        }
        assert_eq!((batch.stats.succeeded, batch.stats.metadata_only), (2, 1));
    }

    #[test]
    fn what_was_thrown_away_never_hides_a_failure() {
        let failed = BTreeMap::from([(FailureKind::Missing, 2), (FailureKind::Altered, 1)]);
        let batch = Batch {
            outcomes: Vec::new(),
            good: Vec::new(),
            stats: Stats { succeeded: 2, metadata_only: 2, failed: failed.clone(), bytes: 7 },
        };
        assert_eq!(batch.written(5), batch.stats);
        assert_eq!(batch.written(3), Stats { succeeded: 0, metadata_only: 0, failed, bytes: 7 });
        assert_eq!(batch.written(2).failures(), 2);
        assert_eq!(batch.written(0), Stats::default());
    }
}
