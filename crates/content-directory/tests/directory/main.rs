//! The store of files below a folder, used through its port.
#![expect(clippy::unwrap_used, clippy::as_conversions, clippy::cast_possible_truncation, reason = "tests")]

mod inspect;
mod list;
mod support;

use stocktake_domain::Model;
use stocktake_domain::contract::ContentFixture;

use support::Fixture;

/// Runs a case to its end.
fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(case);
}

async fn directory() -> ContentFixture {
    let fixture = Fixture::new();
    let present = ["b", "a/c", "a.x/large", "ä/é"].map(str::to_owned).to_vec();
    for path in &present {
        fixture.write(path, path.repeat(if path.ends_with("large") { 200_000 } else { 3 }).as_bytes());
    }
    let absent = "a/none".to_owned();
    ContentFixture {
        store: fixture.store.clone(),
        model: Model::Uploads,
        present,
        absent,
        abandon: None,
        keep: Box::new(fixture),
    }
}

stocktake_domain::content_contract!(crate::run, crate::directory);
