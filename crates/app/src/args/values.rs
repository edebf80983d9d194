//! Reading the values of options.

use std::time::Duration;

use stocktake_domain::RecordKey;

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
