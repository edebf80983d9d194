//! Whole objects are read.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use stocktake_domain::ports::{ContentStore as _, InspectionSink, Watch};
use stocktake_domain::{Algorithm, ContentError, DigestRule, KeyData};
use stocktake_testbed::Fault;

use crate::support::{
    Lab, Sink, assert_good, inspect, inspect_watched, list, made_up, piece, settings, storage,
};

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_all_sizes_are_hashed() {
    let lab = Lab::new();
    let storage = lab.storage();
    for (seed, size) in
        [0, 1, 255, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 3_000_000].into_iter().enumerate()
    {
        let content = made_up(u64::try_from(seed).unwrap(), size);
        lab.put("a/b", &content);
        let watch = Arc::new(Watch::default());
        let seen = inspect_watched(&storage, vec![piece("a/b")], Arc::clone(&watch)).await.remove(0);
        assert_good(&seen, &content);
        assert_eq!(watch.bytes(), u64::try_from(size).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_objects_are_read_at_once_and_one_bad_stops_no_other() {
    let lab = Lab::new();
    let mut pieces = Vec::new();
    for number in 0..400 {
        let key = format!("{number:03}");
        if number != 123 {
            lab.put(&key, key.as_bytes());
        }
        pieces.push(piece(&key));
    }
    let seen = inspect_watched(&lab.storage(), pieces, Arc::default()).await;
    for (number, seen) in seen.iter().enumerate() {
        if number == 123 {
            let at = "s3://content/123".to_owned();
            assert_eq!(*seen, Err(ContentError::MissingFile { at }));
        } else {
            assert_good(seen, format!("{number:03}").as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_stands_before_every_path() {
    let lab = Lab::new();
    lab.put("lfs/ab", b"inside");
    lab.put("lfs-other", b"beside");
    let mut settings = settings(&lab.server.endpoint());
    settings.prefix = "lfs".to_owned();
    let storage = storage(settings);
    assert_good(&inspect(&storage, "ab").await, b"inside");
    let found: Vec<_> = list(&storage).await.into_iter().map(|found| found.unwrap().path).collect();
    assert_eq!(found, ["ab"]);
    assert_eq!(format!("{storage:?}"), "ObjectStorage { at: \"s3://content/lfs/\", .. }");
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_objects_are_compared_by_their_plaintext() {
    let lab = Lab::new();
    let stored = hex::decode("000102030405060708090a0b7fd5ba51ff9cdfb76ba9e22e63b4f07e6fcb220a79").unwrap();
    lab.put("secure", &stored);
    let mut piece = piece("secure");
    piece.rule = DigestRule::SecureFile(KeyData("ab".repeat(64)));
    piece.algorithms = piece.algorithms.with(Algorithm::Md5);
    let seen = inspect_watched(&lab.storage(), vec![piece], Arc::default()).await;
    assert_good(&seen[0], &stored);
    let plain = *seen[0].as_ref().unwrap().recorded().unwrap();
    assert_eq!((plain.size, plain.digests.sha256), (Some(5), Some(Sha256::digest(b"hello").into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_is_called_off_gives_up_and_no_more_are_begun_than_allowed() {
    let lab = Lab::new();
    lab.put("a", &made_up(1, 1_000_000));
    let proxy = lab.proxy(|_| Fault::Hang { after: 1000 });
    let mut settings = settings(&proxy.url());
    settings.requests = NonZeroUsize::new(3).unwrap();
    let storage = Arc::new(storage(settings));
    let watch = Arc::new(Watch::default());
    // Two calls, which share the three requests.
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let (storage, watch) = (Arc::clone(&storage), Arc::clone(&watch));
            tokio::spawn(async move { inspect_watched(&storage, vec![piece("a"); 5], watch).await })
        })
        .collect();
    while watch.bytes() < 3_000 {
        tokio::task::yield_now().await;
    }
    watch.cancel();
    for call in calls {
        let seen = call.await.unwrap();
        assert!(seen.iter().all(|seen| *seen == Err(ContentError::CANCELLED)), "{seen:?}");
    }
    assert_eq!(proxy.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_is_dropped_reports_all_as_given_up() {
    let lab = Lab::new();
    lab.put("a", &made_up(1, 1_000_000));
    let proxy = lab.proxy(|_| Fault::Hang { after: 1000 });
    let storage = storage(settings(&proxy.url()));
    let (watch, sink) = (Arc::new(Watch::default()), Arc::new(Sink::default()));
    let all: Arc<dyn InspectionSink> = sink.clone();
    let mut reading = storage.inspect(vec![piece("a"), piece("b")], Arc::clone(&watch), all);
    while watch.bytes() == 0 {
        let _still_reading = tokio::time::timeout(Duration::from_millis(1), &mut reading).await;
    }
    drop(reading);
    // The tasks are ended by the runtime, which has its own time for it.
    let mut reported = Vec::new();
    while reported.len() < 2 {
        tokio::task::yield_now().await;
        reported.extend(sink.taken());
    }
    assert!(reported.contains(&(0, Err(ContentError::CANCELLED))), "{reported:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_keeps_to_the_limit_of_bytes() {
    let lab = Lab::new();
    let content = made_up(1, 300_000);
    lab.put("a", &content);
    let mut settings = settings(&lab.server.endpoint());
    settings.bytes_per_second = NonZeroU64::new(400_000);
    let begin = std::time::Instant::now();
    assert_good(&inspect(&storage(settings), "a").await, &content);
    // A quarter of a second may be made up for.
    assert!(begin.elapsed() >= Duration::from_millis(490), "{:?}", begin.elapsed());
}
