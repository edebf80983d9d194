//! Numbers, sizes and times as people read them, each with its exact value besides.

use maud::{Markup, html};
use stocktake_domain::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Sizes are by thousands, as those of disks.
const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

/// For example `1,234,567`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// For example `1 record` or `1,200 records`; `thing` is a noun whose plural ends in s.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A share, for example `98.3 %`; never `100 %` or `0 %` unless it is exactly that.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if part == whole {
        return "100 %".to_owned();
    }
    let permille = u128::from(part) * 1000 / u128::from(whole.max(1));
    match permille {
        0 if part > 0 => "under 0.1 %".to_owned(),
        0 => "0 %".to_owned(),
        permille => format!("{}.{} %", permille / 10, permille % 10),
    }
}

/// A size in three digits.
pub(crate) fn size(bytes: u64) -> Markup {
    html! { data value=(bytes) title=(counted(bytes, "byte")) { (short_size(bytes)) } }
}

/// The same as text alone.
pub(crate) fn short_size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut scale = 1_u64;
    let mut name = "";
    for unit in UNITS {
        scale = scale.saturating_mul(1000);
        name = unit;
        if bytes / scale < 1000 {
            break;
        }
    }
    let whole = bytes / scale;
    let tenth = bytes % scale / (scale / 10);
    if whole < 100 { format!("{whole}.{tenth} {name}") } else { format!("{whole} {name}") }
}

/// How long ago, with the time in UTC beside it.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        (bare_time(at, &format!("{} ago", span(now.since(at).as_secs()))))
        " " small { (short(at, now)) }
    }
}

/// How long ago in one word, with the time in UTC on hover.
pub(crate) fn age(at: Timestamp, now: Timestamp) -> Markup {
    bare_time(at, &span(now.since(at).as_secs()))
}

/// How long until then, with the time in UTC beside it.
pub(crate) fn until(at: Timestamp, now: Timestamp) -> Markup {
    let left = at.since(now).as_secs();
    let text = if left == 0 { "now".to_owned() } else { format!("in {}", span(left)) };
    html! { (bare_time(at, &text)) " " small { (short(at, now)) } }
}

/// A point in time: `26 Nov 2026, 02:03:11 UTC`.
pub(crate) fn moment(at: Timestamp) -> Markup {
    let parts = Parts::of(at);
    bare_time(at, &format!("{} {} {}, {} UTC", parts.day, parts.month, parts.year, parts.time))
}

/// A day ([`Timestamp::day`]): `26 Nov 2026`.
pub(crate) fn date(day: i64) -> String {
    let parts = Parts::of(Timestamp::of_day(day));
    format!("{} {} {}", parts.day, parts.month, parts.year)
}

fn bare_time(at: Timestamp, text: &str) -> Markup {
    let parts = Parts::of(at);
    html! { time datetime=(at.to_string()) title=(format!("{} {} UTC", parts.date, parts.time)) { (text) } }
}

/// A span in its largest unit: `41 s`, `3 h`, `20 d`.
pub(crate) fn span(seconds: u64) -> String {
    let units = [(YEAR, "y"), (DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")];
    let found = units.into_iter().find(|(unit, _)| seconds >= *unit);
    found.map_or_else(|| "0 s".to_owned(), |(unit, name)| format!("{} {name}", seconds / unit))
}

/// Day and time without what goes without saying: `25 Nov 22:41`, of another year `11 Mar 2024`.
fn short(at: Timestamp, now: Timestamp) -> String {
    let (parts, today) = (Parts::of(at), Parts::of(now));
    if parts.year != today.year {
        return format!("{} {} {}", parts.day, parts.month, parts.year);
    }
    let minutes = parts.time.get(..5).unwrap_or_default();
    format!("{} {} {minutes}", parts.day, parts.month)
}

/// The parts of a time in UTC.
struct Parts {
    date: String,
    year: String,
    month: &'static str,
    day: String,
    time: String,
}

impl Parts {
    fn of(at: Timestamp) -> Self {
        let text = at.to_string();
        let (date, time) = text.split_once('T').unwrap_or((&text, ""));
        let mut numbers = date.rsplitn(3, '-');
        let day = numbers.next().unwrap_or_default().trim_start_matches('0').to_owned();
        let month = numbers.next().and_then(|month| month.parse::<usize>().ok());
        let month = month.and_then(|month| MONTHS.get(month.checked_sub(1)?)).copied().unwrap_or_default();
        let year = numbers.next().unwrap_or_default().to_owned();
        let time = time.split('.').next().unwrap_or_default().to_owned();
        Self { date: date.to_owned(), year, month, day, time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_222_380, "1,222,380")] {
            assert_eq!(number(value), text);
        }
        assert_eq!(counted(1, "record"), "1 record");
        assert_eq!(counted(2000, "record"), "2,000 records");
    }

    #[test]
    fn sizes_have_three_digits_and_never_too_large_a_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (4_118, "4.1 kB"),
            (48_213_772, "48.2 MB"),
            (912_004_118, "912 MB"),
            (999_999_999, "999 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(short_size(bytes), text);
        }
    }

    #[test]
    fn a_share_is_whole_only_if_it_is() {
        assert_eq!(share(5, 5), "100 %");
        assert_eq!(share(99_999, 100_000), "99.9 %");
        assert_eq!(share(1, 100_000), "under 0.1 %");
        assert_eq!(share(0, 3), "0 %");
    }

    #[test]
    fn times_have_their_exact_value_beside_them() {
        let at = |text| Timestamp::parse_rfc3339(text).unwrap();
        let now = at("2026-11-26T02:03:11Z");
        assert_eq!(
            ago(at("2026-11-25T22:41:07.5Z"), now).0,
            "<time datetime=\"2026-11-25T22:41:07.500Z\" title=\"2026-11-25 22:41:07 UTC\">3 h ago</time> \
             <small>25 Nov 22:41</small>"
        );
        assert!(ago(at("2024-03-01T22:41:07Z"), now).0.ends_with("2 y ago</time> <small>1 Mar 2024</small>"));
        assert!(until(at("2026-11-26T02:55:20Z"), now).0.contains(">in 52 min<"));
        assert!(until(at("2026-11-26T02:03:11Z"), now).0.contains(">now<"));
        assert!(moment(now).0.contains(">26 Nov 2026, 02:03:11 UTC<"));
    }
}
