//! Reading the values of options.

use std::time::Duration;

use stocktake_domain::{FailureKind, RecordKey, Timestamp};

use super::filter::Moment;

pub(super) fn key(text: &str) -> Result<RecordKey, String> {
    text.parse().map_err(|_| "an identifier is an integer, or the base64 form of a composite key".to_owned())
}

pub(super) fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "a duration is written like 30d or 12h".to_owned())
}

pub(super) fn future(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    if span.is_zero() { Err("a token that ends at once is of no use".to_owned()) } else { Ok(span) }
}

pub(super) fn kind(text: &str) -> Result<FailureKind, String> {
    let found = FailureKind::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| "there is no such kind of failure".to_owned())
}

pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let at =
        Timestamp::parse_rfc3339(text).or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")));
    let ago = || span(text).map(Moment::Ago);
    at.map_or_else(ago, |at| Ok(Moment::At(at)))
        .map_err(|_| "a time is written like 2d (ago), 2026-11-20 or 2026-11-20T08:00:00Z".to_owned())
}
