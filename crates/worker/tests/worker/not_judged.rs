//! What is no verdict: storages that cannot be read as wholes, a process that lacks something, and content that is missing
//! because its storage is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{Conditions as _, MountBelow, ProbedStorage};
use stocktake_domain::{
    Baseline, Condition, ConditionSubject, ContentError, Digest, FailureKind, History, Model, NotJudged,
    Record, State, Status, Timestamp, Verification,
};
use stocktake_worker::{ClosedStorage, Drained};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::draining::Silent;
use crate::support::World;
use crate::support::content::{PLAIN, Piece};

const MODEL: Model = Model::Uploads;

fn storage_fault() -> ContentError {
    ContentError::storage("storage root /srv: No such file or directory")
}

fn missing() -> ContentError {
    ContentError::MissingFile { at: "x".to_owned() }
}

fn probed(identity: &str, is_empty: bool) -> ProbedStorage {
    ProbedStorage { identity: Some(identity.to_owned()), is_empty, mounts: BTreeSet::new() }
}

/// Makes a record one that was good, and is due again.
fn was_good(record: &mut Record) {
    let baseline = Baseline { digest: Digest::Sha256([PLAIN; 32]), at: Timestamp::from_millis(1) };
    let history = History { attempt: 1, baseline: Some(baseline), ..History::default() };
    record.status = Status::Pending(Verification::restore(history, stocktake_domain::Pending::default()));
}

async fn drain(world: &World) -> Drained {
    world.engine().drain(&[], None, Arc::new(Silent), CancellationToken::new()).await.unwrap()
}

async fn conditions(world: &World) -> Vec<Condition> {
    world.queue.store.conditions().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_cannot_be_read_is_closed_and_its_records_wait() {
    let world = World::new(&["bad", "good"]);
    let fault = NotJudged::Storage("nobody answers".to_owned());
    world.content("bad").put("x", Piece::Bad(fault.clone().into()));
    world.content("bad").probed(Err(fault));
    for key in 0..50 {
        world.add_as(MODEL, key, "bad", "x", was_good);
        world.add(MODEL, 100 + key, "good", "file");
    }
    let before = world.record(MODEL, 0);
    let begin = Instant::now();
    let drained = drain(&world).await;
    assert!(begin.elapsed() >= world.settings.give_up_after);
    let closed = ClosedStorage { name: "bad".to_owned(), reason: "nobody answers".to_owned(), waiting: 50 };
    assert_eq!((drained.stats.succeeded, drained.stats.failures(), drained.closed), (50, 0, vec![closed]));
    assert_eq!(world.record(MODEL, 0), before);
    // Only the first lease was read; the others were given back after a look at the storage.
    assert_eq!(world.content("bad").used().times("x"), 50);
    let [condition] = &conditions(&world).await[..] else { panic!("one condition") };
    assert_eq!(condition.subject, ConditionSubject::Storage("bad".to_owned()));
    assert_eq!((&*condition.host, &*condition.reason), ("host", "nobody answers"));
    assert!(condition.since < condition.reported_at);
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_comes_back_is_read_and_no_condition_is_left() {
    let world = World::new(&["main"]);
    world.content("main").put("x", Piece::Bad(storage_fault()));
    world.add(MODEL, 1, "main", "x");
    let running = world.run();
    world.content("main").until(|used| used.times("x") >= 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(conditions(&world).await.len(), 1);
    world.content("main").put("x", Piece::Good(1, PLAIN));
    world.until_succeeded(1).await;
    running.stop().await;
    assert_eq!(conditions(&world).await, []);
    assert_eq!(world.record(MODEL, 1).history().retry_count, 0);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_lacks_something_slows_down_and_blames_no_record() {
    let world = World::new(&["main"]);
    let lacks = NotJudged::Process("Too many open files".to_owned());
    world.content("main").put("x", Piece::Bad(lacks.clone().into()));
    for key in 0..20 {
        world.add(MODEL, key, "main", "x");
    }
    let drained = drain(&world).await;
    assert_eq!((drained.stats.records(), drained.shortage), (0, Some("Too many open files".to_owned())));
    assert_eq!(conditions(&world).await[0].subject, ConditionSubject::Process);
    // It was tried again, in pauses that grow.
    let times = world.content("main").used().times("x");
    assert!((2 * 20..=24 * 20).contains(&times), "{times}");
    world.content("main").put("x", Piece::Good(1, PLAIN));
    assert_eq!(drain(&world).await.stats.succeeded, 20);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_missing_while_another_storage_is_at_the_address() {
    let world = World::new(&["main"]);
    world.content("main").probed(Ok(probed("disk", false)));
    world.add(MODEL, 1, "main", "x");
    assert_eq!(drain(&world).await.stats.succeeded, 1);
    // The disk is gone, and the folder that it was mounted on is left.
    world.content("main").put("x", Piece::Bad(missing()));
    world.content("main").probed(Ok(probed("folder below", false)));
    world.add_as(MODEL, 1, "main", "x", was_good);
    let drained = drain(&world).await;
    assert_eq!((drained.stats.records(), drained.closed[0].waiting), (0, 1));
    assert!(drained.closed[0].reason.contains("is another one than before"), "{drained:?}");
    // Who knows that it was moved and lost something on the way says so.
    let mut world = world;
    world.settings.believe_missing = true;
    assert_eq!(drain(&world).await.stats.failed[&FailureKind::Missing], 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_missing_from_a_storage_that_was_another_one_while_it_was_read() {
    let world = World::new(&["main"]);
    let content = world.content("main");
    content.probed(Ok(probed("disk", false)));
    content.put("x", Piece::Bad(missing()));
    content.put("wiki", Piece::Absent);
    content.looks_in("folder below");
    for (key, path) in [(1, "x"), (2, "wiki"), (3, "file")] {
        world.add(MODEL, key, "main", path);
    }
    let drained = drain(&world).await;
    assert_eq!((drained.stats.records(), drained.stats.succeeded, drained.closed[0].waiting), (1, 1, 2));
    assert!(drained.closed[0].reason.contains("was replaced while it was read"), "{drained:?}");
    content.looks_in("disk");
    let drained = drain(&world).await;
    assert_eq!((drained.stats.succeeded, drained.stats.failed[&FailureKind::Missing]), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_is_gone_is_seen_though_nothing_is_due() {
    let world = World::new(&["main", "other", "unused"]);
    let gone = || NotJudged::Storage("nobody answers".to_owned());
    for name in ["main", "other"] {
        world.content(name).probed(Ok(probed("disk", false)));
        world.add(MODEL, 1, name, "x");
        assert_eq!(drain(&world).await.stats.succeeded, 1, "{name}");
    }
    let unreadable = async |only: Option<&[String]>| world.engine().unreadable(only).await.unwrap();
    assert_eq!(unreadable(None).await, []);
    world.content("unused").probed(Err(gone()));
    world.content("other").probed(Ok(probed("folder below", true)));
    let [closed] = &unreadable(None).await[..] else { panic!("one storage with a record") };
    assert_eq!((closed.name.as_str(), closed.waiting), ("other", 1));
    assert!(closed.reason.contains("is another one than before"), "{closed:?}");
    assert_eq!(unreadable(Some(&["main".to_owned()])).await, []);
    world.content("other").probed(Err(gone()));
    assert_eq!(unreadable(None).await[0].reason, "nobody answers");
}

#[tokio::test(start_paused = true)]
async fn a_few_missing_ones_are_recorded_at_once() {
    let world = World::new(&["main"]);
    world.content("main").put("x", Piece::Bad(missing()));
    world.content("main").probed(Ok(probed("disk", true)));
    for key in 0..10 {
        world.add_as(MODEL, key, "main", "x", was_good);
    }
    let begin = Instant::now();
    assert_eq!(drain(&world).await.stats.failed[&FailureKind::Missing], 10);
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_mass_of_missing_ones_is_recorded_only_if_an_administrator_says_so() {
    let mut world = World::new(&["main"]);
    world.content("main").put("x", Piece::Bad(missing()));
    world.content("main").probed(Ok(probed("disk", false)));
    for key in 0..30 {
        world.add_as(MODEL, key, "main", if key < 20 { "x" } else { "file" }, was_good);
    }
    // However often it is looked at.
    for _ in 0..3 {
        let drained = drain(&world).await;
        assert_eq!((drained.stats.failures(), drained.closed[0].waiting), (0, 20));
        assert_eq!(conditions(&world).await[0].reason, drained.closed[0].reason);
    }
    world.settings.believe_missing = true;
    assert_eq!(drain(&world).await.stats.failed[&FailureKind::Missing], 20);
    assert_eq!(conditions(&world).await, []);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_recorded_of_a_storage_whose_witnesses_are_lost() {
    for (piece, told) in [
        (missing(), "none of 22 of its records seen before can be found. Is another volume mounted?"),
        (
            ContentError::Unreadable("Input/output error".to_owned()),
            "22 of 22 of its records seen before cannot be read: Input/output error: x. Are rights and device as they were?",
        ),
    ] {
        let world = World::new(&["main"]);
        world.content("main").put("x", Piece::Bad(piece));
        for key in 0..30 {
            world.add_as(MODEL, key, "main", "x", was_good);
        }
        let drained = drain(&world).await;
        assert_eq!((drained.stats.records(), drained.closed[0].waiting), (0, 30));
        assert_eq!(drained.closed[0].reason, told);
        assert_eq!(world.state(MODEL, 0), State::Pending);
        // One lease was read, and no more than was needed to tell that the storage is still as it was.
        assert_eq!(world.content("main").used().times("x"), 30);
        // A storage most of whose witnesses are found is believed.
        for key in 30..100 {
            world.add_as(MODEL, key, "main", "file", was_good);
        }
        assert_eq!(drain(&world).await.stats.failures(), 30);
        assert_eq!(conditions(&world).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_due_records_are_no_less_judged_by_witnesses() {
    let world = World::new(&["main"]);
    for key in 0..30 {
        world.add_as(MODEL, key, "main", "x", was_good);
    }
    assert_eq!(drain(&world).await.stats.succeeded, 30);
    world.content("main").put("x", Piece::Bad(missing()));
    world.add_as(MODEL, 3, "main", "x", was_good);
    assert_eq!(drain(&world).await.closed[0].waiting, 1);
    // One that was never good is judged as the others are.
    world.add(MODEL, 31, "main", "x");
    let drained = drain(&world).await;
    assert_eq!((drained.stats.records(), drained.closed[0].waiting), (0, 2));
    let unreadable = world.engine().unreadable(None).await.unwrap();
    assert!(unreadable[0].reason.starts_with("none of 22"), "{unreadable:?}");
}

#[tokio::test(start_paused = true)]
async fn what_lies_where_something_was_mounted_waits_and_the_rest_is_judged() {
    let mut world = World::new(&["main"]);
    world.settings.claim_size = 10;
    let content = world.content("main");
    let mount = MountBelow { folder: "in/sub".to_owned(), holds: "sub".to_owned() };
    let with = |mounts: &[&MountBelow]| ProbedStorage {
        mounts: mounts.iter().map(|mount| (*mount).clone()).collect(),
        ..probed("disk", false)
    };
    let other = MountBelow { folder: "in/proc".to_owned(), holds: "proc".to_owned() };
    content.probed(Ok(with(&[&mount, &other])));
    let add = |world: &World| {
        for key in 0..40 {
            // More than a lease of them, before the others.
            let path = if key < 25 { format!("sub/{key}") } else { format!("subway/{key}") };
            world.add_as(MODEL, key, "main", &path, was_good);
        }
    };
    add(&world);
    assert_eq!(drain(&world).await.stats.succeeded, 40);
    let remembered = world.queue.store.mounts("main").await.unwrap();
    assert_eq!(remembered, BTreeSet::from([mount.clone()]), "what holds no record is not remembered");
    for key in 0..25 {
        content.put(&format!("sub/{key}"), Piece::Bad(missing()));
    }
    content.put("subway/30", Piece::Bad(missing()));
    content.probed(Ok(with(&[&other])));
    add(&world);
    let drained = drain(&world).await;
    assert_eq!((drained.stats.succeeded, drained.stats.failed[&FailureKind::Missing]), (14, 1));
    assert_eq!(drained.closed[0].waiting, 25);
    assert!(drained.closed[0].reason.starts_with("its folder in/sub cannot be read"), "{drained:?}");
    assert_eq!(conditions(&world).await[0].reason, drained.closed[0].reason);
    // Mounted again, what is lost there is told.
    content.probed(Ok(with(&[&mount])));
    for key in 1..25 {
        content.put(&format!("sub/{key}"), Piece::Good(1, PLAIN));
    }
    let drained = drain(&world).await;
    assert_eq!((drained.stats.succeeded, drained.stats.failed[&FailureKind::Missing]), (24, 1));
    assert_eq!(conditions(&world).await, []);
    // Good content there without it: it need not be mounted.
    content.probed(Ok(with(&[])));
    world.add_as(MODEL, 1, "main", "sub/1", was_good);
    assert_eq!(drain(&world).await.stats.succeeded, 1);
    assert_eq!(world.queue.store.mounts("main").await.unwrap(), BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn what_lies_where_something_else_is_mounted_waits_and_the_rest_is_judged() {
    let mut world = World::new(&["main"]);
    let content = world.content("main");
    let mount = MountBelow { folder: "sub".to_owned(), holds: "sub".to_owned() };
    content.probed(Ok(ProbedStorage { mounts: BTreeSet::from([mount]), ..probed("disk", false) }));
    let add = |world: &World| {
        for key in 0..100 {
            let path = if key < 20 { format!("sub/{key}") } else { format!("subway/{key}") };
            world.add_as(MODEL, key, "main", &path, was_good);
        }
    };
    add(&world);
    assert_eq!(drain(&world).await.stats.succeeded, 100);
    // A few that are lost there are told.
    for key in 0..2 {
        content.put(&format!("sub/{key}"), Piece::Bad(missing()));
    }
    add(&world);
    let drained = drain(&world).await;
    assert_eq!((drained.stats.succeeded, drained.stats.failed[&FailureKind::Missing]), (98, 2));
    // Of all, another volume may be mounted there, though most of the storage is whole.
    for key in 2..20 {
        content.put(&format!("sub/{key}"), Piece::Bad(missing()));
    }
    content.put("subway/30", Piece::Bad(missing()));
    add(&world);
    let drained = drain(&world).await;
    assert_eq!((drained.stats.succeeded, drained.stats.failed[&FailureKind::Missing]), (79, 1));
    assert_eq!(drained.closed[0].waiting, 20);
    let reason = &drained.closed[0].reason;
    assert!(reason.starts_with("what is mounted at its folder sub: none of 20"), "{reason}");
    // Unless somebody says so.
    world.settings.believe_missing = true;
    assert_eq!(drain(&world).await.stats.failed[&FailureKind::Missing], 20);
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_does_not_answer_a_look_is_closed() {
    let world = World::new(&["main"]);
    let running = world.run();
    world.content("main").put("x", Piece::Bad(storage_fault()));
    world.add(MODEL, 1, "main", "x");
    let recalculated = running.engine.clone();
    let key = stocktake_domain::RecordKey::integer(1);
    let answer = stocktake_domain::ports::Recalculation::recalculate_now(
        &*recalculated,
        MODEL,
        &key,
        Duration::from_secs(3_600),
    );
    let begin = Instant::now();
    let answer = answer.await.unwrap().unwrap();
    // Who waits is told at once that it is not finished.
    assert!(!answer.finished && begin.elapsed() < Duration::from_secs(60));
    assert_eq!(answer.record.state(), State::Pending);
    running.stop().await;
}
