//! What is found, and what becomes of it.

use std::time::Duration;

use stocktake_domain::FailureKind::{Altered, Invalid, Missing, Unreadable};
use stocktake_domain::{
    Algorithm, Algorithms, Baseline, ContentError, Digest, DigestRule, FailureKind, History, Model, Pending,
    Record, State, Status, Timestamp, Verification,
};

use crate::support::World;
use crate::support::content::{PLAIN, Piece};

fn checked_before(digest: Digest) -> impl FnOnce(&mut Record) {
    move |record| {
        let baseline = Some(Baseline { digest, at: Timestamp::from_millis(0) });
        let history = History { attempt: 4, baseline, ..History::default() };
        record.status = Status::Pending(Verification::restore(history, Pending::default()));
    }
}

#[tokio::test(start_paused = true)]
async fn good_content_succeeds_with_its_digest() {
    let world = World::new(&["main"]);
    for key in 0..2_500 {
        world.add(Model::Uploads, key, "main", &format!("file {key}"));
    }
    let running = world.run();
    world.until_succeeded(2_500).await;
    let record = world.record(Model::Uploads, 7);
    assert_eq!(record.history().checksum(), Some(Digest::Sha256([PLAIN; 32])));
    assert_eq!(record.history().last_checksum_at(), Some(world.now()));
    assert_eq!(record.history().attempt, 1);
    running.stop().await;
    let writes = world.queue.seen().writes.clone();
    assert_eq!(writes.iter().sum::<usize>(), 2_500);
    assert_eq!(writes.iter().max(), Some(&1_000));
    assert_eq!(world.queue.leases(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_failure_is_recorded_with_its_text() {
    let world = World::new(&["main"]);
    let content = world.content("main");
    content.put("gone", Piece::Bad(ContentError::MissingFile { at: "/srv/gone".to_owned() }));
    content.put("locked", Piece::Bad(ContentError::Unreadable("Permission denied".to_owned())));
    content.put("..", Piece::Bad(ContentError::Invalid("leaves its storage".to_owned())));
    content.put("repo", Piece::Bad(ContentError::MissingRepository));
    world.add(Model::Uploads, 1, "main", "gone");
    world.add(Model::Uploads, 2, "main", "locked");
    world.add(Model::Uploads, 3, "main", "..");
    world.add(Model::Uploads, 4, "main", "repo");
    world.add_as(Model::Uploads, 5, "main", "altered", |record| record.expected = Some(Digest::Md5([1; 16])));
    world.add_as(Model::Uploads, 6, "main", "longer", |record| record.file_size = Some(1));
    world.add_as(Model::Uploads, 7, "main", "changed", checked_before(Digest::Sha256([1; 32])));
    world.add(Model::Uploads, 8, "attic", "lost");
    let running = world.run();
    world.queue.until(|queue| queue.count(State::Failed) == 8).await;
    let kinds: Vec<FailureKind> =
        (1..=8).map(|key| world.record(Model::Uploads, key).status.failure().unwrap().kind()).collect();
    assert_eq!(kinds, [Missing, Unreadable, Invalid, Missing, Altered, Altered, Altered, Invalid]);
    assert!(world.failure(Model::Uploads, 1).ends_with("does not exist at: /srv/gone"));
    assert_eq!(world.failure(Model::Uploads, 2), "Error during verification: Permission denied: locked");
    assert_eq!(world.failure(Model::Uploads, 8), "Error during verification: unknown storage \"attic\"");
    let failed = world.record(Model::Uploads, 1);
    assert_eq!(failed.history().retry_count, 1);
    // The first wait, with the middle of the random part.
    assert_eq!(failed.status.retry_at(), Some(world.now().after(Duration::from_secs(1 + 15 + 15 * 2))));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_place_is_invalid_and_mixes_up_no_others() {
    let world = World::new(&["main"]);
    let lost = |record: &mut Record| record.rule = DigestRule::Unresolved("project 7 is gone".to_owned());
    world.content("main").put("bad", Piece::Bad(ContentError::MissingRepository));
    world.add(Model::Uploads, 1, "main", "good");
    world.add_as(Model::Uploads, 2, "main", "never read", lost);
    world.add(Model::Uploads, 3, "main", "bad");
    world.add(Model::Uploads, 4, "main", "good as well");
    world.add_as(Model::Uploads, 5, "-", "-", lost);
    let running = world.run();
    world.queue.until(|queue| queue.count(State::Failed) == 3).await;
    world.until_succeeded(2).await;
    for key in [2, 5] {
        assert_eq!(world.failure(Model::Uploads, key), "Error during verification: project 7 is gone");
    }
    assert_eq!(world.record(Model::Uploads, 3).status.failure().unwrap().kind(), Missing);
    assert!(!world.content("main").used().asked.contains_key("never read"));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn mutable_content_may_change_and_its_new_checksum_is_recorded() {
    let world = World::new(&["main"]);
    world.add_as(Model::Projects, 1, "main", "repo", checked_before(Digest::Sha256([1; 32])));
    let running = world.run();
    world.until_succeeded(1).await;
    let record = world.record(Model::Projects, 1);
    assert_eq!(record.history().checksum(), Some(Digest::Sha256([PLAIN; 32])));
    assert_eq!(record.history().attempt, 5);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_the_digests_needed_are_calculated() {
    let mut world = World::new(&["main"]);
    world.settings.policy.per_model.insert(Model::LfsObjects, Algorithm::Md5);
    world.add(Model::Uploads, 1, "main", "sha256");
    world.add(Model::LfsObjects, 1, "main", "md5");
    world.add_as(Model::LfsObjects, 2, "main", "both", |record| {
        record.expected = Some(Digest::Sha256([PLAIN; 32]));
    });
    let running = world.run();
    world.until_succeeded(3).await;
    assert_eq!(world.record(Model::LfsObjects, 2).history().checksum(), Some(Digest::Md5([PLAIN; 16])));
    let asked = world.content("main").used().asked;
    assert_eq!(asked["sha256"], [Algorithms { sha256: true, md5: false, sha1: false, gitaly: false }]);
    assert_eq!(asked["md5"], [Algorithms { sha256: false, md5: true, sha1: false, gitaly: false }]);
    assert_eq!(asked["both"], [Algorithms { sha256: true, md5: true, sha1: false, gitaly: false }]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_piece_keeps_back_no_other_result() {
    let world = World::new(&["main"]);
    world.content("main").put("slow", Piece::Gated);
    for key in 1..=10 {
        world.add(Model::Uploads, key, "main", if key == 5 { "slow" } else { "quick" });
    }
    let running = world.run();
    world.until_succeeded(9).await;
    assert_eq!(world.state(Model::Uploads, 5), State::Started);
    world.content("main").open();
    world.until_succeeded(10).await;
    assert_eq!(world.content("main").used().times("slow"), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_failing_records_delay_no_other() {
    let world = World::new(&["main"]);
    world.content("main").put("gone", Piece::Bad(ContentError::MissingFile { at: "gone".to_owned() }));
    for key in 0..1_000 {
        world.add(Model::Uploads, key, "main", "gone");
    }
    for key in 1_000..1_100 {
        world.add(Model::Uploads, key, "main", "here");
    }
    let running = world.run();
    world.until_succeeded(100).await;
    assert_eq!(world.queue.count(State::Failed), 1_000);
    // Each was tried once: a failure waits for its retry time and takes no turn before.
    assert_eq!(world.content("main").used().times("gone"), 1_000);
    running.stop().await;
}
