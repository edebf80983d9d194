//! What the store says of an object is compared as far as it goes, and nothing is read.

use std::sync::Arc;

use md5::{Digest as _, Md5};
use sha2::Sha256;
use stocktake_content_objects::{Mode, ObjectSettings};
use stocktake_domain::ports::Watch;
use stocktake_domain::{DigestRule, Digests, Evidence, KeyData, Measure, Observation};
use stocktake_testbed::{Fault, S3Facts};

use crate::support::{BUCKET, Lab, inspect_watched, piece, settings, storage};

const CONTENT: &[u8] = b"thirty-three bytes are put here..";

/// What is seen of an object with this rule, when this is said of it.
async fn seen(facts: &S3Facts, rule: DigestRule) -> Observation {
    let lab = Lab::new();
    lab.server.put_as(BUCKET, "a", CONTENT, facts).unwrap();
    let proxy = lab.proxy(|asked| {
        assert_eq!(asked.method, "HEAD");
        Fault::None
    });
    let storage = storage(ObjectSettings { mode: Mode::Metadata, ..settings(&proxy.url()) });
    let watch = Arc::new(Watch::default());
    let mut piece = piece("a");
    piece.rule = rule;
    let seen = inspect_watched(&storage, vec![piece], Arc::clone(&watch)).await.remove(0).unwrap();
    assert_eq!((seen.evidence, seen.bytes_read, watch.bytes()), (Evidence::Metadata, 0, 0));
    assert_eq!((seen.stored.size, proxy.asked().len()), (Some(33), 1));
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn size_and_checksums_are_those_that_the_store_keeps() {
    let plain = seen(&S3Facts::of(CONTENT), DigestRule::Stored).await;
    let digests = Digests {
        md5: Some(Md5::digest(CONTENT).into()),
        sha256: Some(Sha256::digest(CONTENT).into()),
        sha1: None,
        gitaly: None,
    };
    assert_eq!((plain.stored.digests, plain.recorded), (digests, None));
    let parts = S3Facts { etag: format!("{}-2", "ab".repeat(16)), sha256: None, encryption: None };
    assert_eq!(seen(&parts, DigestRule::Length(33)).await.stored.digests, Digests::default());
    let encrypted = S3Facts { encryption: Some("aws:kms".to_owned()), sha256: None, ..S3Facts::of(CONTENT) };
    assert_eq!(seen(&encrypted, DigestRule::Stored).await.stored.digests, Digests::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_of_other_bytes_is_compared_by_size_alone() {
    let rule = DigestRule::SecureFile(KeyData("ab".to_owned()));
    let seen = seen(&S3Facts::of(CONTENT), rule).await;
    assert!(seen.stored.digests.md5.is_some());
    let plain = Measure { size: Some(5), digests: Digests::default() };
    assert_eq!(seen.recorded(), Ok(&plain));
}
