//! What records that failed have in common, so that somebody sees at once what happened: each rule with its evidence.

use std::time::Duration;

use crate::record::Record;
use crate::time::Timestamp;

/// Attempts that ended within this time failed at once.
const AT_ONCE: Duration = Duration::from_secs(3_600);

/// Something that several records have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommonGround {
    /// All lie below this folder, which ends with a slash.
    Folder(String),
    /// All belong to this project or group.
    Owner(String),
    /// The same was said of each failure.
    Reason(String),
    /// The last attempts at all of them ended within an hour, between these times.
    AtOnce {
        /// The first.
        from: Timestamp,
        /// The last.
        to: Timestamp,
    },
    /// Each was good before, the one that was so least lately at this time.
    GoodSince(Timestamp),
}

/// What these records have in common, in the order of the rules; nothing of less than two records.
pub fn common_ground(records: &[Record]) -> Vec<CommonGround> {
    if records.len() < 2 {
        return Vec::new();
    }
    let rules = [
        folder(records).map(CommonGround::Folder),
        same(records, |record| record.owner.as_deref()).map(CommonGround::Owner),
        same(records, |record| record.status.last_failure()?.cause().text()).map(CommonGround::Reason),
        at_once(records),
        good_since(records).map(CommonGround::GoodSince),
    ];
    rules.into_iter().flatten().collect()
}

/// The deepest folder in which all of them lie.
fn folder(records: &[Record]) -> Option<String> {
    let mut paths = records.iter().map(|record| record.location.path.as_str());
    let first = paths.next()?;
    let shared = paths.fold(first.len(), |shared, path| {
        let same = first.bytes().zip(path.bytes()).take(shared).take_while(|(a, b)| a == b);
        same.count()
    });
    let end = first.as_bytes().get(..shared)?.iter().rposition(|byte| *byte == b'/')?;
    first.get(..=end).map(str::to_owned)
}

/// What is the same of all of them.
fn same(records: &[Record], of: fn(&Record) -> Option<&str>) -> Option<String> {
    let first = of(records.first()?)?;
    records.iter().all(|record| of(record) == Some(first)).then(|| first.to_owned())
}

fn at_once(records: &[Record]) -> Option<CommonGround> {
    let ends: Option<Vec<Timestamp>> = records.iter().map(|record| record.history().failed_at()).collect();
    let ends = ends?;
    let (from, to) = (*ends.iter().min()?, *ends.iter().max()?);
    (to.since(from) <= AT_ONCE).then_some(CommonGround::AtOnce { from, to })
}

fn good_since(records: &[Record]) -> Option<Timestamp> {
    let times = records.iter().map(|record| record.history().baseline().map(|baseline| baseline.at));
    times.collect::<Option<Vec<Timestamp>>>()?.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Baseline, Digest, Failed, Failure, FailureTimes, History, Location, Model, RecordKey, SourceRecord,
    };
    use crate::{Status, Verification};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn failed(
        path: &str,
        owner: Option<&str>,
        failure: Failure,
        at_second: i64,
        good: Option<i64>,
    ) -> Record {
        let location = Location { storage: "main".to_owned(), path: path.to_owned() };
        let source = SourceRecord {
            owner: owner.map(str::to_owned),
            ..SourceRecord::new(RecordKey::integer(1), location)
        };
        let baseline = good.map(|second| Baseline { digest: Digest::Md5([1; 16]), at: at(second) });
        let history =
            History { baseline, failures: Some(FailureTimes::once(at(at_second))), ..History::default() };
        let stage = Failed { failure, retry_at: at(at_second) };
        let status = Status::Failed(Verification::restore(history, stage));
        Record { status, ..Record::new(Model::Uploads, source) }
    }

    #[test]
    fn each_rule_holds_of_all_or_is_not_told() {
        let eio = || Failure::unreadable("Input/output error");
        let one = failed("a/b/c/1", Some("g/p"), eio(), 100, Some(9));
        let two = failed("a/b/cd", Some("g/p"), eio(), 3_700, Some(5));
        let all = [
            CommonGround::Folder("a/b/".to_owned()),
            CommonGround::Owner("g/p".to_owned()),
            CommonGround::Reason("Input/output error".to_owned()),
            CommonGround::AtOnce { from: at(100), to: at(3_700) },
            CommonGround::GoodSince(at(5)),
        ];
        assert_eq!(common_ground(&[one.clone(), two.clone()]), all);
        assert_eq!(common_ground(std::slice::from_ref(&one)), []);
        assert_eq!(common_ground(&[]), []);
        let others = [
            (failed("b/b/c", Some("g/p"), eio(), 101, Some(9)), 0),
            (failed("a/b/x", None, eio(), 101, Some(9)), 1),
            (failed("a/b/x", Some("g/p"), Failure::missing_repository(), 101, Some(9)), 2),
            (failed("a/b/x", Some("g/p"), eio(), 3_701, Some(9)), 3),
            (failed("a/b/x", Some("g/p"), eio(), 101, None), 4),
        ];
        for (other, broken) in others {
            let told = common_ground(&[one.clone(), other]);
            let kinds = |of: &CommonGround| std::mem::discriminant(of);
            assert!(!told.iter().any(|of| kinds(of) == kinds(&all[broken])), "{broken}: {told:?}");
            assert_eq!(told.len(), 4, "{broken}: {told:?}");
        }
    }

    #[test]
    fn a_folder_is_whole() {
        let of = |paths: &[&str]| {
            let records: Vec<_> =
                paths.iter().map(|path| failed(path, None, Failure::missing_repository(), 1, None)).collect();
            folder(&records)
        };
        assert_eq!(of(&["ab/1", "ac/1"]), None);
        assert_eq!(of(&["ab/1", "ab/1"]), Some("ab/".to_owned()));
        assert_eq!(of(&["/1", "/2"]), Some("/".to_owned()));
        assert_eq!(of(&["é/1", "è/1"]), None);
        assert_eq!(of(&["x/é/1", "x/é/2", "x/è/1"]), Some("x/".to_owned()));
    }
}
