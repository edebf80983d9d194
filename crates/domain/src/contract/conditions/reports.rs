//! Reporting conditions, and ending them.

use crate::condition::{Condition, ConditionSubject};
use crate::contract::DatabaseFixture;
use crate::contract::support::at;

fn storage(name: &str) -> ConditionSubject {
    ConditionSubject::Storage(name.to_owned())
}

pub async fn a_condition_keeps_its_beginning(db: &dyn DatabaseFixture) {
    let conditions = &db.ports().conditions;
    conditions.report(&storage("main"), "a", "gone", at(100)).await.unwrap();
    conditions.report(&storage("main"), "a", "still gone", at(300)).await.unwrap();
    let condition = Condition {
        subject: storage("main"),
        host: "a".to_owned(),
        reason: "still gone".to_owned(),
        since: at(100),
        reported_at: at(300),
    };
    assert_eq!(db.reopen().await.conditions.conditions().await.unwrap(), [condition]);
}

pub async fn storages_come_before_processes_by_name_and_host(db: &dyn DatabaseFixture) {
    let conditions = &db.ports().conditions;
    for (subject, host) in [
        (ConditionSubject::Process, "a"),
        (storage("b"), "a"),
        (storage("a"), "b"),
        (storage("a"), "B"),
        (storage("Z"), "a"),
    ] {
        conditions.report(&subject, host, "x\0y", at(1)).await.unwrap();
    }
    let all = conditions.conditions().await.unwrap();
    let order: Vec<_> = all.iter().map(|condition| (condition.subject.clone(), &*condition.host)).collect();
    assert_eq!(
        order,
        [
            (storage("Z"), "a"),
            (storage("a"), "B"),
            (storage("a"), "b"),
            (storage("b"), "a"),
            (ConditionSubject::Process, "a"),
        ]
    );
    assert_eq!(all[0].reason, "x\u{fffd}y");
}

pub async fn a_host_ends_its_own_conditions_and_those_of_hosts_that_are_gone(db: &dyn DatabaseFixture) {
    let conditions = &db.ports().conditions;
    for (host, time) in [("a", 500), ("b", 400), ("c", 399)] {
        conditions.report(&storage("main"), host, "gone", at(time)).await.unwrap();
    }
    conditions.report(&storage("other"), "a", "gone", at(1)).await.unwrap();
    conditions.end(&storage("main"), "a", at(400)).await.unwrap();
    conditions.end(&ConditionSubject::Process, "a", at(400)).await.unwrap();
    let left = conditions.conditions().await.unwrap();
    let left: Vec<_> = left.iter().map(|condition| (condition.subject.clone(), &*condition.host)).collect();
    assert_eq!(left, [(storage("main"), "b"), (storage("other"), "a")]);
}

pub async fn each_host_knows_its_own_storage(db: &dyn DatabaseFixture) {
    let conditions = &db.ports().conditions;
    assert_eq!(conditions.identity("main", "a").await.unwrap(), None);
    conditions.remember_identity("main", "a", "one").await.unwrap();
    conditions.remember_identity("main", "b", "two").await.unwrap();
    conditions.remember_identity("main", "a", "three").await.unwrap();
    let again = db.reopen().await.conditions;
    assert_eq!(again.identity("main", "a").await.unwrap(), Some("three".to_owned()));
    assert_eq!(again.identity("main", "b").await.unwrap(), Some("two".to_owned()));
    assert_eq!(again.identity("other", "a").await.unwrap(), None);
}
