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
                self.others(&within, overdue, now)
            );
        }
        let disabled = match self.disabled {
            0 => String::new(),
            disabled => format!("; {} switched off", are(disabled)),
        };
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
            "Nothing was due{}: {} {} within {}{}.{} Read everything again now: stocktake verify --all",
            obstacles.clause().map_or_else(String::new, |clause| format!(", but {clause}")),
            all_were(self.succeeded, "record"),
            self.looked_at(),
            span(interval),
            self.oldest_and_next(interval, now),
            self.evidence(),
        )
    }

    fn oldest_and_next(&self, interval: Duration, now: Timestamp) -> String {
        let told =
            |oldest| format!(" (oldest {}, next due {})", age(oldest, now), date(oldest.after(interval)));
        self.oldest.map_or_else(String::new, told)
    }

    /// What is said of the records that need no attention, after a space; nothing if there are none.
    fn others(&self, within: &str, overdue: Option<Timestamp>, now: Timestamp) -> String {
        let looked_at = self.looked_at();
        let others = match (self.succeeded, self.waiting + self.good_before, overdue) {
            (0, 0, _) if self.disabled == 0 => return String::new(),
            (0, 0, _) => format!("The others are not looked at: {} switched off.", are(self.disabled)),
            (_, 0, Some(oldest)) => {
                format!("Of the others the oldest was {looked_at} {}.{}", age(oldest, now), self.evidence())
            }
            (_, 0, None) => format!("All others were {looked_at} within {within}.{}", self.evidence()),
            _ => format!("Of the others {}.", self.to_be_read()),
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
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(90 * 86_400);

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-11-26T12:00:00Z").unwrap()
    }

    fn standing(states: &[(State, u64)], failures: &[(FailureKind, u64)]) -> Standing {
        let model = |states: &[(State, u64)], failures: &[(FailureKind, u64)]| ModelSummary {
            states: states.to_vec(),
            failures: failures.to_vec(),
            oldest_success: Some(now().before(Duration::from_secs(120))),
            ..ModelSummary::new(Model::Uploads)
        };
        Standing::of(&[model(states, failures), model(&[], &[])])
    }

    #[test]
    fn what_is_wrong_is_told_with_the_most_frequent_first() {
        let states = [(State::Succeeded, 99_894), (State::Failed, 110)];
        let failures =
            [(FailureKind::Missing, 40), (FailureKind::Unreadable, 10), (FailureKind::Altered, 60)];
        assert_eq!(
            standing(&states, &failures).sentence(INTERVAL, now(), &Obstacles::default()),
            "110 of 100,004 records need attention: 60 altered, 40 missing, 10 unreadable. All others were read within \
             90 days."
        );
        assert_eq!(
            standing(&[(State::Pending, 1), (State::Failed, 1)], &[(FailureKind::TimedOut, 1)]).sentence(
                INTERVAL,
                now(),
                &Obstacles::default()
            ),
            "1 of 2 records needs attention: 1 timed out. Of the others 1 is still to be read."
        );
    }

    #[test]
    fn nothing_is_well_that_was_not_read_within_its_interval() {
        let hour = Duration::from_secs(3_600);
        let all = standing(&[(State::Succeeded, 15)], &[]);
        let late = now().after(hour);
        assert!(
            all.sentence(hour, late, &Obstacles::default())
                .starts_with("No record needs attention, but not all were read within 1 hour: ")
        );
        let some = standing(&[(State::Succeeded, 15), (State::Failed, 1)], &[(FailureKind::Missing, 1)]);
        assert!(
            some.sentence(hour, late, &Obstacles::default())
                .ends_with("Of the others the oldest was read 1 hour ago.")
        );
    }

    #[test]
    fn of_others_it_is_told_only_what_there_is() {
        let missing = [(FailureKind::Missing, 3)];
        let sentence = |states: &[(State, u64)]| {
            standing(states, &missing).sentence(INTERVAL, now(), &Obstacles::default())
        };
        assert_eq!(sentence(&[(State::Failed, 3)]), "3 of 3 records need attention: 3 missing.");
        assert_eq!(
            sentence(&[(State::Failed, 3), (State::Disabled, 1)]),
            "3 of 4 records need attention: 3 missing. The others are not looked at: 1 is switched off."
        );
    }

    #[test]
    fn a_success_in_the_future_is_no_success() {
        let ahead = ModelSummary {
            states: vec![(State::Succeeded, 1)],
            oldest_success: Some(now().after(Duration::from_secs(3_600))),
            ..ModelSummary::new(Model::Uploads)
        };
        assert_eq!(
            Standing::of(std::slice::from_ref(&ahead)).sentence(INTERVAL, now(), &Obstacles::default()),
            "No record needs attention, but nobody knows when the only record was read: the oldest success is dated \
             2026-11-26, in the future, by a clock that was ahead. Read what is due: stocktake verify"
        );
        let little = ModelSummary { oldest_success: Some(now().after(Duration::from_secs(30))), ..ahead };
        assert!(
            Standing::of(&[little])
                .sentence(INTERVAL, now(), &Obstacles::default())
                .starts_with("All is well: ")
        );
    }

    #[test]
    fn nothing_is_known_before_something_was_read() {
        let is_unknown = |states: &[(State, u64)]| standing(states, &[]).is_unknown();
        assert!(is_unknown(&[]) && is_unknown(&[(State::Disabled, 3), (State::Pending, 1)]));
        assert!(!is_unknown(&[(State::Succeeded, 1), (State::Pending, 1)]));
    }

    #[test]
    fn what_is_well_is_told_with_its_age() {
        let all = standing(&[(State::Succeeded, 100_004)], &[]);
        let span = "(oldest 2 minutes ago, next due 2027-02-24)";
        assert_eq!(
            all.sentence(INTERVAL, now(), &Obstacles::default()),
            format!("All is well: all 100,004 records were read within 90 days {span}.")
        );
        assert_eq!(
            all.nothing_due(INTERVAL, now(), &Obstacles::default()),
            format!(
                "Nothing was due: all 100,004 records were read within 90 days {span}. Read everything again now: \
                 stocktake verify --all"
            )
        );
    }

    #[test]
    fn a_failure_that_is_read_again_still_counts() {
        let model = ModelSummary {
            states: vec![(State::Pending, 5), (State::Failed, 1), (State::Succeeded, 3)],
            failures: vec![(FailureKind::Missing, 1)],
            rereading: vec![(FailureKind::Missing, 2), (FailureKind::Altered, 1)],
            ..ModelSummary::new(Model::Uploads)
        };
        assert_eq!(
            Standing::of(&[model]).sentence(INTERVAL, now(), &Obstacles::default()),
            "4 of 9 records need attention: 3 missing, 1 altered. 3 failed before and are being read again. Of the others \
             2 are still to be read."
        );
    }

    #[test]
    fn what_was_good_is_told_while_it_is_read_again() {
        let model = |good_before, failed| ModelSummary {
            states: vec![(State::Pending, 5), (State::Failed, failed), (State::Succeeded, 3)],
            failures: vec![(FailureKind::Missing, failed)],
            good_before,
            ..ModelSummary::new(Model::Uploads)
        };
        let sentence = |good, failed| {
            Standing::of(&[model(good, failed)]).sentence(INTERVAL, now(), &Obstacles::default())
        };
        assert_eq!(
            sentence(4, 0),
            "No record needs attention so far: 3 of 8 are good, 4 were good before and are to be read again, 1 is still to \
             be read."
        );
        assert_eq!(
            sentence(5, 1),
            "1 of 9 records needs attention: 1 missing. Of the others 5 were good before and are to be read again."
        );
    }

    #[test]
    fn what_was_judged_by_metadata_was_not_read() {
        let model = ModelSummary {
            states: vec![(State::Succeeded, 5)],
            evidence: vec![
                (EvidenceLevel::SaidByStore, 2),
                (EvidenceLevel::ComputedAtRest, 1),
                (EvidenceLevel::Read, 2),
            ],
            oldest_success: Some(now()),
            ..ModelSummary::new(Model::Uploads)
        };
        assert_eq!(
            Standing::of(&[model]).sentence(INTERVAL, now(), &Obstacles::default()),
            "All is well: all 5 records were checked within 90 days (oldest just now, next due 2027-02-24). Of 2 of them \
             only what the object store says was compared, not the content. Of 1 of them the object store computed the \
             checksum."
        );
    }

    #[test]
    fn what_was_not_looked_at_is_never_well() {
        let some = standing(&[(State::Succeeded, 2), (State::Started, 1), (State::Disabled, 1)], &[]);
        assert_eq!(
            some.sentence(INTERVAL, now(), &Obstacles::default()),
            "No record needs attention so far: 2 of 4 are good, 1 is still to be read; 1 is switched off."
        );
        assert_eq!(
            standing(&[(State::Disabled, 3)], &[]).sentence(INTERVAL, now(), &Obstacles::default()),
            "No record is looked at: all 3 records are switched off."
        );
    }

    #[test]
    fn nothing_is_well_while_a_storage_or_a_process_cannot_read() {
        let all = standing(&[(State::Succeeded, 2)], &[]);
        let seen = Condition {
            subject: ConditionSubject::Process,
            host: "a".to_owned(),
            reason: String::new(),
            since: now(),
            reported_at: now(),
        };
        let of =
            |name: &str| Condition { subject: ConditionSubject::Storage(name.to_owned()), ..seen.clone() };
        let sentence = |conditions: &[Condition]| all.sentence(INTERVAL, now(), &Obstacles::of(conditions));
        let verdict = "all 2 records were read within 90 days (oldest 2 minutes ago, next due \
                       2027-02-24).";
        assert_eq!(
            sentence(&[of("b"), of("a"), of("a")]),
            format!("No record needs attention, but storages a, b cannot be read now: {verdict}")
        );
        assert_eq!(
            sentence(&[of("a"), seen.clone()]),
            format!(
                "No record needs attention, but storage a cannot be read now, and a process cannot read content: {verdict}"
            )
        );
        assert_eq!(
            sentence(std::slice::from_ref(&seen)),
            format!("No record needs attention, but a process cannot read content now: {verdict}")
        );
        let many = ["a", "b", "c", "d"].map(of);
        assert!(sentence(&many).contains(" but 4 storages cannot be read now: "), "{}", sentence(&many));
        assert!(
            all.nothing_due(INTERVAL, now(), &Obstacles::of(&[of("a")]))
                .starts_with("Nothing was due, but storage a cannot be read now: ")
        );
    }
}
