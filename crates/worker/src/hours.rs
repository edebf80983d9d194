//! Daily hours in which a storage may be read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use stocktake_domain::Timestamp;

const MINUTES_OF_DAY: u16 = 24 * 60;
const MILLIS_OF_DAY: i64 = 86_400_000;

/// A daily window in UTC, written `22:00-06:00`; its end is not part of it. It may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Minutes after midnight, below 1,440.
    from: u16,
    /// Minutes after midnight, up to 1,440, never equal to `from`.
    until: u16,
}

/// The text names no daily window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no daily window such as 22:00-06:00 (UTC)")]
pub struct InvalidHours(pub String);

impl Hours {
    /// Whether the window is open at this time.
    pub fn contains(self, time: Timestamp) -> bool {
        let millis = time.millis().rem_euclid(MILLIS_OF_DAY);
        let (from, until) = (i64::from(self.from) * 60_000, i64::from(self.until) * 60_000);
        if from < until { (from..until).contains(&millis) } else { millis >= from || millis < until }
    }

    /// How long the window stays open, at a time when it is.
    pub(crate) fn left(self, time: Timestamp) -> Duration {
        let until = i64::from(self.until) * 60_000;
        let left = (until - time.millis()).rem_euclid(MILLIS_OF_DAY);
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }
}

impl FromStr for Hours {
    type Err = InvalidHours;

    fn from_str(text: &str) -> Result<Self, InvalidHours> {
        let window = text.split_once('-').and_then(|(from, until)| {
            let (from, until) = (minutes(from.trim())?, minutes(until.trim())?);
            (from != until && from < MINUTES_OF_DAY).then_some(Self { from, until })
        });
        window.ok_or_else(|| InvalidHours(text.to_owned()))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (self.from, self.until);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

/// Minutes after midnight of a time such as `06:30`, up to `24:00`.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    Some(hour * 60 + minute).filter(|total| minute < 60 && *total <= MINUTES_OF_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(window: &str, time: &str) -> bool {
        let time = Timestamp::parse_rfc3339(&format!("2026-11-22T{time}Z")).unwrap();
        window.parse::<Hours>().unwrap().contains(time)
    }

    #[test]
    fn a_window_within_a_day() {
        assert!(!open("08:30-17:00", "08:29:59.999"));
        assert!(open("08:30-17:00", "08:30:00"));
        assert!(open("08:30-17:00", "16:59:59.999"));
        assert!(!open("08:30-17:00", "17:00:00"));
    }

    #[test]
    fn a_window_over_midnight() {
        assert!(open("22:00-06:00", "23:59:59"));
        assert!(open("22:00-06:00", "00:00:00"));
        assert!(!open("22:00-06:00", "06:00:00"));
        assert!(!open("22:00-06:00", "21:59:59"));
        assert!(open("12:00-24:00", "23:59:59"));
    }

    #[test]
    fn a_time_before_1970_is_in_its_day_too() {
        let hours: Hours = "22:00-06:00".parse().unwrap();
        assert!(hours.contains(Timestamp::from_millis(-1)));
        assert!(!hours.contains(Timestamp::from_millis(-12 * 3_600_000)));
    }

    #[test]
    fn the_rest_of_a_window_goes_over_midnight() {
        let left = |window: &str, time: &str| {
            let time = Timestamp::parse_rfc3339(&format!("2026-11-22T{time}Z")).unwrap();
            window.parse::<Hours>().unwrap().left(time).as_secs()
        };
        assert_eq!(left("22:00-06:00", "23:00:00"), 7 * 3_600);
        assert_eq!(left("22:00-06:00", "05:59:50"), 10);
        assert_eq!(left("12:00-24:00", "23:59:00"), 60);
    }

    #[test]
    fn texts_are_read_back_or_refused() {
        for text in ["22:00-06:00", "00:00-24:00", "06:30-06:31"] {
            assert_eq!(text.parse::<Hours>().unwrap().to_string(), text);
        }
        for text in
            ["", "22-06", "22:00", "22:00-22:00", "24:00-06:00", "22:60-06:00", "25:00-06:00", "+1:00-02:00"]
        {
            assert_eq!(text.parse::<Hours>(), Err(InvalidHours(text.to_owned())));
        }
    }
}
