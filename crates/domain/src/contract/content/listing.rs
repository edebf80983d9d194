//! Listing content.

use std::future::poll_fn;
use std::sync::Arc;

use super::ContentFixture;

/// The paths of the listing, which must not skip anything.
async fn listed(fixture: &ContentFixture) -> Vec<String> {
    let mut stream = fixture.store.list();
    let mut paths = Vec::new();
    while let Some(found) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        paths.push(found.unwrap().path);
    }
    paths
}

pub async fn the_listing_is_complete_and_in_the_byte_order_of_the_paths(fixture: &ContentFixture) {
    let mut expected = fixture.present.clone();
    expected.sort_unstable();
    assert_eq!(listed(fixture).await, expected);
}

pub async fn each_path_listed_can_be_inspected(fixture: &ContentFixture) {
    let paths = listed(fixture).await;
    for (path, seen) in paths.iter().zip(fixture.inspect(&paths, &Arc::default()).await) {
        assert!(seen.is_ok(), "{path}: {seen:?}");
    }
}

pub async fn a_listing_that_is_dropped_half_way_disturbs_no_other(fixture: &ContentFixture) {
    let mut stream = fixture.store.list();
    assert!(poll_fn(|context| stream.as_mut().poll_next(context)).await.is_some());
    drop(stream);
    assert_eq!(listed(fixture).await.len(), fixture.present.len());
}

pub async fn nothing_can_be_measured_where_nothing_is(fixture: &ContentFixture) {
    assert_eq!(fixture.store.measure(&fixture.absent).await, None);
}

pub async fn the_address_is_that_of_a_folder(fixture: &ContentFixture) {
    let Some(address) = fixture.store.address().await else { return };
    assert!(address.prefix.is_empty() || address.prefix.ends_with('/'), "{address:?}");
    for path in &fixture.present {
        assert_eq!(address.path_in(&address, path).as_ref(), Some(path));
    }
    assert_eq!(fixture.store.address().await, Some(address));
}
