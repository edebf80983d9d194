//! Tests of the sentences.

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
    let failures = [(FailureKind::Missing, 40), (FailureKind::Unreadable, 10), (FailureKind::Altered, 60)];
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
    let sentence =
        |states: &[(State, u64)]| standing(states, &missing).sentence(INTERVAL, now(), &Obstacles::default());
    assert_eq!(sentence(&[(State::Failed, 3)]), "3 of 3 records need attention: 3 missing.");
    assert_eq!(
        sentence(&[(State::Failed, 3), (State::Disabled, 1)]),
        "3 of 4 records need attention: 3 missing. The others are not looked at: 1 is switched off."
    );
}

/// Whatever is said of the others.
#[test]
fn what_is_switched_off_counts_as_read_in_no_sentence() {
    let missing = [(FailureKind::Missing, 1)];
    let tail = |waiting: u64, now: Timestamp, disabled: u64| {
        let states = [
            (State::Failed, 1),
            (State::Succeeded, 2),
            (State::Pending, waiting),
            (State::Disabled, disabled),
        ];
        let sentence = standing(&states, &missing).sentence(INTERVAL, now, &Obstacles::default());
        sentence.split_once("1 missing. ").unwrap().1.to_owned()
    };
    let late = now().after(INTERVAL);
    assert_eq!(tail(0, now(), 1), "All others were read within 90 days, except 1 that is switched off.");
    assert_eq!(tail(0, now(), 2), "All others were read within 90 days, except 2 that are switched off.");
    assert_eq!(tail(3, now(), 1), "Of the others 3 are still to be read; 1 is switched off.");
    assert_eq!(tail(0, late, 1), "Of the others the oldest was read 3 months ago; 1 is switched off.");
    assert_eq!(
        tail(0, now().before(INTERVAL), 1),
        "Nobody knows when the others were read: the oldest success is dated 2026-11-26, in the future; 1 is switched off."
    );
    let due = standing(&[(State::Succeeded, 2), (State::Disabled, 1)], &[]);
    let nothing = due.nothing_due(INTERVAL, now(), &Obstacles::default());
    assert!(nothing.contains("); 1 is switched off. Read everything again"), "{nothing}");
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
        Standing::of(&[little]).sentence(INTERVAL, now(), &Obstacles::default()).starts_with("All is well: ")
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
    let sentence =
        |good, failed| Standing::of(&[model(good, failed)]).sentence(INTERVAL, now(), &Obstacles::default());
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
    let of = |name: &str| Condition { subject: ConditionSubject::Storage(name.to_owned()), ..seen.clone() };
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
