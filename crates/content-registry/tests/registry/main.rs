//! Both kinds of registry storage against a real registry, which is filled over its own API and damaged on its
//! disk; the faults of networks come from a proxy in between.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, reason = "tests")]

mod access;
mod as_a_whole;
mod damage;
mod database;
mod faults;
mod good;
mod listing;
mod manners;
mod support;
mod tag_lists;
mod unreferenced;

use std::fs;
use std::sync::Arc;

use stocktake_content_registry::Integrity;
use stocktake_domain::contract::{Abandon, ContentFixture};
use stocktake_domain::{Model, Timestamp};
use stocktake_testbed::Registry;

use support::{Store, content, directory, http, registry};

/// Runs a case to its end.
fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(case);
}

/// A registry with three repositories, as `open` reads it.
fn fixture(open: impl FnOnce(&Registry) -> Store) -> ContentFixture {
    let registry = Arc::new(registry());
    let present = ["group/b", "group/a", "z"].map(str::to_owned).to_vec();
    let images = (1..)
        .zip(&present)
        .map(|(seed, name)| registry.push_image(name, "latest", false, &[&content(10_000, seed)]).unwrap());
    let last = images.last().unwrap();
    let (store, absent) = (open(&registry), "group/none".to_owned());
    let (model, kept) = (Model::ContainerRepositories, Arc::clone(&registry));
    // The last one loses its tag.
    let abandon = move || {
        fs::remove_dir_all(registry.repository("z").join("_manifests/tags/latest")).unwrap();
        let blobs = last.layers.iter().chain([&last.config]).map(|digest| unreferenced::blob(digest));
        blobs.chain([format!("z@{}", last.manifest)]).collect()
    };
    let abandon: Option<Abandon> =
        store.unreferenced(Timestamp::from_millis(0)).map(|_| Box::new(abandon) as _);
    ContentFixture { store, model, present, absent, abandon, keep: Box::new(kept) }
}

mod over_http {
    use super::*;

    async fn repositories() -> ContentFixture {
        fixture(|registry| http(&registry.url()))
    }

    stocktake_domain::content_contract!(crate::run, crate::over_http::repositories);
}

mod with_a_database {
    stocktake_domain::content_contract!(crate::run, crate::database::repositories);
}

mod in_its_directory {
    use super::*;

    async fn repositories() -> ContentFixture {
        fixture(|registry| directory(registry.folder(), Integrity::Content))
    }

    stocktake_domain::content_contract!(crate::run, crate::in_its_directory::repositories);
}
