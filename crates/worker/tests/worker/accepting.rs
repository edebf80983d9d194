//! Taking content for good as it is.

use stocktake_domain::ports::Queue as _;
use stocktake_domain::{
    Baseline, ContentError, Digest, FailureKind, History, Model, Pending, RecordKey, State, Status,
    Timestamp, Verification,
};
use stocktake_worker::{AcceptError, Accepted, Previous};

use crate::support::World;
use crate::support::content::{PLAIN, Piece};

async fn accept(world: &World, key: i64) -> Result<Accepted, AcceptError> {
    world.engine().accept(Model::Uploads, &RecordKey::integer(key)).await
}

#[tokio::test(start_paused = true)]
async fn altered_content_is_taken_for_good_and_stays_so() {
    let world = World::new(&["main"]);
    let baseline = Some(Baseline { digest: Digest::Sha256([2; 32]), at: Timestamp::from_millis(5) });
    world.add_as(Model::Uploads, 1, "main", "file", |record| {
        (record.expected, record.file_size) = (Some(Digest::Md5([1; 16])), Some(99));
        let history = History { baseline, ..History::default() };
        record.status = Status::Pending(Verification::restore(history, Pending::default()));
    });
    let running = world.run();
    world.queue.until(|queue| queue.count(State::Failed) == 1).await;

    let accepted = accept(&world, 1).await.unwrap();
    assert_eq!(
        accepted.previous,
        Previous { expected: Some(Digest::Md5([1; 16])), size: Some(99), baseline }
    );
    assert_eq!((accepted.checksum, accepted.size), (Digest::Sha256([PLAIN; 32]), Some(4)));
    assert_eq!(accepted.record, world.record(Model::Uploads, 1));
    assert_eq!(accepted.record.history().checksum(), Some(accepted.checksum));

    world.queue.recalculate(Model::Uploads, &RecordKey::integer(1)).await.unwrap();
    world.until_succeeded(1).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_cannot_be_accepted() {
    let world = World::new(&["main"]);
    let content = world.content("main");
    content.put("gone", Piece::Bad(ContentError::MissingFile { at: "/srv/gone".to_owned() }));
    content.put("burning", Piece::Panicking);
    content.put("stopped", Piece::Bad(ContentError::CANCELLED));
    world.add(Model::Uploads, 1, "main", "gone");
    world.add(Model::Uploads, 2, "main", "burning");
    world.add(Model::Uploads, 3, "main", "stopped");
    world.add(Model::Uploads, 4, "attic", "file");
    let gone = accept(&world, 1).await.unwrap_err();
    assert!(gone.to_string().ends_with("file does not exist at: /srv/gone"), "{gone}");
    assert!(matches!(gone, AcceptError::Content(failure) if failure.kind() == FailureKind::Missing));
    assert!(matches!(accept(&world, 2).await, Err(AcceptError::Interrupted)));
    assert!(matches!(accept(&world, 3).await, Err(AcceptError::Interrupted)));
    assert!(matches!(accept(&world, 4).await, Err(AcceptError::UnknownStorage(name)) if name == "attic"));
    assert!(matches!(accept(&world, 5).await, Err(AcceptError::UnknownRecord)));
    assert_eq!(world.queue.count(State::Pending), 4);
}
