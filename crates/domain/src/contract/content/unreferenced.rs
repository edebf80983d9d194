//! Finding what nothing refers to. In a storage in which nothing refers to anything, each case is that it says so.

use std::future::poll_fn;

use super::ContentFixture;
use crate::time::Timestamp;
use crate::unreferenced::{Unreferenced, Usage};

/// Everything that there is was changed before it.
const LATER: Timestamp = Timestamp::from_millis(i64::MAX);
/// Nothing was changed before it.
const EARLIER: Timestamp = Timestamp::from_millis(0);

/// What was looked at; `None` if nothing refers to anything in it.
async fn usages(fixture: &ContentFixture, changed_before: Timestamp) -> Option<Vec<Usage>> {
    let mut stream = fixture.store.unreferenced(changed_before)?;
    let mut usages = Vec::new();
    while let Some(usage) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        usages.push(usage.unwrap());
    }
    Some(usages)
}

fn paths(usages: &[Usage]) -> Vec<&str> {
    let path = |usage| match usage {
        &Usage::Unreferenced(Unreferenced { ref path, .. }) => Some(path.as_str()),
        Usage::Needed | Usage::Young => None,
    };
    let mut paths: Vec<&str> = usages.iter().filter_map(path).collect();
    paths.sort_unstable();
    paths
}

pub async fn what_is_needed_is_not_told(fixture: &ContentFixture) {
    match usages(fixture, LATER).await {
        Some(usages) => {
            assert!(!usages.is_empty());
            assert!(usages.iter().all(|usage| *usage == Usage::Needed), "{usages:?}");
        }
        None => assert!(fixture.abandon.is_none()),
    }
}

pub async fn just_what_nothing_refers_to_is_told(fixture: &ContentFixture) {
    let Some(abandon) = &fixture.abandon else { return };
    let mut expected = abandon();
    expected.sort_unstable();
    let after = usages(fixture, LATER).await.unwrap();
    assert_eq!(paths(&after), expected);
}

pub async fn what_was_changed_too_lately_is_not_judged(fixture: &ContentFixture) {
    let Some(abandon) = &fixture.abandon else { return };
    assert!(!abandon().is_empty());
    let usages = usages(fixture, EARLIER).await.unwrap();
    assert!(paths(&usages).is_empty() && usages.contains(&Usage::Young), "{usages:?}");
}
