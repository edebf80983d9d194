//! The suite of `Source`.

pub mod changes;
pub mod pages;

use std::any::Any;
use std::sync::Arc;

use crate::key::RecordKey;
use crate::model::Model;
use crate::ports::{Source, SourcePage};
use crate::record::SourceRecord;

/// A source with rows in it.
pub struct SourceFixture {
    /// The source.
    pub source: Arc<dyn Source>,
    /// A model with at least three rows, of which the source says when their content was changed.
    pub model: Model,
    /// What must live as long as the source: its database.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Checks a page behind `after` against what is promised of every page; its rows, and where to go on.
fn checked(
    page: SourcePage,
    after: Option<&RecordKey>,
    limit: u32,
) -> (Vec<SourceRecord>, Option<RecordKey>) {
    let SourcePage { rows, read_to } = page;
    assert!(rows.len() <= usize::try_from(limit).unwrap(), "more than {limit} rows");
    let keys: Vec<&RecordKey> = after.into_iter().chain(rows.iter().map(|row| &row.key)).collect();
    assert!(keys.is_sorted_by(|one, next| one < next), "not in the order of the keys: {keys:?}");
    if let Some(read_to) = &read_to {
        assert!(Some(read_to) > after, "no progress behind {after:?}");
        assert!(keys.last().is_none_or(|last| *last <= read_to), "{read_to:?} lies before the last row");
    }
    (rows, read_to)
}

pub mod claims {
    //! Asking who claims content.

    use super::SourceFixture;
    use crate::record::Location;

    pub async fn there_is_one_answer_for_each_piece_in_order(fixture: &SourceFixture) {
        assert!(fixture.source.claims(&[]).await.unwrap().is_empty());
        let storages = fixture.source.storages();
        assert!(!storages.is_empty());
        let place =
            |storage: &String, path: &str| Location { storage: storage.clone(), path: path.to_owned() };
        let places: Vec<Location> = storages
            .iter()
            .flat_map(|storage| [place(storage, "nowhere/at/all"), place(storage, "tmp/cache/x")])
            .collect();
        let pieces: Vec<Vec<Location>> = places.iter().cloned().map(|place| vec![place]).collect();
        let together = fixture.source.claims(&pieces).await.unwrap();
        assert_eq!(together.len(), pieces.len());
        for (piece, claim) in pieces.iter().zip(&together) {
            let alone = fixture.source.claims(std::slice::from_ref(piece)).await.unwrap();
            assert_eq!(alone, [*claim], "{piece:?}");
        }
        // A place of a piece that is named twice is one, and the order of several does not matter.
        let twice: Vec<Vec<Location>> = places.iter().cloned().map(|place| vec![place; 2]).collect();
        assert_eq!(fixture.source.claims(&twice).await.unwrap(), together);
        let reversed: Vec<Location> = places.iter().rev().cloned().collect();
        let [one, other] = [places, reversed].map(|places| vec![places]);
        assert_eq!(fixture.source.claims(&one).await.unwrap(), fixture.source.claims(&other).await.unwrap());
    }
}
