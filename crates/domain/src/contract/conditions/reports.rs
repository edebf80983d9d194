//! Reporting conditions, and ending them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::condition::{Condition, ConditionSubject};
use crate::contract::DatabaseFixture;
use crate::contract::support::{at, worker};
use crate::ports::MountBelow;

fn storage(name: &str) -> ConditionSubject {
    ConditionSubject::Storage(name.to_owned())
}

pub async fn a_condition_keeps_its_beginning(db: &dyn DatabaseFixture) {
    let store = db.ports();
    store.as_of(at(100)).conditions.report(&storage("main"), "a", "gone").await.unwrap();
    store.as_of(at(300)).conditions.report(&storage("main"), "a", "still gone").await.unwrap();
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
    let store = db.ports();
    for (subject, host) in [
        (ConditionSubject::Process, "a"),
        (storage("b"), "a"),
        (storage("a"), "b"),
        (storage("a"), "B"),
        (storage("Z"), "a"),
    ] {
        store.as_of(at(1)).conditions.report(&subject, host, "x\0y").await.unwrap();
    }
    let all = store.conditions.conditions().await.unwrap();
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
    let store = db.ports();
    for (host, time) in [("a", 500), ("b", 400), ("c", 399)] {
        store.as_of(at(time)).conditions.report(&storage("main"), host, "gone").await.unwrap();
    }
    store.as_of(at(1)).conditions.report(&storage("other"), "a", "gone").await.unwrap();
    store.as_of(at(1_000)).conditions.end(&storage("main"), "a", Duration::from_millis(600)).await.unwrap();
    store
        .as_of(at(1_000))
        .conditions
        .end(&ConditionSubject::Process, "a", Duration::from_millis(600))
        .await
        .unwrap();
    let left = store.conditions.conditions().await.unwrap();
    let left: Vec<_> = left.iter().map(|condition| (condition.subject.clone(), &*condition.host)).collect();
    assert_eq!(left, [(storage("main"), "b"), (storage("other"), "a")]);
}

pub async fn what_workers_have_is_known_while_they_live(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let span = Duration::from_millis(100);
    let announce = async |name: &str, storages: &[&str], now| {
        let storages: Vec<String> = storages.iter().map(ToString::to_string).collect();
        store.as_of(at(now)).conditions.announce(&worker(name), &storages, span).await.unwrap();
    };
    let known = async |now| {
        let mut known = Vec::new();
        for storage in ["a", "b", "c"] {
            if store.as_of(at(now)).conditions.is_announced(storage, span).await.unwrap() {
                known.push(storage);
            }
        }
        known
    };
    assert!(known(1_000).await.is_empty());
    announce("one", &["a", "b"], 1_000).await;
    announce("two", &["b", "c"], 1_050).await;
    assert_eq!(known(1_100).await, ["a", "b", "c"]);
    assert_eq!(known(1_150).await, ["b", "c"]);
    assert!(known(1_151).await.is_empty());
    announce("two", &["c"], 1_100).await;
    assert_eq!(known(1_100).await, ["a", "b", "c"]);
    announce("one", &[], 1_100).await;
    assert_eq!(known(1_100).await, ["c"]);
}

pub async fn what_is_mounted_below_a_storage_is_known_to_all_hosts(db: &dyn DatabaseFixture) {
    let conditions = &db.ports().conditions;
    let mount = |folder: &str| MountBelow { folder: folder.to_owned(), holds: format!("in/{folder}") };
    assert!(conditions.mounts("main").await.unwrap().is_empty());
    for folder in ["b", "a", "b", "\\xff ä"] {
        conditions.remember_mount("main", &mount(folder)).await.unwrap();
    }
    conditions.remember_mount("other", &mount("c")).await.unwrap();
    conditions.forget_mount("main", &mount("a")).await.unwrap();
    conditions.forget_mount("main", &mount("unknown")).await.unwrap();
    let known = db.reopen().await.conditions.mounts("main").await.unwrap();
    assert_eq!(known, BTreeSet::from([mount("b"), mount("\\xff ä")]));
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
