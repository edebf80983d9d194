//! Inspecting content.

use std::sync::Arc;

use super::ContentFixture;
use crate::ports::Watch;
use crate::verdict::{ContentError, Evidence};

pub async fn nothing_asked_for_is_nothing_reported(fixture: &ContentFixture) {
    let watch = Arc::default();
    assert!(fixture.inspect(&[], &watch).await.is_empty());
    assert_eq!(watch.bytes(), 0);
}

pub async fn each_is_reported_once_and_a_missing_one_stops_no_other(fixture: &ContentFixture) {
    let mut paths = vec![fixture.absent.clone()];
    paths.extend(fixture.present.iter().cloned());
    paths.push(fixture.absent.clone());
    let seen = fixture.inspect(&paths, &Arc::default()).await;
    for (path, seen) in paths.iter().zip(seen) {
        match seen {
            Ok(observation) => {
                assert_ne!(*path, fixture.absent);
                assert_eq!(observation.evidence, Evidence::Content, "{path}");
                assert!(observation.stored.digests.sha256.is_some(), "{path}");
            }
            Err(ContentError::MissingFile { at }) => {
                assert_eq!(*path, fixture.absent);
                assert!(at.ends_with(path.as_str()), "{at} is not the place of {path}");
            }
            Err(ContentError::MissingRepository) => assert_eq!(*path, fixture.absent),
            Err(other) => panic!("{path}: {other}"),
        }
    }
}

pub async fn the_same_content_is_seen_alike_by_many_at_once(fixture: &ContentFixture) {
    let paths: Vec<String> =
        fixture.present.iter().cycle().take(fixture.present.len() * 10).cloned().collect();
    let seen = fixture.inspect(&paths, &Arc::default()).await;
    let first: Vec<_> =
        seen.iter().take(fixture.present.len()).map(|seen| seen.as_ref().unwrap().stored).collect();
    for (index, seen) in seen.iter().enumerate() {
        assert_eq!(seen.as_ref().unwrap().stored, first[index % first.len()], "{}", paths[index]);
    }
}

pub async fn bytes_read_are_added_to_the_watch(fixture: &ContentFixture) {
    let watch = Arc::<Watch>::default();
    let seen = fixture.inspect(&fixture.present, &watch).await;
    let observed: u64 = seen.iter().map(|seen| seen.as_ref().unwrap().bytes_read).sum();
    assert!(observed > 0);
    assert!(watch.bytes() >= observed, "{} of {observed} bytes", watch.bytes());
}

pub async fn a_storage_that_is_there_can_be_probed(fixture: &ContentFixture) {
    let probed = fixture.store.probe().await.unwrap();
    assert!(!probed.is_empty);
    assert!(probed.identity.as_ref().is_none_or(|identity| (1..=64).contains(&identity.len())));
    assert_eq!(fixture.store.probe().await, Ok(probed));
}

pub async fn a_look_tells_what_is_there_from_what_is_not(fixture: &ContentFixture) {
    for path in &fixture.present {
        assert_eq!(fixture.store.look(path).await, Ok(()), "{path}");
    }
    let watch = Arc::default();
    let inspected = fixture.inspect(std::slice::from_ref(&fixture.absent), &watch).await;
    assert_eq!(Err(fixture.store.look(&fixture.absent).await.unwrap_err()), inspected[0]);
}

pub async fn the_watch_is_told_in_which_storage_content_is_missing(fixture: &ContentFixture) {
    let watch = Arc::<Watch>::default();
    let seen = fixture.inspect(std::slice::from_ref(&fixture.absent), &watch).await;
    assert!(seen.iter().all(Result::is_err), "{seen:?}");
    if let Some(identity) = fixture.store.probe().await.unwrap().identity {
        assert!(watch.looked_only_in(&identity), "{watch:?}");
    }
}

pub async fn what_is_cancelled_before_it_begins_is_reported_so(fixture: &ContentFixture) {
    let watch = Arc::<Watch>::default();
    watch.cancel();
    for seen in fixture.inspect(&fixture.present, &watch).await {
        assert_eq!(seen, Err(ContentError::CANCELLED));
    }
}
