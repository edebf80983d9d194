//! Looking at content that is to be taken for good as it is.

use std::time::Duration;

use stocktake_domain::ports::{Catalogue as _, Queue as _};
use stocktake_domain::{ContentError, Digest, Model, NewAcceptance, RecordKey, State};
use stocktake_worker::{AcceptError, Candidate, Doubt};

use crate::support::World;
use crate::support::content::{PLAIN, Piece};

async fn look_at(world: &World, key: i64) -> Result<Candidate, AcceptError> {
    world.engine().look_at(Model::Uploads, &RecordKey::integer(key)).await
}

#[tokio::test(start_paused = true)]
async fn what_is_altered_is_accepted_without_doubt_and_stays_good() {
    let world = World::new(&["main"]);
    world.add_as(Model::Uploads, 1, "main", "file", |record| {
        (record.expected, record.file_size) = (Some(Digest::Md5([1; 16])), Some(99));
    });
    let running = world.run();
    world.queue.until(|queue| queue.count(State::Failed) == 1).await;

    let candidate = look_at(&world, 1).await.unwrap();
    assert_eq!(candidate.record, world.record(Model::Uploads, 1));
    assert_eq!((candidate.checksum, candidate.size), (Some(Digest::Sha256([PLAIN; 32])), Some(4)));
    assert_eq!(candidate.doubt(), None);
    assert_eq!(Candidate { size: Some(0), ..candidate.clone() }.doubt(), Some(Doubt::Empty));
    let acceptance = NewAcceptance {
        checksum: candidate.checksum,
        size: candidate.size,
        by: "root@host".to_owned(),
        reason: None,
    };
    let key = RecordKey::integer(1);
    world.queue.store.accept(Model::Uploads, &key, &acceptance).await.unwrap().unwrap();
    world.queue.recalculate(Model::Uploads, &key).await.unwrap();
    world.until_succeeded(1).await;
    assert_eq!(look_at(&world, 1).await.unwrap().doubt(), Some(Doubt::NotAltered));
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
    let gone = look_at(&world, 1).await.unwrap();
    assert_eq!((gone.checksum, gone.size, gone.doubt()), (None, None, Some(Doubt::NotMissing)));
    assert!(matches!(look_at(&world, 2).await, Err(AcceptError::Interrupted)));
    assert!(matches!(look_at(&world, 3).await, Err(AcceptError::Interrupted)));
    assert!(matches!(look_at(&world, 4).await, Err(AcceptError::UnknownStorage(name)) if name == "attic"));
    assert!(matches!(look_at(&world, 5).await, Err(AcceptError::UnknownRecord)));
    assert_eq!(world.queue.count(State::Pending), 4);
}

#[tokio::test(start_paused = true)]
async fn reading_some_for_a_moment_tells_what_was_read_in_it() {
    let world = World::new(&["main", "slow"]);
    world.content("main").put("gone", Piece::Bad(ContentError::MissingFile { at: "/srv/gone".to_owned() }));
    world.content("slow").put("long", Piece::Trickling);
    world.add(Model::Uploads, 1, "main", "file");
    world.add(Model::Uploads, 2, "main", "gone");
    world.add(Model::Uploads, 3, "slow", "long");
    world.add(Model::Uploads, 4, "attic", "file");
    let records: Vec<_> = (1..=4).map(|key| world.record(Model::Uploads, key)).collect();
    let engine = world.engine();
    let tried = engine.try_reading(&records[..2], Duration::from_secs(3)).await;
    assert_eq!((tried.records, tried.took), (2, Duration::ZERO));
    // What does not end in time is given up, and counts as far as it came.
    let tried = engine.try_reading(&records, Duration::from_secs(3)).await;
    assert_eq!((tried.records, tried.took), (2, Duration::from_secs(3)));
    assert!(tried.bytes >= 2, "{tried:?}");
    assert_eq!(world.queue.count(State::Pending), 4);
}
