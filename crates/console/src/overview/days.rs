//! How the attempts of the last days ended: a strip for each data type, and a table of all days.

use std::fmt::Write as _;

use maud::{Markup, html};
use stocktake_domain::ports::DayResults;
use stocktake_domain::{Model, Timestamp};

use crate::figures::{date, number};
use crate::tables::{figure, table};

/// How many days are shown, today included.
pub(super) const SHOWN: u32 = 30;

/// Units of the drawing for each day.
const WIDTH: i64 = 5;

/// How a day of one data type went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Day {
    Good,
    Failures,
    Nothing,
}

/// The days that are shown, today last.
fn shown(now: Timestamp) -> impl DoubleEndedIterator<Item = i64> {
    let today = now.day();
    (1 - i64::from(SHOWN)..=0).map(move |before| today + before)
}

fn of_day(results: &[DayResults], day: i64) -> impl Iterator<Item = &DayResults> {
    results.iter().filter(move |result| result.day == day)
}

/// A bar for each day, on which something failed (tall), all was good, or nothing was read (a dash).
pub(super) fn strip(results: &[DayResults], model: Model, now: Timestamp) -> Markup {
    let days: Vec<Day> = shown(now)
        .map(|day| match of_day(results, day).find(|result| result.model == model) {
            None => Day::Nothing,
            Some(result) if result.failed > 0 => Day::Failures,
            Some(_) => Day::Good,
        })
        .collect();
    let path = |wanted: Day| {
        let mut path = String::new();
        for (_, place) in days.iter().zip(0..).filter(|(day, _)| **day == wanted) {
            let left = place * WIDTH;
            // Writing into a string cannot fail.
            let _ = match wanted {
                Day::Good => write!(path, "M{} 16V6", left + 2),
                Day::Failures => write!(path, "M{} 16V0", left + 2),
                Day::Nothing => write!(path, "M{left}.5 15h3"),
            };
        }
        path
    };
    let counts = [(Day::Good, "good"), (Day::Failures, "failures"), (Day::Nothing, "nothing checked")];
    let told = counts.map(|(wanted, what)| (days.iter().filter(|day| **day == wanted).count(), what));
    let told = told.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| {
        if count == days.len() { what.to_owned() } else { format!("{what} on {count}") }
    });
    let label = format!("Last {SHOWN} days: {}", told.collect::<Vec<_>>().join(", "));
    let (good, failures, nothing) = (path(Day::Good), path(Day::Failures), path(Day::Nothing));
    html! {
        svg class="strip" viewBox="0 0 150 16" preserveAspectRatio="none" role="img" aria-label=(label) {
            @if !good.is_empty() { path d=(good) {} }
            @if !failures.is_empty() { path class="b" d=(failures) {} }
            @if !nothing.is_empty() { path class="z" d=(nothing) {} }
        }
    }
}

/// The same figures by day, over all data types; the last day first.
pub(super) fn table_of_days(results: &[DayResults], now: Timestamp) -> Markup {
    let rows = html! {
        @for day in shown(now).rev() {
            @let succeeded = of_day(results, day).map(|result| result.succeeded).sum::<u64>();
            @let failed = of_day(results, day).map(|result| result.failed).sum::<u64>();
            tr role="row" {
                th scope="row" role="rowheader" { (date(day)) }
                (figure("Good", succeeded, &html! { (number(succeeded)) }))
                (figure("Failed", failed, &html! { (number(failed)) }))
            }
        }
    };
    let columns = [("Day (UTC)", ""), ("Good", "n"), ("Failed", "n")];
    html! {
        details class="block days" {
            summary { "What was read in the last " (SHOWN) " days" }
            (table("dense", "Attempts of each day by their result", &columns, &rows))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_as_bad_as_its_worst_attempt() {
        let now = Timestamp::from_millis(86_400_000 * 40 + 1);
        let of = |day, model, succeeded, failed| DayResults { day, model, succeeded, failed };
        let results = [
            of(10, Model::Uploads, 0, 9),
            of(11, Model::Uploads, 5, 0),
            of(12, Model::Projects, 0, 1),
            of(40, Model::Uploads, 7, 1),
        ];
        let strip = strip(&results, Model::Uploads, now).into_string();
        let label = "Last 30 days: good on 1, failures on 1, nothing checked on 28";
        assert!(strip.contains(&format!("aria-label=\"{label}\"")), "{strip}");
        assert!(strip.contains("<path d=\"M2 16V6\">"), "{strip}");
        assert!(strip.contains("<path class=\"b\" d=\"M147 16V0\">"), "{strip}");
        assert!(strip.contains("d=\"M5.5 15h3M10.5 15h3"), "{strip}");
        let table = table_of_days(&results, now).into_string();
        assert_eq!(table.matches("<tr").count(), 31, "{table}");
        assert!(table.contains("10 Feb 1970") && !table.contains("11 Jan 1970"), "{table}");
    }
}
