//! The filter of a bulk job as it is kept: JSON, with the parts that are set.

use serde::{Deserialize, Serialize};
use stocktake_domain::{RecordFilter, Timestamp};

use super::codes::{failure_kind_code, failure_kind_of};
use crate::error::DbError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFilter {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<i16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    storages: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Milliseconds since 1970, as is the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
}

/// The filter as it is kept; the same text for the same filter.
pub(super) fn encode(filter: &RecordFilter) -> Result<String, DbError> {
    let RecordFilter { kinds, storages, path, text, owner, since, before } = filter.clone();
    let kept = KeptFilter {
        kinds: kinds.into_iter().map(failure_kind_code).collect(),
        storages,
        path: path.map(|path| path.as_str().to_owned()),
        text,
        owner,
        since: since.map(Timestamp::millis),
        before: before.map(Timestamp::millis),
    };
    serde_json::to_string(&kept).map_err(|error| DbError::data(error.to_string()))
}

/// The filter that is kept so.
pub(super) fn decode(json: &str) -> Result<RecordFilter, DbError> {
    let wrong = |error: String| DbError::data(format!("the filter {json:?} of a bulk job: {error}"));
    let kept: KeptFilter = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
    let path = kept.path.map(|path| path.parse().map_err(|error| wrong(format!("{error}"))));
    Ok(RecordFilter {
        kinds: kept.kinds.into_iter().map(failure_kind_of).collect::<Result<_, _>>()?,
        storages: kept.storages,
        path: path.transpose()?,
        text: kept.text,
        owner: kept.owner,
        since: kept.since.map(Timestamp::from_millis),
        before: kept.before.map(Timestamp::from_millis),
    })
}
