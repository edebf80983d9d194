//! One finding, as JSON and as a line of CSV.

use serde::Serialize;
use stocktake_domain::{
    Digest, EvidenceLevel, Failure, FailureCause, FailureKind, QuotedCell, Record, State, Timestamp,
};
use utoipa::ToSchema;

use crate::record::{IdentifierBody, shown, shown_time, state_name};
use crate::schema::{EvidenceLevelName, FailureKindName, Identifier, ModelName, StateName};

/// The columns of CSV, which are the fields of [`FindingBody`] in their order.
const COLUMNS: [&str; 20] = [
    "model_name",
    "record_identifier",
    "kind",
    "checksum_failure",
    "checksum_state",
    "storage",
    "path",
    "file_size",
    "expected_checksum",
    "calculated_checksum",
    "checksum",
    "gitlab_checksum",
    "gitlab_checksum_agrees",
    "owner",
    "last_checksum",
    "checksum_retry_count",
    "last_good_checksum",
    "last_good_at",
    "found_size",
    "evidence",
];

/// A record and what is wrong with it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Finding)]
pub(super) struct FindingBody<'a> {
    /// The model's name.
    #[schema(value_type = ModelName)]
    model_name: &'static str,
    /// The primary key: an integer, or a composite as URL-safe base64 of its parts joined by one space.
    #[schema(value_type = Identifier)]
    record_identifier: IdentifierBody<'a>,
    /// The kind of failure; null if the last attempt did not fail.
    #[serde(serialize_with = "shown")]
    #[schema(value_type = Option<FailureKindName>, required)]
    kind: Option<FailureKind>,
    /// What went wrong with the last attempt, also while the record is read again.
    #[schema(required, max_length = 255)]
    checksum_failure: Option<String>,
    /// The state.
    #[serde(serialize_with = "state_name")]
    #[schema(value_type = StateName)]
    checksum_state: State,
    /// The storage's name in the configuration; `-` if it is not known.
    #[schema(example = "main")]
    storage: &'a str,
    /// The path or key of the content in its storage; `-` if it is not known.
    path: &'a str,
    /// Size in bytes recorded when the data was stored, where known.
    #[schema(required)]
    file_size: Option<u64>,
    /// What the content is compared with, as algorithm, colon and hex: the digest recorded when the data was
    /// stored, or where content was altered that is not compared with such a digest, our own last good checksum.
    #[schema(required, example = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    expected_checksum: Option<String>,
    /// What was found instead, as algorithm, colon and hex, where that is what is wrong.
    #[schema(required)]
    calculated_checksum: Option<String>,
    /// Our own checksum; null if there is none, or the last attempt failed.
    #[serde(serialize_with = "shown")]
    #[schema(value_type = Option<String>, required)]
    checksum: Option<Digest>,
    /// The checksum that GitLab's own verification last found good, where it has one.
    #[serde(serialize_with = "shown")]
    #[schema(value_type = Option<String>, required)]
    gitlab_checksum: Option<Digest>,
    /// Whether what was last read agrees with it; null where the two cannot be, or were not yet, compared.
    #[schema(required)]
    gitlab_checksum_agrees: Option<bool>,
    /// The full path of the project or group that it belongs to, where known.
    #[schema(required, example = "group/project")]
    owner: Option<&'a str>,
    /// When the last attempt ended, whether it succeeded or failed.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    last_checksum: Option<Timestamp>,
    /// Failures since the last success.
    checksum_retry_count: u32,
    /// Our own checksum of the content when it was last good, as algorithm, colon and hex, also if the last attempt failed.
    #[schema(required)]
    last_good_checksum: Option<String>,
    /// When that was.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    last_good_at: Option<Timestamp>,
    /// The size in bytes that was found instead, where that is what is wrong.
    #[schema(required)]
    found_size: Option<u64>,
    /// What the last good verdict rests on: the bytes, which were read; a digest that the store computed of the bytes that it
    /// holds, or keeps from the upload; or the size alone.
    #[serde(serialize_with = "shown")]
    #[schema(value_type = Option<EvidenceLevelName>, required)]
    evidence: Option<EvidenceLevel>,
}

impl<'a> From<&'a Record> for FindingBody<'a> {
    fn from(record: &'a Record) -> Self {
        let failure = record.status.last_failure();
        let history = record.history();
        Self {
            model_name: record.model.name(),
            record_identifier: IdentifierBody(&record.key),
            kind: failure.map(Failure::kind),
            checksum_failure: failure.map(Failure::text),
            checksum_state: record.state(),
            storage: &record.location.storage,
            path: &record.location.path,
            file_size: record.file_size,
            expected_checksum: expected(record).as_ref().map(Digest::tagged),
            calculated_checksum: failure.and_then(Failure::calculated).as_ref().map(Digest::tagged),
            checksum: history.checksum(),
            gitlab_checksum: record.source_checksum,
            gitlab_checksum_agrees: record.matches_source(),
            owner: record.owner.as_deref(),
            last_checksum: history.last_checksum_at(),
            checksum_retry_count: history.retry_count,
            last_good_checksum: history.baseline().map(|good| good.digest.tagged()),
            last_good_at: history.baseline().map(|good| good.at),
            found_size: failure.and_then(Failure::found_size),
            evidence: record.evidence(),
        }
    }
}

/// What the content is compared with. Where it failed against our own checksum, that is what it is, though a
/// digest may be recorded as well: of encrypted content the two are not of the same bytes.
fn expected(record: &Record) -> Option<Digest> {
    let reference = record.reference();
    let own = reference.baseline.map(|own| own.digest);
    match record.status.last_failure().map(Failure::cause) {
        Some(FailureCause::ContentChanged { was, .. }) => Some(*was),
        Some(cause) if cause.kind() == FailureKind::Altered => reference.expected.or(own),
        _ => reference.expected,
    }
}

/// A finding as a JSON object, without a line break.
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "names, texts and numbers can always be written"
)]
pub fn json(record: &Record) -> String {
    serde_json::to_string(&FindingBody::from(record)).expect("a finding is no JSON")
}

/// The first line of findings as CSV, with its line break.
pub fn csv_header() -> String {
    line(COLUMNS)
}

/// A finding as a line of CSV, with its line break. What is null in JSON is empty, and texts from outside are
/// [`QuotedCell`]s.
pub fn csv_line(record: &Record) -> String {
    let finding = FindingBody::from(record);
    let quoted = |text: &str| QuotedCell(text).to_string();
    let (storage, path) = (quoted(finding.storage), quoted(finding.path));
    let owner = finding.owner.map(quoted);
    line(FindingBody {
        checksum_failure: finding.checksum_failure.as_deref().map(quoted),
        storage: &storage,
        path: &path,
        owner: owner.as_deref(),
        ..finding
    })
}

#[expect(clippy::expect_used, reason = "a row of names, texts and numbers can always be written to memory")]
fn line(row: impl Serialize) -> String {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.serialize(row).expect("a finding is no row");
    let bytes = writer.into_inner().expect("memory cannot be written");
    String::from_utf8(bytes).expect("texts make no text")
}

#[cfg(test)]
mod tests {
    use stocktake_domain::{
        Baseline, DigestRule, Failed, FailureTimes, History, KeyData, Model, Status, Succeeded, Verification,
    };

    use super::*;
    use crate::testing;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn failed(failure: Failure, baseline: Option<Baseline>) -> Status {
        let history =
            History { baseline, failures: Some(FailureTimes::once(at(1000))), retry_count: 2, attempt: 3 };
        Status::Failed(Verification::restore(history, Failed { failure, retry_at: at(2000) }))
    }

    fn altered() -> Record {
        let (expected, is) = (Digest::Md5([1; 16]), Digest::Md5([2; 16]));
        let mut record = testing::record(&[5, 100]);
        record.model = Model::Uploads;
        record.file_size = Some(12);
        record.location.path = "a, \"b\"".to_owned();
        record.expected = Some(expected);
        record.owner = Some("group/project".to_owned());
        record.rule = DigestRule::SecureFile(KeyData("the key".to_owned()));
        record.status = failed(Failure::checksum_mismatch(expected, is), None);
        record
    }

    #[test]
    fn a_failed_record_says_what_and_whose() {
        let (one, two) = ("01".repeat(16), "02".repeat(16));
        let failure =
            format!("Error during verification: Checksum mismatch: expected md5 {one}, calculated {two}");
        assert_eq!(
            json(&altered()),
            format!(
                r#"{{"model_name":"uploads","record_identifier":"NSAxMDA=","kind":"altered","checksum_failure":"{failure}","checksum_state":"failed","storage":"main","path":"a, \"b\"","file_size":12,"expected_checksum":"md5:{one}","calculated_checksum":"md5:{two}","checksum":null,"gitlab_checksum":null,"gitlab_checksum_agrees":null,"owner":"group/project","last_checksum":"1970-01-01T00:00:01.000Z","checksum_retry_count":2,"last_good_checksum":null,"last_good_at":null,"found_size":null,"evidence":null}}"#
            )
        );
        assert_eq!(
            csv_line(&altered()),
            format!(
                "uploads,NSAxMDA=,altered,\"{failure}\",failed,main,\"a, \"\"b\"\"\",12,md5:{one},md5:{two},,,,\
                 group/project,1970-01-01T00:00:01.000Z,2,,,,\n"
            )
        );
    }

    #[test]
    fn names_neither_make_lines_nor_are_calculated() {
        let mut record = altered();
        record.location.path = "=1+1\nuploads,1,\u{202e}".to_owned();
        record.owner = Some("@x".to_owned());
        let line = csv_line(&record);
        assert!(line.contains(",\"'=1+1\\nuploads,1,\\u{202e}\",") && line.contains(",'@x,"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_good_record_shows_both_checksums() {
        let mut record = testing::record(&[7]);
        record.source_checksum = Some(Digest::Gitaly([0xab; 20]));
        let baseline = Some(Baseline { digest: Digest::Sha256([0xcd; 32]), at: at(0) });
        let stage = Succeeded { matches_source: Some(false) };
        record.status =
            Status::Succeeded(Verification::restore(History { baseline, ..History::default() }, stage));
        let (ours, theirs) = ("cd".repeat(32), "ab".repeat(20));
        assert_eq!(
            csv_line(&record),
            format!(
                "projects,7,,,succeeded,main,a,,,,{ours},{theirs},false,,1970-01-01T00:00:00.000Z,0,sha256:{ours},\
                 1970-01-01T00:00:00.000Z,,read\n"
            )
        );
    }

    #[test]
    fn a_field_is_a_column() {
        assert_eq!(csv_header(), COLUMNS.join(",") + "\n");
        let text = json(&altered());
        let at = |name: &str| text.find(&format!("\"{name}\":"));
        assert!(COLUMNS.map(at).is_sorted() && COLUMNS.iter().all(|name| at(name).is_some()), "{text}");
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object.as_object().unwrap().len(), COLUMNS.len());
    }

    #[test]
    fn expected_is_what_the_content_was_compared_with() {
        let (recorded, own, is) = (Digest::Sha256([1; 32]), Digest::Sha256([2; 32]), Digest::Sha256([3; 32]));
        let baseline = Baseline { digest: own, at: at(500) };
        let changed = || Failure::content_changed(baseline.at, own, is);
        let mismatch = || Failure::checksum_mismatch(recorded, is);
        let rows = [
            (Some(recorded), false, mismatch(), Some(recorded)),
            (Some(recorded), false, changed(), Some(own)),
            (Some(recorded), true, changed(), Some(own)),
            (Some(recorded), true, Failure::missing_repository(), None),
            (Some(recorded), false, Failure::missing_repository(), Some(recorded)),
            (None, false, changed(), Some(own)),
            (None, false, Failure::size_mismatch(1, 2), Some(own)),
            (None, false, Failure::missing_repository(), None),
        ];
        for (expected, accepted, failure, shown) in rows {
            let mut record = testing::record(&[1]);
            record.model = Model::Uploads;
            record.expected = expected;
            record.accepted = accepted;
            let text = format!("{failure:?} {expected:?} {accepted}");
            record.status = failed(failure, Some(baseline));
            assert_eq!(super::expected(&record), shown, "{text}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        for text in [json(&altered()), csv_line(&altered())] {
            assert!(!text.contains("the key"), "{text}");
        }
    }
}
