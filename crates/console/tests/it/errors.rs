//! Pages of what went wrong.

use std::sync::Arc;

use stocktake_domain::ports::{MockCatalogue, Outage, StoreError, Unavailable};

use crate::support::{ADMIN, World};

/// A catalogue in which all that the overview asks for fails like this.
fn failing(error: fn() -> StoreError) -> MockCatalogue {
    let mut catalogue = MockCatalogue::new();
    catalogue.expect_summary().returning(move || Err(error()));
    catalogue.expect_failure_groups().returning(move || Err(error()));
    catalogue.expect_results_by_day().returning(move |_| Err(error()));
    catalogue
}

#[actix_web::test]
async fn an_outage_of_the_database_is_a_page_that_comes_back() {
    let mut world = World::new().await;
    let mut catalogue = failing(|| StoreError::Unavailable("no route to db.internal".into()));
    catalogue.expect_get().returning(|_, _| Err(StoreError::Internal("row 7 is odd".into())));
    world.catalogue = Some(Arc::new(catalogue));
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let away = admin.get("/console").await;
    assert_eq!((away.status, away.header("Refresh")), (503, Some("10")));
    away.says("The database does not answer");
    away.says("This page comes back by itself.");
    away.says_not("db.internal");
    away.says_not("aria-label=\"Console\"");
    let fault = admin.get("/console/models/uploads/1").await;
    assert_eq!((fault.status, fault.header("Refresh")), (500, None));
    fault.says_not("row 7");
    // Another page may well work.
    fault.says("aria-label=\"Console\"");
}

#[actix_web::test]
async fn the_page_of_an_outage_says_which_it_is() {
    let errors: [fn() -> StoreError; 5] = [
        || StoreError::Unavailable(Unavailable::new(Outage::Silent, "x")),
        || StoreError::Unavailable(Unavailable::new(Outage::ReadOnly, "x")),
        || StoreError::Unavailable(Unavailable::new(Outage::Contended, "x")),
        || StoreError::Unavailable(Unavailable::new(Outage::Disk, "x")),
        || StoreError::Schema("x".to_owned()),
    ];
    let titles = [
        "The database does not answer in time",
        "The database takes no changes",
        "The database is busy",
        "The database cannot be used",
        "The database does not fit this program",
    ];
    for (error, title) in errors.into_iter().zip(titles) {
        let mut world = World::new().await;
        world.catalogue = Some(Arc::new(failing(error)));
        let site = world.open();
        let page = site.signed_in(ADMIN).await.get("/console").await;
        assert_eq!((page.status, page.header("Refresh")), (503, Some("10")));
        page.says(&format!("<title>{title} · Stocktake</title>"));
    }
}

#[actix_web::test]
async fn a_page_that_panics_is_a_page_as_well() {
    let mut world = World::new().await;
    let mut catalogue = MockCatalogue::new();
    catalogue.expect_get().returning(|_, _| panic!("the secret of the page"));
    world.catalogue = Some(Arc::new(catalogue));
    let site = world.open();
    let answer = site.signed_in(ADMIN).await.get("/console/models/uploads/1").await;
    assert_eq!(answer.status, 500);
    answer.says("This is a fault of Stocktake.");
    answer.says_not("secret");
}
