//! The one sentence with which a command answers its question.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stocktake_domain::ports::ModelSummary;
use stocktake_domain::{Condition, ConditionSubject, EvidenceLevel, FailureKind, Model, State, Timestamp};

use crate::quantities::{about, age, all, count, counted, date, span};
use crate::settings::{Loaded, Settings};

/// The kinds of failure, worst first: the order of all lists.
pub(crate) const WORST_FIRST: [FailureKind; 5] = [
    FailureKind::Altered,
    FailureKind::Invalid,
    FailureKind::Unreadable,
    FailureKind::Missing,
    FailureKind::TimedOut,
];

/// Why a storage with records is not believed to be whole.
pub(crate) const EMPTY: &str = "is empty. Is it mounted?";

/// Of more storages than this, only their number is told in a sentence.
const MOST_NAMED: usize = 3;

/// By how much a success may be in the future, as clocks differ.
const SKEW: Duration = Duration::from_secs(60);

/// What a kind of failure is called.
pub(crate) const fn word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Altered => "altered",
        FailureKind::Invalid => "invalid",
        FailureKind::Unreadable => "unreadable",
        FailureKind::Missing => "missing",
        FailureKind::TimedOut => "timed out",
    }
}

/// What keeps records from being read now, whatever the last verdicts say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Obstacles {
    /// The storages that cannot be read.
    storages: BTreeSet<String>,
    /// Whether a process lacks what it needs to read anything.
    process: bool,
}

impl Obstacles {
    /// What these conditions are of.
    pub(crate) fn of(conditions: &[Condition]) -> Self {
        let mut obstacles = Self::default();
        for condition in conditions {
            match &condition.subject {
                ConditionSubject::Storage(name) => drop(obstacles.storages.insert(name.clone())),
                ConditionSubject::Process => obstacles.process = true,
            }
        }
        obstacles
    }

    /// Storages of these names that cannot be read.
    pub(crate) fn storages(names: impl IntoIterator<Item = String>) -> Self {
        Self { storages: names.into_iter().collect(), process: false }
    }

    /// For example `storages a, b cannot be read now`; none if nothing is in the way.
    fn clause(&self) -> Option<String> {
        let names = self.storages.iter().map(String::as_str).collect::<Vec<_>>();
        let storages = match names.as_slice() {
            [] => None,
            [name] => Some(format!("storage {name} cannot be read now")),
            names if names.len() <= MOST_NAMED => {
                Some(format!("storages {} cannot be read now", names.join(", ")))
            }
            names => Some(format!("{} storages cannot be read now", names.len())),
        };
        match (storages, self.process) {
            (None, true) => Some("a process cannot read content now".to_owned()),
            (Some(storages), true) => Some(format!("{storages}, and a process cannot read content")),
            (storages, false) => storages,
        }
    }
}

/// How the records of some models stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    records: u64,
    succeeded: u64,
    /// Records that were never judged as they are recorded now.
    waiting: u64,
    /// Records that were good when they were last read, and are to be read again.
    good_before: u64,
    /// Succeeded records of which only what an object store says was looked at.
    said: u64,
    /// Succeeded records of which an object store computed the checksum.
    computed: u64,
    disabled: u64,
    /// Records whose last attempt failed by kind, worst first, none of them zero.
    failures: Vec<(FailureKind, u64)>,
    /// How many of these are being read again.
    rereading: u64,
    oldest: Option<Timestamp>,
}

impl Standing {
    /// The sum of these models.
    pub(crate) fn of(models: &[ModelSummary]) -> Self {
        let states = |states: &[State]| {
            let counts = models.iter().flat_map(|model| &model.states);
            counts.filter(|(state, _)| states.contains(state)).map(|(_, count)| count).sum::<u64>()
        };
        let resting_on = |levels: &[EvidenceLevel]| {
            models.iter().flat_map(|model| levels.iter().map(|level| model.resting_on(*level))).sum()
        };
        let failures = models.iter().flat_map(|model| model.failures.iter().chain(&model.rereading).copied());
        let rereading = models.iter().flat_map(|model| &model.rereading).map(|(_, count)| count).sum();
        let good_before = models.iter().map(|model| model.good_before).sum();
        Self {
            records: states(&State::ALL),
            succeeded: states(&[State::Succeeded]),
            waiting: states(&[State::Pending, State::Started])
                .saturating_sub(rereading)
                .saturating_sub(good_before),
            good_before,
            said: resting_on(&[EvidenceLevel::SizeOnly, EvidenceLevel::SaidByStore]),
            computed: resting_on(&[EvidenceLevel::ComputedAtRest]),
            disabled: states(&[State::Disabled]),
            failures: by_kind(failures),
            rereading,
            oldest: models.iter().filter_map(|model| model.oldest_success).min(),
        }
    }

    /// Whether no record was ever judged, so that nothing is known of any: there is none, or all wait or are switched off.
    pub(crate) fn is_unknown(&self) -> bool {
        self.succeeded + self.good_before + self.failed() == 0
    }

    /// How many records need attention.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.iter().map(|(_, count)| count).sum()
    }

    /// The answer to "is all well?". A success counts for `interval`. Nothing is well while something is in the way of reading.
    pub(crate) fn sentence(&self, interval: Duration, now: Timestamp, obstacles: &Obstacles) -> String {
        let within = span(interval);
        let overdue = self.oldest.filter(|oldest| oldest.after(interval) <= now);
        let ahead = self.oldest.filter(|oldest| oldest.before(SKEW) > now);
        if self.failed() > 0 {
            let again = match self.rereading {
                0 => String::new(),
                again => format!(" {} failed before and {} being read again.", count(again), verb(again)),
            };
            return format!(
                "{}{again}{}",
                attention(&self.failures, self.records),
                self.others(&within, overdue, ahead, now)
            );
        }
        let disabled = self.switched_off();
        if self.waiting + self.good_before > 0 {
            format!(
                "No record needs attention so far: {} of {} good, {}{disabled}.",
                count(self.succeeded),
                are(self.records),
                self.to_be_read(),
            )
        } else if self.records == 0 {
            "There are no records: stocktake import or stocktake scan adds some.".to_owned()
        } else if self.succeeded == 0 {
            let off = self.disabled;
            format!("No record is looked at: {} {} switched off.", all(off, "record"), verb(off))
        } else if let Some(oldest) = ahead {
            format!(
                "No record needs attention, but nobody knows when {} read: the oldest success is dated {}, in the future, by a \
                 clock that was ahead{disabled}. Read what is due: stocktake verify",
                all_were(self.succeeded, "record"),
                date(oldest),
            )
        } else if let Some(oldest) = overdue {
            format!(
                "No record needs attention, but not all were read within {within}: the oldest success is from {}{disabled}. \
                 Does a worker run? Read what is due: stocktake verify",
                age(oldest, now),
            )
        } else {
            format!(
                "{}: {} {} within {within}{}{disabled}.{}",
                obstacles.clause().map_or_else(
                    || "All is well".to_owned(),
                    |clause| format!("No record needs attention, but {clause}")
                ),
                all_were(self.succeeded, "record"),
                self.looked_at(),
                self.oldest_and_next(interval, now),
                self.evidence(),
            )
        }
    }

    /// What is said if a verification found nothing to read.
    pub(crate) fn nothing_due(&self, interval: Duration, now: Timestamp, obstacles: &Obstacles) -> String {
        format!(
            "Nothing was due{}: {} {} within {}{}{}.{} Read everything again now: stocktake verify --all",
            obstacles.clause().map_or_else(String::new, |clause| format!(", but {clause}")),
            all_were(self.succeeded, "record"),
            self.looked_at(),
            span(interval),
            self.oldest_and_next(interval, now),
            self.switched_off(),
            self.evidence(),
        )
    }

    /// What is said of the records that nobody reads, behind a sentence about others; nothing if there are none.
    fn switched_off(&self) -> String {
        if self.disabled == 0 { String::new() } else { format!("; {} switched off", are(self.disabled)) }
    }

    fn oldest_and_next(&self, interval: Duration, now: Timestamp) -> String {
        let told =
            |oldest| format!(" (oldest {}, next due {})", age(oldest, now), date(oldest.after(interval)));
        self.oldest.map_or_else(String::new, told)
    }

    /// What is said of the records that need no attention, after a space; nothing if there are none.
    fn others(
        &self,
        within: &str,
        overdue: Option<Timestamp>,
        ahead: Option<Timestamp>,
        now: Timestamp,
    ) -> String {
        let (looked_at, disabled, evidence) = (self.looked_at(), self.switched_off(), self.evidence());
        let others = match (self.succeeded, self.waiting + self.good_before, overdue) {
            (0, 0, _) if self.disabled == 0 => return String::new(),
            (0, 0, _) => format!("The others are not looked at: {} switched off.", are(self.disabled)),
            (_, 0, Some(oldest)) => {
                format!("Of the others the oldest was {looked_at} {}{disabled}.{evidence}", age(oldest, now))
            }
            (_, 0, None) => match ahead {
                Some(oldest) => format!(
                    "Nobody knows when the others were {looked_at}: the oldest success is dated {}, in the future{disabled}.{evidence}",
                    date(oldest),
                ),
                None if self.disabled == 0 => {
                    format!("All others were {looked_at} within {within}.{evidence}")
                }
                None => format!(
                    "All others were {looked_at} within {within}, except {} that {} switched off.{evidence}",
                    count(self.disabled),
                    verb(self.disabled),
                ),
            },
            _ => format!("Of the others {}{disabled}.", self.to_be_read()),
        };
        format!(" {others}")
    }

    /// Which records are to be read.
    fn to_be_read(&self) -> String {
        let good = match self.good_before {
            0 => None,
            1 => Some("1 was good before and is to be read again".to_owned()),
            many => Some(format!("{} were good before and are to be read again", count(many))),
        };
        let new = (self.waiting > 0).then(|| format!("{} still to be read", are(self.waiting)));
        good.into_iter().chain(new).collect::<Vec<_>>().join(", ")
    }

    /// What was done with records that are good: not all were read where a store was believed.
    const fn looked_at(&self) -> &'static str {
        if self.said + self.computed > 0 { "checked" } else { "read" }
    }

    /// What the judgement of good records rests on, if that is not their content.
    fn evidence(&self) -> String {
        let said = match self.said {
            0 => String::new(),
            only => format!(
                " Of {} of them only what the object store says was compared, not the content.",
                count(only)
            ),
        };
        match self.computed {
            0 => said,
            computed => {
                format!("{said} Of {} of them the object store computed the checksum.", count(computed))
            }
        }
    }
}

/// The counts of each kind, worst first, without those of nothing.
pub(crate) fn by_kind(counts: impl IntoIterator<Item = (FailureKind, u64)>) -> Vec<(FailureKind, u64)> {
    let mut sums = WORST_FIRST.map(|kind| (kind, 0_u64));
    for (kind, count) in counts {
        sums.iter_mut().filter(|(known, _)| *known == kind).for_each(|(_, sum)| *sum += count);
    }
    sums.into_iter().filter(|(_, sum)| *sum > 0).collect()
}

/// The most frequent kind first, for example `110 of 100,004 records need attention: 60 altered, 40 missing, 10 unreadable.`
pub(crate) fn attention(failures: &[(FailureKind, u64)], of: u64) -> String {
    let failed: u64 = failures.iter().map(|(_, count)| count).sum();
    let mut failures = failures.to_vec();
    failures.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let kinds: Vec<String> =
        failures.iter().map(|(kind, number)| format!("{} {}", count(*number), word(*kind))).collect();
    format!(
        "{} of {} {} attention: {}.",
        count(failed),
        counted(of, "record"),
        if failed == 1 { "needs" } else { "need" },
        kinds.join(", "),
    )
}

/// The sentence of a storage that cannot be read as a whole: where that is configured, and what became of its `waiting`
/// records.
pub(crate) fn closed_storage(loaded: &Loaded, name: &str, reason: &str, waiting: Option<u64>) -> String {
    let reason = reason.strip_prefix(&format!("storage {name} ")).unwrap_or(reason);
    let reason = reason.strip_prefix("storage root ").unwrap_or(reason);
    let is_question = reason.ends_with('?');
    let (reason, question) = match reason.rsplit_once(". ") {
        Some((reason, question)) if is_question => (reason, question),
        _ => (reason.trim_end_matches('.'), "Is it mounted?"),
    };
    let (place, is_folder) = loaded.place_of_storage(name).unwrap_or_default();
    let place = if place.is_empty() { place } else { format!(" ({place})") };
    let question = if is_folder { format!(" {question}") } else { String::new() };
    let left = match waiting {
        None => " Its records wait.".to_owned(),
        Some(0) => String::new(),
        Some(1) => " Its 1 record was left as it was.".to_owned(),
        Some(waiting) => format!(" Its {} were left as they were.", counted(waiting, "record")),
    };
    let what = if reason.starts_with("is ") || reason.starts_with("was ") {
        format!(" {reason}")
    } else if reason.starts_with("its ") {
        format!(": {reason}")
    } else {
        format!(" cannot be read: {reason}")
    };
    format!("Storage {name}{what}{place}.{question}{left}")
}

/// What is said if all records that are meant were read lately.
pub(crate) fn nothing_that_old(before: Timestamp, now: Timestamp) -> String {
    format!(
        "Nothing is that old: no record that is meant was last read longer than {} ago.",
        about(now.since(before))
    )
}

/// The storages of these records in which less than all content is compared, and what is.
pub(crate) fn shallow(settings: &Settings, storages: &[(Model, String)]) -> BTreeMap<String, &'static str> {
    let compared = |name: &String| Some((name.clone(), settings.storages.get(name)?.content.shallow()?));
    storages.iter().filter_map(|(_, name)| compared(name)).collect()
}

/// What is said of such a storage.
pub(crate) fn shallow_text(storage: &str, compared: &str) -> String {
    format!(
        "In storage {storage} only {compared} compared (storages.{storage}.integrity): more may be damaged than is seen."
    )
}

/// For example `all 5 records were`.
fn all_were(number: u64, thing: &str) -> String {
    if number == 1 { format!("{} was", all(number, thing)) } else { format!("{} were", all(number, thing)) }
}

fn are(number: u64) -> String {
    format!("{} {}", count(number), verb(number))
}

/// The verb of so many.
pub(crate) const fn verb(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

#[cfg(test)]
mod tests;
