//! Many records are looked up in a listing, and what differs by it is asked for before it is told.

use std::sync::Arc;

use md5::{Digest as _, Md5};
use stocktake_content_objects::{Mode, ObjectSettings, ObjectStorage};
use stocktake_domain::ports::Inspection;
use stocktake_domain::{ContentError, Digest, Evidence, Reference};
use stocktake_testbed::{Asked, Fault, FaultProxy, S3Facts};

use crate::support::{BUCKET, Lab, bare_answer, inspect_watched, piece, settings, storage};

/// Two full pages, and a bit of a third.
const OBJECTS: usize = 2_345;

fn content(number: usize) -> Vec<u8> {
    format!("content of {number}").into_bytes()
}

fn key(number: usize) -> String {
    format!("{number:04}")
}

/// What a store says of content of which it keeps no SHA-256.
fn plain(content: &[u8]) -> S3Facts {
    S3Facts { sha256: None, ..S3Facts::of(content) }
}

fn filled(facts: impl Fn(usize) -> S3Facts) -> Arc<Lab> {
    let lab = Lab::new();
    for number in 0..OBJECTS {
        lab.server.put_as(BUCKET, &key(number), &content(number), &facts(number)).unwrap();
    }
    lab
}

/// The piece of this object, with what was recorded of it.
fn recorded(number: usize) -> Inspection {
    let content = content(number);
    let size = u64::try_from(content.len()).ok();
    let expected = Some(Digest::Md5(Md5::digest(&content).into()));
    Inspection { reference: Reference { expected, size, ..Reference::default() }, ..piece(&key(number)) }
}

/// All of them, in an order that is not that of the keys.
fn shuffled() -> Vec<usize> {
    (0..OBJECTS).map(|number| number * 1_009 % OBJECTS).collect()
}

fn metadata(proxy: &FaultProxy) -> ObjectStorage {
    storage(ObjectSettings { mode: Mode::Metadata, ..settings(&proxy.url()) })
}

fn is_listing(asked: &Asked) -> bool {
    asked.target.contains('?')
}

/// How many pages were requested, and how many objects.
fn requests(proxy: &FaultProxy) -> (usize, usize) {
    let asked = proxy.asked();
    let pages = asked.iter().filter(|asked| is_listing(asked)).count();
    (pages, asked.len() - pages)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_pages_tell_of_thousands_and_what_differs_is_asked_for() {
    let lab = filled(|number| plain(&content(number)));
    // Missing, of another size, of the same size and another digest.
    std::fs::remove_file(lab.server.path(BUCKET, &key(7))).unwrap();
    lab.server.put_as(BUCKET, &key(1_234), b"short", &plain(b"short")).unwrap();
    let mut altered = content(2_000);
    altered[0] ^= 1;
    lab.server.put_as(BUCKET, &key(2_000), &altered, &plain(&altered)).unwrap();
    let proxy = lab.proxy(|_| Fault::None);
    let storage = metadata(&proxy);
    for lease in shuffled().chunks(500) {
        let pieces = lease.iter().map(|number| recorded(*number)).collect();
        let all = inspect_watched(&storage, pieces, Arc::default()).await;
        for (number, seen) in lease.iter().zip(all) {
            if *number == 7 {
                let at = format!("s3://{BUCKET}/0007");
                assert_eq!(seen, Err(ContentError::MissingFile { at }));
                continue;
            }
            let seen = seen.unwrap();
            let stored = match number {
                1_234 => b"short".to_vec(),
                2_000 => altered.clone(),
                number => content(*number),
            };
            assert_eq!((seen.evidence, seen.bytes_read), (Evidence::Metadata, 0));
            assert_eq!(seen.stored.size, u64::try_from(stored.len()).ok());
            assert_eq!(seen.stored.digests.md5, Some(Md5::digest(&stored).into()));
        }
    }
    // Besides the three, of which the missing one is asked for twice, one was asked whether its `ETag` is an MD5.
    assert_eq!(requests(&proxy), (3, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_or_mended_since_the_listing_is_good() {
    let lab = filled(|number| plain(&content(number)));
    let (last, broken) = (OBJECTS - 1, OBJECTS - 2);
    std::fs::remove_file(lab.server.path(BUCKET, &key(last))).unwrap();
    lab.server.put_as(BUCKET, &key(broken), b"x", &plain(b"x")).unwrap();
    let proxy = lab.proxy(|_| Fault::None);
    let storage = metadata(&proxy);
    let of = |numbers: std::ops::Range<usize>| numbers.map(recorded).collect();
    assert!(inspect_watched(&storage, of(0..500), Arc::default()).await.iter().all(Result::is_ok));
    for number in [last, broken] {
        let content = content(number);
        lab.server.put_as(BUCKET, &key(number), &content, &plain(&content)).unwrap();
    }
    for seen in inspect_watched(&storage, of(OBJECTS - 100..OBJECTS), Arc::default()).await {
        assert!(seen.unwrap().stored.size > Some(1));
    }
    assert_eq!(requests(&proxy).0, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_is_refused_or_has_no_order_is_done_without() {
    let lab = filled(|number| plain(&content(number)));
    let denied = lab.proxy(|asked| {
        let denied = "<Error><Code>AccessDenied</Code></Error>";
        if is_listing(asked) { bare_answer(403, &[], denied) } else { Fault::None }
    });
    let one = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
    let page = format!("<ListBucketResult>{}{}</ListBucketResult>", one("9"), one("0"));
    let disordered =
        lab.proxy(move |asked| if is_listing(asked) { bare_answer(200, &[], &page) } else { Fault::None });
    for proxy in [denied, disordered] {
        let storage = metadata(&proxy);
        for lease in [0..100, 100..200] {
            let all = inspect_watched(&storage, lease.map(recorded).collect(), Arc::default()).await;
            assert!(all.iter().all(|seen| seen.as_ref().is_ok_and(|seen| seen.stored.size > Some(1))));
        }
        assert_eq!(requests(&proxy), (1, 200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn etags_that_only_look_like_digests_are_not_taken_for_them() {
    let lab = filled(|number| S3Facts {
        encryption: Some("aws:kms".to_owned()),
        etag: hex::encode(Md5::digest(number.to_string())),
        sha256: None,
    });
    let proxy = lab.proxy(|_| Fault::None);
    let bare = |number: usize| {
        let piece = recorded(number);
        Inspection { reference: Reference { expected: None, ..piece.reference }, ..piece }
    };
    let all = inspect_watched(&metadata(&proxy), (0..OBJECTS).map(bare).collect(), Arc::default()).await;
    assert!(all.iter().all(|seen| seen.as_ref().unwrap().stored.digests.md5.is_none()));
    assert_eq!(requests(&proxy), (3, 1));
    // What was recorded as an MD5 differs from them: the object itself tells that it has none.
    let all = inspect_watched(&metadata(&proxy), (0..10).map(recorded).collect(), Arc::default()).await;
    assert!(all.iter().all(|seen| seen.as_ref().unwrap().stored.digests.md5.is_none()));
    assert_eq!(requests(&proxy), (4, 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_only_the_object_tells_and_a_deep_look_are_asked_for() {
    let lab = filled(|number| S3Facts::of(&content(number)));
    let proxy = lab.proxy(|_| Fault::None);
    let all = inspect_watched(&metadata(&proxy), (0..20).map(recorded).collect(), Arc::default()).await;
    assert!(all.iter().all(|seen| seen.as_ref().unwrap().stored.digests.sha256.is_some()));
    let asked = requests(&proxy).1;
    assert!((20..=21).contains(&asked), "{asked}");
    let lab = filled(|number| plain(&content(number)));
    let proxy = lab.proxy(|_| Fault::None);
    let deep = |number| Inspection { attempt: None, ..recorded(number) };
    inspect_watched(&metadata(&proxy), (0..20).map(deep).collect(), Arc::default()).await;
    assert_eq!(requests(&proxy), (0, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_pages_are_listed_than_there_are_records() {
    let lab = filled(|number| plain(&content(number)));
    let proxy = lab.proxy(|_| Fault::None);
    let storage = metadata(&proxy);
    // Of few, none; of ten at the end of the bucket, at most ten.
    inspect_watched(&storage, (0..7).map(recorded).collect(), Arc::default()).await;
    assert_eq!(requests(&proxy), (0, 7));
    inspect_watched(&storage, (OBJECTS - 10..OBJECTS).map(recorded).collect(), Arc::default()).await;
    assert_eq!(requests(&proxy), (3, 8));
}
