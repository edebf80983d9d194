//! Reading the values of options.

use std::time::Duration;

use stocktake_domain::{FailureKind, RecordKey, Timestamp};

/// A point in time, or how long ago it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    /// The time that it is, seen from now.
    pub(crate) fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => now.before(span),
        }
    }
}

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

/// A part of a whole, of a million.
pub(super) fn share(text: &str) -> Result<u32, String> {
    let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let percent = percent.filter(|percent| *percent > 0.0 && *percent <= 100.0);
    let percent = percent.ok_or_else(|| "a sample is written like 5% or 0.1%".to_owned())?;
    // At most a million, and at least one: a tiny part is not none.
    let parts = (percent * 10_000.0).round().max(1.0);
    format!("{parts:.0}").parse().map_err(|_| "a sample is written like 5%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_a_million() {
        for (text, parts) in
            [("5%", 50_000), ("100%", 1_000_000), ("0.1%", 1_000), ("0.0000001%", 1), ("2.5 %", 25_000)]
        {
            assert_eq!(share(text), Ok(parts), "{text}");
        }
        for text in ["0%", "-1%", "101%", "5", "NaN%", "inf%", "%", ""] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_a_span_before_now() {
        let at = |text| Moment::At(Timestamp::parse_rfc3339(text).unwrap());
        assert_eq!(moment("2026-11-20"), Ok(at("2026-11-20T00:00:00Z")));
        assert_eq!(moment("2026-11-20T08:30:00Z"), Ok(at("2026-11-20T08:30:00Z")));
        assert_eq!(moment("2d"), Ok(Moment::Ago(Duration::from_secs(2 * 86_400))));
        assert!(moment("yesterday").is_err());
    }
}
