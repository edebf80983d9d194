//! Reading rows whose content was changed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{SourceFixture, checked};
use crate::key::RecordKey;
use crate::record::SourceRecord;
use crate::time::Timestamp;

/// The rows changed at this time or later, by pages of this size.
async fn changed(fixture: &SourceFixture, since: Timestamp, limit: u32) -> Vec<SourceRecord> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = fixture.source.changed(fixture.model, since, after.clone(), limit).await.unwrap();
        let (rows, read_to) = checked(page, after.as_ref(), limit);
        all.extend(rows);
        match read_to {
            Some(read_to) => after = Some(read_to),
            None => return all,
        }
    }
}

fn keys(rows: &[SourceRecord]) -> BTreeSet<RecordKey> {
    rows.iter().map(|row| row.key.clone()).collect()
}

pub async fn every_change_since_the_beginning_is_found_by_pages_of_any_size(fixture: &SourceFixture) {
    let epoch = Timestamp::from_millis(0);
    let rows = changed(fixture, epoch, 10_000).await;
    assert!(!rows.is_empty() && rows.iter().all(|row| row.content_changed_at.is_some()));
    let all = fixture.source.page(fixture.model, None, 10_000).await.unwrap().rows;
    let expected: Vec<_> = all.into_iter().filter(|row| row.content_changed_at.is_some()).collect();
    assert_eq!(keys(&rows), keys(&expected));
    assert_eq!(changed(fixture, epoch, 1).await, rows);
}

pub async fn the_time_is_inclusive(fixture: &SourceFixture) {
    let rows = changed(fixture, Timestamp::from_millis(0), 10_000).await;
    let newest = rows.iter().filter_map(|row| row.content_changed_at).max().unwrap();
    assert!(!changed(fixture, newest, 10_000).await.is_empty());
    assert!(changed(fixture, newest.after(Duration::from_secs(1)), 10_000).await.is_empty());
}
