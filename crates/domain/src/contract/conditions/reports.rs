//! Reporting conditions, and ending them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Model;
use crate::condition::{Condition, ConditionSubject};
use crate::contract::DatabaseFixture;
use crate::contract::support::{MODEL, TERMS, at, entry, entry_in, import, import_into, worker};
use crate::ports::{Announcement, ClaimFilter, MountBelow, StorageShare, WorkerActivity};

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
        let storages: Vec<_> = storages.iter().map(|storage| share(storage, 0, 0)).collect();
        let announcement = Announcement { worker: worker(name), storages, over: Duration::ZERO };
        store.as_of(at(now)).conditions.announce(&announcement, span).await.unwrap();
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
    // Whoever ends may be started anew.
    store.as_of(at(1_180)).conditions.announce_end(&worker("two")).await.unwrap();
    store.as_of(at(1_180)).conditions.announce_end(&worker("unknown")).await.unwrap();
    assert_eq!(known(1_280).await, ["c"]);
    assert!(known(1_281).await.is_empty());
}

fn share(storage: &str, records: u64, bytes: u64) -> StorageShare {
    StorageShare { storage: storage.to_owned(), records, bytes }
}

pub async fn what_workers_do_is_known_while_they_live(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let span = Duration::from_millis(100);
    import(store, vec![entry(1), entry_in("other", 2)], 1_000).await;
    import_into(store, Model::Projects, vec![entry(1)], 1_000).await;
    let say = async |name: &str, storages: Vec<StorageShare>, over: u64, now| {
        let over = Duration::from_millis(over);
        let announcement = Announcement { worker: worker(name), storages, over };
        store.as_of(at(now)).conditions.announce(&announcement, span).await.unwrap();
        announcement
    };
    say("two", vec![share("main", 9, 9)], 0, 1_000).await;
    let two = say("two", vec![share("main", 7, 700), share("other", 0, 0)], 60, 1_060).await;
    let one = say("one", vec![share("main", 0, u64::try_from(i64::MAX).unwrap())], 0, 1_050).await;
    // The second takes all there is, of several models and storages; somebody who said nothing is not listed.
    for _ in 0..3 {
        store.queue.claim(&worker("two"), &ClaimFilter::any(9), TERMS).await.unwrap().unwrap();
    }
    let known = async |now| db.reopen().await.as_of(at(now)).conditions.workers(span).await.unwrap();
    let mut holds = vec![(MODEL, "main"), (MODEL, "other"), (Model::Projects, "main")];
    holds.sort_unstable();
    let holds: Vec<_> = holds.into_iter().map(|(model, storage)| (model, storage.to_owned())).collect();
    let one = WorkerActivity { announcement: one, seen_at: at(1_050), holds: Vec::new() };
    let two = WorkerActivity { announcement: two, seen_at: at(1_060), holds };
    assert_eq!(known(1_100).await, [one, two.clone()]);
    assert_eq!(known(1_155).await, std::slice::from_ref(&two));
    assert_eq!(known(1_161).await, []);
    store.as_of(at(1_070)).conditions.announce_end(&worker("one")).await.unwrap();
    assert_eq!(known(1_100).await, std::slice::from_ref(&two));
    let again = say("one", vec![share("main", 1, 1)], 0, 1_080).await;
    let again = WorkerActivity { announcement: again, seen_at: at(1_080), holds: Vec::new() };
    assert_eq!(known(1_100).await, [again, two]);
    let beyond = vec![share("main", u64::MAX, 0)];
    let beyond = Announcement { worker: worker("one"), storages: beyond, over: Duration::ZERO };
    assert!(store.conditions.announce(&beyond, span).await.is_err());
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
