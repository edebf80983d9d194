//! Results that wait to be recorded.

use stocktake_domain::ports::{ClaimedRecord, Outcome};
use stocktake_domain::{
    Algorithm, ContentError, Digest, JITTER_STEPS, Observation, RecordKey, Rng, Timestamp, judge,
};

use crate::stats::Stats;

/// Results of one lease that wait to be recorded, with their counts.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) outcomes: Vec<(RecordKey, Outcome)>,
    pub(crate) stats: Stats,
}

/// What all verdicts of one moment have in common.
pub(crate) struct Judge<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) rng: &'a dyn Rng,
    pub(crate) now: Timestamp,
}

impl Batch {
    /// Judges what was seen of a record. False if that is no finding, because the reading was given up.
    pub(crate) fn add(
        &mut self,
        record: ClaimedRecord,
        seen: Result<Observation, ContentError>,
        judge_by: &Judge<'_>,
    ) -> bool {
        let verdict = match seen {
            Ok(observation) => {
                self.stats.bytes += observation.bytes_read;
                let checksum = judge(&record.reference, &observation, judge_by.algorithm);
                checksum.map(|checksum| (checksum, record.reference.matches_source(&observation)))
            }
            Err(error) => match error.into_failure() {
                Some(failure) => Err(failure),
                None => return false,
            },
        };
        let ClaimedRecord { key, verification, .. } = record;
        let outcome = match verdict {
            Ok((checksum, matches_source)) => {
                self.stats.succeeded += 1;
                self.stats.metadata_only += u64::from(matches!(checksum, Digest::Metadata(_)));
                Outcome::Succeeded(
                    verification.succeed(checksum, judge_by.now).with_source_match(matches_source),
                )
            }
            Err(failure) => {
                *self.stats.failed.entry(failure.kind()).or_default() += 1;
                Outcome::Failed(verification.fail(failure, judge_by.now, judge_by.rng.below(JITTER_STEPS)))
            }
        };
        self.outcomes.push((key, outcome));
        true
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
        self.stats = Stats::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use stocktake_domain::{DigestRule, Digests, Evidence, FailureKind, Reference, Verification};

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
            reference: Reference::default(),
            verification: Verification::new().claim(),
        }
    }

    fn seen(size: u64) -> Observation {
        Observation::of_content(size, Digests { md5: Some([5; 16]), ..Digests::default() })
    }

    #[test]
    fn findings_become_outcomes_and_counts() {
        let mut batch = Batch::default();
        assert!(batch.add(record(1), Ok(seen(10)), &JUDGE));
        assert!(batch.add(record(2), Err(ContentError::MissingRepository), &JUDGE));
        assert!(!batch.add(record(3), Err(ContentError::Cancelled), &JUDGE));
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
        assert!(batch.add(record(1), Ok(said), &JUDGE) && batch.add(record(2), Ok(seen(10)), &JUDGE));
        assert_eq!((batch.stats.succeeded, batch.stats.metadata_only), (2, 1));
    }

    #[test]
    fn what_was_thrown_away_never_hides_a_failure() {
        let failed = BTreeMap::from([(FailureKind::Missing, 2), (FailureKind::Altered, 1)]);
        let batch = Batch {
            outcomes: Vec::new(),
            stats: Stats { succeeded: 2, metadata_only: 2, failed: failed.clone(), bytes: 7 },
        };
        assert_eq!(batch.written(5), batch.stats);
        assert_eq!(batch.written(3), Stats { succeeded: 0, metadata_only: 0, failed, bytes: 7 });
        assert_eq!(batch.written(2).failures(), 2);
        assert_eq!(batch.written(0), Stats::default());
    }
}
