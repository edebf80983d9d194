//! The store of git repositories, used through its port, on repositories made by git.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod alternates;
mod changing;
mod cluster;
mod connected;
mod deep;
mod flips;
mod format;
mod integrity;
mod list;
mod measure;
mod oracle;
mod refs;
mod reftable;
mod storage;
mod support;
mod worktrees;

use stocktake_domain::Model;
use stocktake_domain::contract::ContentFixture;

use support::{Fixture, PLAIN};

/// Runs a case to its end.
fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(case);
}

async fn repositories() -> ContentFixture {
    let fixture = Fixture::new();
    let present = ["group/b.git", "group/a.git", "z.git"].map(str::to_owned).to_vec();
    for path in &present {
        fixture.fill(path, PLAIN);
    }
    let absent = "group/none.git".to_owned();
    ContentFixture {
        store: fixture.store.clone(),
        model: Model::Projects,
        present,
        absent,
        abandon: None,
        keep: Box::new(fixture),
    }
}

stocktake_domain::content_contract!(crate::run, crate::repositories);
