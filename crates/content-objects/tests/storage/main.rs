//! Object storage against a real S3 server, and with what networks do between.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod access;
mod as_a_whole;
mod checksums;
mod faults;
mod keys;
mod metadata;
mod others;
mod reading;
mod role;
mod servers;
mod support;
mod sweep;
mod tree;

use std::sync::Arc;

use stocktake_domain::Model;
use stocktake_domain::contract::ContentFixture;

use support::{Lab, made_up};

/// Runs a case to its end.
fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(case);
}

async fn bucket() -> ContentFixture {
    let lab = Lab::new();
    let present = ["b", "a/c", "a.x/large", "ä/é"].map(str::to_owned).to_vec();
    for (seed, path) in (1..).zip(&present) {
        lab.put(path, &made_up(seed, if path.ends_with("large") { 1_000_000 } else { 100 }));
    }
    let (store, absent) = (Arc::new(lab.storage()), "a/none".to_owned());
    ContentFixture { store, model: Model::Uploads, present, absent, abandon: None, keep: Box::new(lab) }
}

stocktake_domain::content_contract!(crate::run, crate::bucket);
