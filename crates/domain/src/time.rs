//! Points in time, and the two ports through which time and chance reach the domain.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// The first millisecond of the year 0001 and the last of the year 9999.
const FIRST: i64 = -62_135_596_800_000;
const LAST: i64 = 253_402_300_799_999;

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z.
///
/// `Display` is RFC 3339 in UTC with milliseconds and `Z`, as the API shows it. RFC 3339 has no year beyond 9999: a time
/// before or after what it can write is shown as the first or the last that it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The day it lies on: how many are between it and 1970-01-01, UTC.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// The beginning of a day.
    pub const fn of_day(day: i64) -> Self {
        Self(day.saturating_mul(DAY))
    }

    /// The RFC 3339 text's point in time, any offset, cut to milliseconds; `None` if it is not one, or one that in UTC has
    /// no year of four digits: an offset or a leap second leads beyond them.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.timestamp_millis()));
        time.filter(|time| time.has_four_digit_year())
    }

    /// Whether it lies in one of the years 0001 to 9999, which are those that RFC 3339 and most programs can write.
    pub const fn has_four_digit_year(self) -> bool {
        FIRST <= self.0 && self.0 <= LAST
    }

    /// This much later (saturating).
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(span)))
    }

    /// This much earlier (saturating).
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(span)))
    }

    /// The latest time at which, now being this, a span of this length ends. What is to end later was written by a clock
    /// that was ahead: it counts as over.
    #[must_use]
    pub fn latest_end(self, span: Duration) -> Self {
        self.after(span).after(CLOCK_TOLERANCE)
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// How much later a time may be than it can be before it counts as one from the future: what is now may have been read so
/// much earlier than the time was written.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

fn millis_of(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_millis(self.0.clamp(FIRST, LAST)).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// Tells the time. The program has one real clock; tests set theirs.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// Gives random numbers. The program has one real source; tests fix theirs.
pub trait Rng: Send + Sync {
    /// A number in `0..bound`, each as likely; 0 if `bound` is 0.
    fn below(&self, bound: u32) -> u32;
}

/// Random numbers for delays alone, which nobody needs to be unable to guess: the clock's milliseconds, which no two
/// processes have in common for long.
pub struct ClockRng<'a>(pub &'a dyn Clock);

impl Rng for ClockRng<'_> {
    fn below(&self, bound: u32) -> u32 {
        let millis = self.0.now().millis().rem_euclid(i64::from(bound.max(1)));
        u32::try_from(millis).unwrap_or(0)
    }
}

/// The units of durations, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration in the short form used in configuration and failure texts: `8h`, `90d`, `1m 30s`, `250ms`.
pub fn format_duration(span: Duration) -> String {
    let mut rest = span.as_millis();
    let mut words = Vec::new();
    for (unit, millis) in UNITS {
        let millis = u128::from(millis);
        if rest >= millis {
            words.push(format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

/// The duration of which [`format_duration`] makes this text.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0s" {
        return Some(Duration::ZERO);
    }
    let millis = text.split(' ').try_fold(0_u64, |sum, word| {
        let digits = word.trim_end_matches(|character: char| character.is_ascii_lowercase());
        let (_, millis) = UNITS.into_iter().find(|(unit, _)| word.strip_prefix(digits) == Some(unit))?;
        sum.checked_add(digits.parse::<u64>().ok()?.checked_mul(millis)?)
    });
    millis.map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_with_milliseconds_and_z() {
        let time = Timestamp::parse_rfc3339("2025-02-05T12:27:10.173456+01:00").unwrap();
        assert_eq!(time.to_string(), "2025-02-05T11:27:10.173Z");
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn years_have_four_digits() {
        let at = |text| Timestamp::parse_rfc3339(text).unwrap().millis();
        for (millis, has_four) in [
            (at("0001-01-01T00:00:00Z"), true),
            (at("0001-01-01T00:00:00Z") - 1, false),
            (at("9999-12-31T23:59:59.999Z"), true),
            (at("9999-12-31T23:59:59.999Z") + 1, false),
        ] {
            assert_eq!(Timestamp::from_millis(millis).has_four_digit_year(), has_four, "{millis}");
        }
    }

    #[test]
    fn no_time_is_read_or_shown_that_has_no_year_of_four_digits() {
        for text in ["9999-12-31T23:59:60Z", "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01"] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
        let last = "9999-12-31T23:59:59.999Z";
        assert_eq!(Timestamp::parse_rfc3339(last).unwrap().to_string(), last);
        for (millis, shown) in [
            (LAST + 1, last),
            (i64::MAX, last),
            (FIRST - 1, "0001-01-01T00:00:00.000Z"),
            (i64::MIN, "0001-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), shown, "{millis}");
        }
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(format_duration(Duration::from_secs(8 * 3600)), "8h");
        assert_eq!(format_duration(Duration::from_secs(90 * 86400)), "90d");
        assert_eq!(format_duration(Duration::from_millis(90_250)), "1m 30s 250ms");
        assert_eq!(format_duration(Duration::ZERO), "0s");
        for millis in [0, 1, 999, 1000, 90_250, 28_800_000, 86_400_000 * 90 + 1] {
            let span = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(span)), Some(span));
        }
        for wrong in ["", "8", "h", "8 h", "8y", "-1s"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
    struct Stopped(i64);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0)
        }
    }

    #[test]
    fn the_clock_gives_random_numbers_within_bounds() {
        assert_eq!(ClockRng(&Stopped(1_234)).below(100), 34);
        assert_eq!(ClockRng(&Stopped(-1)).below(100), 99);
        assert_eq!(ClockRng(&Stopped(7)).below(0), 0);
    }
}
