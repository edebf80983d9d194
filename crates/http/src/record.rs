//! A record as the API shows it.

use std::fmt::Display;

use serde::{Serialize, Serializer};
use stocktake_domain::{Digest, Record, RecordKey, State, Timestamp};
use utoipa::ToSchema;

use crate::schema::{Identifier, StateName};

/// A record, with the keys in the API's order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Record)]
pub(crate) struct RecordBody<'a> {
    /// The primary key: an integer, or a composite as URL-safe base64 of its parts joined by one space.
    #[schema(value_type = Identifier)]
    record_identifier: IdentifierBody<'a>,
    /// The data type's class.
    #[schema(example = "LfsObject")]
    model_class: &'static str,
    /// When the data was stored, where known.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime, example = "2025-02-05T11:27:10.173Z")]
    created_at: Option<Timestamp>,
    /// Size in bytes, where known.
    #[schema(required)]
    file_size: Option<u64>,
    /// The state of the checksum.
    checksum_information: ChecksumInformation,
}

/// The state of a record's checksum.
#[derive(Debug, Serialize, ToSchema)]
struct ChecksumInformation {
    /// Lower-case hex of the SHA-256 or MD5; null if there is none, or the last attempt failed.
    #[serde(serialize_with = "shown")]
    #[schema(value_type = Option<String>, required, pattern = "^([0-9a-f]{32}|[0-9a-f]{64})$")]
    checksum: Option<Digest>,
    /// When the last attempt ended, whether it succeeded or failed.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime, example = "2025-07-24T14:22:18.643Z")]
    last_checksum: Option<Timestamp>,
    /// The state.
    #[serde(serialize_with = "state_name")]
    #[schema(value_type = StateName)]
    checksum_state: State,
    /// Failures since the last success.
    checksum_retry_count: u32,
    /// When a failed record is tried again.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    checksum_retry_at: Option<Timestamp>,
    /// What went wrong.
    #[schema(required, max_length = 255)]
    checksum_failure: Option<String>,
}

impl<'a> From<&'a Record> for RecordBody<'a> {
    fn from(record: &'a Record) -> Self {
        let history = record.history();
        Self {
            record_identifier: IdentifierBody(&record.key),
            model_class: record.model.class(),
            created_at: record.created_at,
            file_size: record.file_size,
            checksum_information: ChecksumInformation {
                checksum: history.checksum(),
                last_checksum: history.last_checksum_at(),
                checksum_state: record.state(),
                checksum_retry_count: history.retry_count,
                checksum_retry_at: record.status.retry_at(),
                checksum_failure: record.status.failure().map(stocktake_domain::Failure::text),
            },
        }
    }
}

/// A primary key: an integer, or a composite as text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdentifierBody<'a>(pub(crate) &'a RecordKey);

impl Serialize for IdentifierBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_integer() {
            Some(value) => serializer.serialize_i64(value),
            None => serializer.collect_str(self.0),
        }
    }
}

/// By its `Display`, or null.
#[expect(clippy::ref_option, reason = "serde hands a field over so")]
pub(crate) fn shown<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// As text, or null; also where it lies outside the years that a date of four digits has.
#[expect(clippy::ref_option, reason = "serde hands a field over so")]
pub(crate) fn shown_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    shown(&time.filter(|time| time.has_four_digit_year()), serializer)
}

/// By its `Display`.
pub(crate) fn as_text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// By its name.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a field over so")]
pub(crate) fn state_name<S: Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.name())
}

#[cfg(test)]
mod tests {
    use stocktake_domain::{
        Baseline, Failed, Failure, FailureTimes, History, Location, Model, SourceRecord, Status, Verification,
    };

    use super::*;

    fn record(key: RecordKey, status: Status) -> Record {
        let location = Location { storage: "main".to_owned(), path: "a".to_owned() };
        let created_at = Some(Timestamp::from_millis(1_738_754_830_173));
        let source = SourceRecord { created_at, ..SourceRecord::new(key, location) };
        Record { status, ..Record::new(Model::Projects, source) }
    }

    #[test]
    fn a_good_record_shows_its_checksum() {
        let at = Timestamp::from_millis(1_753_366_938_643);
        let baseline = Some(Baseline { digest: Digest::Md5([0xab; 16]), at });
        let history = History { baseline, ..History::default() };
        let status =
            Status::Succeeded(Verification::restore(history, stocktake_domain::Succeeded::default()));
        let record = record(RecordKey::integer(1), status);
        assert_eq!(
            serde_json::to_string(&RecordBody::from(&record)).unwrap(),
            r#"{"record_identifier":1,"model_class":"Project","created_at":"2025-02-05T11:27:10.173Z","file_size":null,"checksum_information":{"checksum":"abababababababababababababababab","last_checksum":"2025-07-24T14:22:18.643Z","checksum_state":"succeeded","checksum_retry_count":0,"checksum_retry_at":null,"checksum_failure":null}}"#
        );
    }

    #[test]
    fn a_failed_record_shows_what_and_when() {
        let at = Timestamp::from_millis(0);
        let baseline = Some(Baseline { digest: Digest::Md5([0xab; 16]), at });
        let history =
            History { baseline, failures: Some(FailureTimes::once(at)), retry_count: 2, attempt: 3 };
        let stage = Failed { failure: Failure::missing_repository(), retry_at: Timestamp::from_millis(1000) };
        let status = Status::Failed(Verification::restore(history, stage));
        let mut record = record(RecordKey::from_parts(vec![5, 100]).unwrap(), status);
        record.created_at = None;
        record.file_size = Some(12);
        assert_eq!(
            serde_json::to_string(&RecordBody::from(&record)).unwrap(),
            r#"{"record_identifier":"NSAxMDA=","model_class":"Project","created_at":null,"file_size":12,"checksum_information":{"checksum":null,"last_checksum":"1970-01-01T00:00:00.000Z","checksum_state":"failed","checksum_retry_count":2,"checksum_retry_at":"1970-01-01T00:00:01.000Z","checksum_failure":"Error during verification: Repository does not exist"}}"#
        );
    }
}
