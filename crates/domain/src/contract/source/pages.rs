//! Reading rows in the order of their keys.

use super::{SourceFixture, checked};
use crate::model::Model;
use crate::ports::Readable;
use crate::record::SourceRecord;

/// All rows, by pages of this size.
async fn all(fixture: &SourceFixture, limit: u32) -> Vec<SourceRecord> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = fixture.source.page(fixture.model, after.clone(), limit).await.unwrap();
        let (rows, read_to) = checked(page, after.as_ref(), limit);
        all.extend(rows);
        match read_to {
            Some(read_to) => after = Some(read_to),
            None => return all,
        }
    }
}

pub async fn the_survey_has_each_model_once_in_order(fixture: &SourceFixture) {
    let survey = fixture.source.survey().await.unwrap();
    assert_eq!(survey.iter().map(|(model, _)| *model).collect::<Vec<_>>(), Model::ALL);
    let readable = survey.iter().find(|(model, _)| *model == fixture.model);
    assert!(matches!(readable, Some((_, Readable::Yes { .. }))), "{readable:?}");
}

pub async fn pages_of_any_size_give_the_same_rows(fixture: &SourceFixture) {
    let rows = all(fixture, 10_000).await;
    assert!(rows.len() >= 3);
    for limit in [1, 2, 3] {
        assert_eq!(all(fixture, limit).await, rows, "{limit}");
    }
}

pub async fn a_bound_need_not_be_a_row(fixture: &SourceFixture) {
    let rows = all(fixture, 10_000).await;
    let last = &rows.last().unwrap().key;
    let page = fixture.source.page(fixture.model, Some(last.clone()), 10).await.unwrap();
    assert!(page.rows.is_empty() && page.read_to.is_none());
    let page = fixture.source.page(fixture.model, Some(crate::key::RecordKey::integer(0)), 1).await.unwrap();
    assert_eq!(page.rows.first(), rows.first());
}
