//! A record for people.

use stocktake_domain::{Acceptance, Record, Status, Timestamp};

use super::Known;
use super::advice::{next_check, what_to_do};
use crate::output::Text;
use crate::quantities::{about, age, count, counted, date};
use crate::settings::{Content, Settings};
use crate::usage::wrapped;
use crate::verdict::word;

/// Where the values begin: so that a digest and its algorithm fit into 80 columns.
const MARGIN: usize = 9;

/// Adds all that is known of a record. Values are in lines of at most so many columns, but for a word that is longer.
pub(super) fn sheet(text: &mut Text, settings: &Settings, known: &Known, columns: usize, now: Timestamp) {
    let Known { record, acceptances } = known;
    text.line(format!("{} {}", record.model, record.key));
    let mut add = |label: &str, value: String| {
        let lines = wrapped(&value, MARGIN, columns);
        let mut lines = lines.lines();
        text.line(format!("{label:<MARGIN$}{}", lines.next().unwrap_or_default()));
        lines.for_each(|line| text.line(line));
    };
    add("place", place(settings, record));
    if let Some(owner) = &record.owner {
        add("owner", owner.clone());
    }
    add("state", state(record, now));
    if let Some(failure) = record.status.last_failure() {
        let at = record.history().failed_at().map(|at| format!(" {} ({})", age(at, now), date(at)));
        let kind = word(failure.kind()).to_uppercase();
        add("verdict", format!("{kind}{}: {}", at.unwrap_or_default(), failure.text()));
    }
    if let Some(size) = record.file_size {
        add("size", format!("{} recorded", counted(size, "byte")));
    }
    if let Some(expected) = record.expected {
        add("recorded", expected.tagged());
        if record.accepted {
            add("", "no longer compared, since other content was accepted".to_owned());
        }
    }
    if let Some(good) = record.history().baseline {
        let evidence = good.digest.level().remark().map(|remark| format!(", {remark}")).unwrap_or_default();
        add("good", format!("{} {} ({}){evidence}", good.digest.tagged(), age(good.at, now), date(good.at)));
    }
    if let Some(checksum) = record.source_checksum {
        let agrees = match record.matches_source() {
            Some(true) => ", agrees",
            Some(false) => ", does not agree",
            None => "",
        };
        add("source", format!("{}{agrees}", checksum.tagged()));
    }
    for acceptance in acceptances {
        add("accepted", acceptance_text(acceptance, now));
    }
    add("next", next(settings, record, now));
    add("to do", what_to_do(settings, record, acceptances));
}

/// The storage and the path in it, and where that is on this host.
fn place(settings: &Settings, record: &Record) -> String {
    let location = &record.location;
    let root = settings.storages.get(&location.storage).and_then(|storage| match &storage.content {
        Content::Directory(directory) => Some(directory.root.join(&location.path)),
        _ => None,
    });
    let root = root.map(|path| format!(" ({})", path.display())).unwrap_or_default();
    format!("{}:{}{root}", location.storage, location.path)
}

fn state(record: &Record, now: Timestamp) -> String {
    let history = record.history();
    let last = history.last_checksum_at().map_or_else(
        || "never read".to_owned(),
        |at| format!("last read {}, in attempt {}", age(at, now), count(history.attempt)),
    );
    let again = match (&record.status, record.status.last_failure()) {
        (Status::Pending(_) | Status::Started(_), Some(_)) => ", failed before and being read again",
        _ => "",
    };
    let failures = match history.retry_count {
        0 => String::new(),
        failures => format!(", {} since it was good", counted(u64::from(failures), "failure")),
    };
    format!("{}{again}; {last}{failures}", record.state())
}

fn acceptance_text(acceptance: &Acceptance, now: Timestamp) -> String {
    let Acceptance { at, accepted, replaced, taken_back } = acceptance;
    let reason = accepted.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let before = replaced.expected.filter(|_| !replaced.accepted);
    let before = before.or(replaced.baseline.map(|good| good.digest));
    let before = before.map(|digest| format!(" in place of {}", digest.tagged())).unwrap_or_default();
    let taken_back = taken_back
        .as_ref()
        .map(|taken| {
            let reason = taken.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("; taken back {} by {}{reason}", age(taken.at, now), taken.by)
        })
        .unwrap_or_default();
    format!(
        "{} ({}) by {}{reason}; {}{before}{taken_back}",
        age(*at, now),
        date(*at),
        accepted.by,
        accepted.checksum.map_or_else(|| "retired, nothing was there".to_owned(), |digest| digest.tagged()),
    )
}

fn next(settings: &Settings, record: &Record, now: Timestamp) -> String {
    match (&record.status, next_check(settings, record)) {
        (_, Some(at)) if at > now => format!("{} (in {})", date(at), about(at.since(now))),
        (Status::Disabled(_), _) => "never, it is switched off".to_owned(),
        (Status::Started(_), _) => "now, a worker has it".to_owned(),
        _ => "as soon as a worker or stocktake verify takes it".to_owned(),
    }
}
