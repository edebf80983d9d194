//! The storage around the repositories, cancellation and limits.

use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Instant;

use stocktake_domain::contract::Recorder;
use stocktake_domain::ports::{ContentStore as _, Inspection, Watch};
use stocktake_domain::{ContentError, DigestRule, KeyData};

use crate::support::{Fixture, PLAIN, checksum, inspect, piece, sha256};

#[tokio::test]
async fn paths_that_leave_the_storage_are_invalid() {
    let fixture = Fixture::new();
    fixture.create("a.git", PLAIN);
    stocktake_testbed::GitRepository::create(&fixture.outer.path().join("outside.git"), PLAIN).unwrap();
    symlink("../outside.git", fixture.root.join("link.git")).unwrap();
    symlink("a.git", fixture.root.join("inside.git")).unwrap();
    for path in ["", "/", "..", "../outside.git", "/etc", "a.git/../a.git", "link.git", "a\0"] {
        assert!(matches!(fixture.see(path).await, Err(ContentError::Invalid(_))), "{path:?}");
    }
    for path in ["a.git", "a.git/", "./a.git", "inside.git"] {
        fixture.see(path).await.unwrap();
    }
}

#[tokio::test]
async fn a_rule_is_a_mistake_in_the_record() {
    let fixture = Fixture::new();
    fixture.fill("a.git", PLAIN);
    let with = async |path: &str, rule: DigestRule| {
        let pieces = vec![Inspection { rule, ..piece(path) }];
        inspect(&fixture.store, pieces).await.remove(0)
    };
    let invalid = |reason: &str| Err(ContentError::Invalid(reason.to_owned()));
    for rule in [
        DigestRule::Length(1),
        DigestRule::SecureFile(KeyData("made up".to_owned())),
        DigestRule::TerraformState(1),
        DigestRule::PipelineArtifact(1),
        DigestRule::PortablePdb,
    ] {
        assert_eq!(
            with("a.git", rule.clone()).await,
            invalid("a git repository can have no rule"),
            "{rule:?}"
        );
    }
    let unresolved = DigestRule::Unresolved("the project 7 is gone".to_owned());
    // Neither a repository nor a path is needed for that.
    for path in ["a.git", "no.git", ""] {
        assert_eq!(with(path, unresolved.clone()).await, invalid("the project 7 is gone"), "{path:?}");
    }
    with("a.git", DigestRule::Stored).await.unwrap();
}

#[tokio::test]
async fn links_inside_a_repository_lead_nowhere_outside() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    let secret = fixture.outer.path().join("secret");
    fs::write(&secret, "f21f76b804422462e79f9f99d5b14856e130ed71\n").unwrap();
    symlink(&secret, repository.path().join("refs/heads/secret")).unwrap();
    let invalid = ContentError::Invalid("refs/heads/secret: leaves its storage through a link".to_owned());
    assert_eq!(fixture.see("a.git").await, Err(invalid));
}

#[tokio::test]
async fn a_missing_storage_is_not_a_missing_repository() {
    let fixture = Fixture::new();
    fs::remove_dir(&fixture.root).unwrap();
    let reason = format!("storage root {} does not exist", fixture.root.display());
    assert_eq!(fixture.see("a.git").await, Err(ContentError::storage(reason)));
    fs::create_dir(&fixture.root).unwrap();
    assert_eq!(fixture.see("a.git").await, Err(ContentError::MissingRepository));
}

#[tokio::test]
async fn in_a_cluster_nothing_is_reported_as_missing_or_never_created() {
    let fixture = Fixture::new();
    fixture.fill("@hashed/a.git", PLAIN);
    fs::create_dir_all(fixture.root.join("@cluster/repositories")).unwrap();
    assert!(fixture.see("@hashed/a.git").await.is_ok());
    let seen = fixture.see("@hashed/b.git").await;
    assert!(matches!(&seen, Err(ContentError::Invalid(why)) if why.contains("Gitaly Cluster")), "{seen:?}");
}

#[tokio::test]
async fn each_inspection_is_reported_once_and_none_stops_the_others() {
    let fixture = Fixture::new();
    let good = fixture.fill("good.git", PLAIN);
    let bad = fixture.fill("bad.git", PLAIN);
    fs::write(bad.path().join("HEAD"), "").unwrap();
    let pieces = (0..60).map(|number| piece(["good.git", "bad.git", "no.git", "../x"][number % 4])).collect();
    let watch = Arc::new(Watch::default());
    let recorder = Recorder::new(60);
    fixture.store.inspect(pieces, Arc::clone(&watch), recorder.clone()).await;
    let mut bytes = 0;
    for (number, seen) in recorder.all().into_iter().enumerate() {
        match number % 4 {
            0 => {
                assert_eq!(sha256(&seen), checksum(&good.show_ref().unwrap()));
                bytes += seen.unwrap().bytes_read;
            }
            1 => assert_eq!(seen, Err(ContentError::Unreadable("HEAD: the ref is empty".to_owned()))),
            2 => assert_eq!(seen, Err(ContentError::MissingRepository)),
            _ => assert!(matches!(seen, Err(ContentError::Invalid(_)))),
        }
    }
    assert!(watch.bytes() >= bytes && bytes > 0);
    assert_eq!(inspect(&fixture.store, Vec::new()).await, []);
}

#[tokio::test]
async fn cancelled_reading_is_reported_as_cancelled() {
    let fixture = Fixture::with(|settings| {
        // It would take days.
        settings.bytes_per_second = NonZeroU64::new(1);
        settings.readers = NonZeroUsize::MIN;
    });
    fixture.fill("a.git", PLAIN);
    let watch = Arc::new(Watch::default());
    let recorder = Recorder::new(5);
    let pieces = vec![piece("a.git"); 5];
    let reading = fixture.store.inspect(pieces, Arc::clone(&watch), recorder.clone());
    let stop = async {
        while watch.bytes() == 0 {
            tokio::task::yield_now().await;
        }
        watch.cancel();
    };
    tokio::join!(reading, stop);
    assert_eq!(recorder.all(), vec![Err(ContentError::CANCELLED); 5]);
}

#[tokio::test]
async fn a_limit_of_bytes_is_kept() {
    let fixture = Fixture::with(|settings| settings.bytes_per_second = NonZeroU64::new(200_000));
    let repository = fixture.create("a.git", PLAIN);
    repository.import("main", 500, 1).unwrap();
    let begin = Instant::now();
    let seen = fixture.see("a.git").await;
    assert_eq!(sha256(&seen), checksum(&repository.show_ref().unwrap()));
    let bytes = seen.unwrap().bytes_read;
    // Bytes that may be read later, and the last steps, are not waited for.
    let least = std::time::Duration::from_millis((bytes.saturating_sub(110_000)) / 200);
    assert!(bytes > 110_000 && begin.elapsed() >= least, "{bytes} bytes in {:?}", begin.elapsed());
}

#[test]
fn reading_ends_when_the_call_is_dropped() {
    let fixture = Fixture::with(|settings| settings.bytes_per_second = NonZeroU64::new(1));
    fixture.fill("a.git", PLAIN);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let watch = Arc::new(Watch::default());
    let recorder = Recorder::new(1);
    runtime.block_on(async {
        let reading = fixture.store.inspect(vec![piece("a.git")], Arc::clone(&watch), recorder.clone());
        let begun = async {
            while watch.bytes() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { () = reading => {}, () = begun => {} }
    });
    drop(runtime);
    // The reader holds the sink until it ends.
    while Arc::strong_count(&recorder) > 1 {
        std::thread::yield_now();
    }
}
