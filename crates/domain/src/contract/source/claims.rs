//! Asking who claims content.

use super::SourceFixture;
use crate::record::Location;

pub async fn there_is_one_answer_for_each_place_in_order(fixture: &SourceFixture) {
    assert!(fixture.source.claims(&[]).await.unwrap().is_empty());
    let storages = fixture.source.storages();
    assert!(!storages.is_empty());
    let place = |storage: &String, path: &str| Location { storage: storage.clone(), path: path.to_owned() };
    let places: Vec<Location> = storages
        .iter()
        .flat_map(|storage| [place(storage, "nowhere/at/all"), place(storage, "tmp/cache/x")])
        .collect();
    let together = fixture.source.claims(&places).await.unwrap();
    assert_eq!(together.len(), places.len());
    for (place, claim) in places.iter().zip(&together) {
        let alone = fixture.source.claims(std::slice::from_ref(place)).await.unwrap();
        assert_eq!(alone, [*claim], "{place:?}");
    }
}
