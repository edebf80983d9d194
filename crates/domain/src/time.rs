//! Points in time, and the two ports through which time and chance reach the domain.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z.
///
/// `Display` is RFC 3339 in UTC with milliseconds and `Z`, as the API shows it.
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

    /// The RFC 3339 text's point in time, any offset, cut to milliseconds; `None` if it is not one.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.timestamp_millis()))
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

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis_of(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// Tells the time. The program has one real clock; tests set theirs.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// Gives chance. The program has one real source; tests fix theirs.
pub trait Rng: Send + Sync {
    /// A number in `0..bound`, each as likely; 0 if `bound` is 0.
    fn below(&self, bound: u32) -> u32;
}

/// A duration in the short form used in configuration and failure texts: `8h`, `90d`, `1m 30s`, `250ms`.
pub fn format_duration(span: Duration) -> String {
    const UNITS: [(&str, u128); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = span.as_millis();
    let mut words = Vec::new();
    for (unit, millis) in UNITS {
        if rest >= millis {
            words.push(format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
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
    fn durations_are_short() {
        assert_eq!(format_duration(Duration::from_secs(8 * 3600)), "8h");
        assert_eq!(format_duration(Duration::from_secs(90 * 86400)), "90d");
        assert_eq!(format_duration(Duration::from_millis(90_250)), "1m 30s 250ms");
        assert_eq!(format_duration(Duration::ZERO), "0s");
    }
}
