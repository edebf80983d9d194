//! Numbers, spans, ages and dates as people read them. Programs get the exact values in JSON.

use std::time::Duration;

use indicatif::HumanCount;
use stocktake_domain::{Timestamp, format_duration};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const MONTH: u64 = 30 * DAY;
const YEAR: u64 = 365 * DAY;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// For example `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

/// For example `1 record` or `1,200 records`; `thing` is a noun whose plural ends in s.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// All of so many, for example `the only record` or `all 1,200 records`.
pub(crate) fn all(number: u64, thing: &str) -> String {
    if number == 1 { format!("the only {thing}") } else { format!("all {}", counted(number, thing)) }
}

/// A configured span, for example `90 days`, or `1h 30m` where it is no whole number of a unit.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    if span.subsec_millis() > 0 || seconds == 0 {
        return format_duration(span);
    }
    for (unit, name) in [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second")] {
        if seconds.is_multiple_of(unit) {
            return counted(seconds / unit, name);
        }
    }
    format_duration(span)
}

/// A span of time in its largest unit of which it has two or more, no more exact than that: `about(5_000 s)` is 83 minutes.
pub(crate) fn about(time: Duration) -> String {
    let seconds = time.as_secs();
    let unit = [DAY, HOUR, MINUTE].into_iter().find(|unit| seconds >= 2 * unit).unwrap_or(1);
    span(Duration::from_secs((seconds / unit * unit).max(1)))
}

/// How long ago something was, for example `3 minutes ago`.
pub(crate) fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(at).as_secs();
    let units =
        [(YEAR, "year"), (MONTH, "month"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second")];
    let found = units.into_iter().find(|(unit, _)| seconds >= *unit);
    found.map_or_else(
        || "just now".to_owned(),
        |(unit, name)| format!("{} ago", counted(seconds / unit, name)),
    )
}

/// The day in UTC, for example `2027-02-24`.
pub(crate) fn date(at: Timestamp) -> String {
    at.to_string().split('T').next().unwrap_or_default().to_owned()
}

/// The minute in UTC, for example `2027-02-24 08:15 UTC`.
pub(crate) fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", time.get(..5).unwrap_or_default())
}

/// The day in UTC in few letters: `26 Nov`, and in another year than the present one `26 Nov 2025`.
pub(crate) fn day(at: Timestamp, now: Timestamp) -> String {
    let (date, today) = (date(at), date(now));
    let mut parts = date.splitn(3, '-');
    let year = parts.next().unwrap_or_default();
    let month = parts.next().and_then(|month| month.parse::<usize>().ok());
    let month = month.and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let (Some(month), Some(day)) = (month, parts.next()) else { return date };
    let day = day.trim_start_matches('0');
    if today.starts_with(year) { format!("{day} {month}") } else { format!("{day} {month} {year}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn spans_and_ages_have_one_unit() {
        for (seconds, text) in [(DAY * 90, "90 days"), (HOUR, "1 hour"), (90, "90 seconds")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(span(Duration::from_millis(1_500)), "1s 500ms");
        let now = at("2026-11-26T12:00:00Z");
        for (ago, text) in [
            (0, "just now"),
            (1, "1 second ago"),
            (179, "2 minutes ago"),
            (HOUR * 47, "1 day ago"),
            (DAY * 400, "1 year ago"),
        ] {
            assert_eq!(age(now.before(Duration::from_secs(ago)), now), text);
        }
        // A clock that is behind.
        assert_eq!(age(at("2026-11-26T12:00:05Z"), now), "just now");
    }

    #[test]
    fn a_day_names_its_year_only_if_it_is_another() {
        let now = at("2026-11-26T12:00:00Z");
        assert_eq!(day(at("2026-03-05T23:59:59Z"), now), "5 Mar");
        assert_eq!(day(at("2025-12-31T23:59:59Z"), now), "31 Dec 2025");
        assert_eq!(date(at("2027-02-24T00:00:00Z")), "2027-02-24");
        assert_eq!(minute(at("2027-02-24T08:15:59Z")), "2027-02-24 08:15 UTC");
    }
}
