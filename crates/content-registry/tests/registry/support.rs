//! Stores on a registry.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use sha2::Digest as _;
use stocktake_content::{HashPool, ReaderPool, Secrets};
use stocktake_content_registry::{
    Integrity, RegistryDirectorySettings, RegistryLayoutSettings, RegistrySettings, RegistryStore,
};
use stocktake_domain::contract::Recorder;
use stocktake_domain::ports::{ContentStore, Inspection, ListError, Watch};
use stocktake_domain::{Algorithms, ContentError, Model, NotJudged, Observation};
use stocktake_testbed::{Registry, RegistrySetup};

pub(crate) const SHA256: Algorithms = Algorithms { sha256: true, md5: false, sha1: false, gitaly: false };

pub(crate) type Seen = Result<Observation, ContentError>;
pub(crate) type Store = Arc<dyn ContentStore>;

/// A registry that asks nobody who they are.
pub(crate) fn registry() -> Registry {
    Registry::start(&RegistrySetup::default()).unwrap()
}

pub(crate) fn pool() -> Arc<HashPool> {
    HashPool::start(NonZeroUsize::new(2).unwrap(), Secrets::default()).unwrap()
}

pub(crate) fn readers() -> Arc<ReaderPool> {
    ReaderPool::start(NonZeroUsize::new(8).unwrap(), pool()).unwrap()
}

pub(crate) fn settings(url: &str) -> RegistrySettings {
    RegistrySettings {
        url: url.to_owned(),
        credentials: None,
        ca_certificates: None,
        integrity: Integrity::Content,
        requests: NonZeroUsize::new(4).unwrap(),
        bytes_per_second: None,
    }
}

pub(crate) fn http(url: &str) -> Store {
    open(settings(url))
}

pub(crate) fn open(settings: RegistrySettings) -> Store {
    Arc::new(RegistryStore::new(settings, pool()).unwrap())
}

pub(crate) fn directory(root: &Path, integrity: Integrity) -> Store {
    let settings = RegistryDirectorySettings {
        root: root.to_owned(),
        readers: NonZeroUsize::new(4).unwrap(),
        layout: RegistryLayoutSettings { bytes_per_second: None, integrity, database_url: None },
    };
    Arc::new(RegistryStore::of_directory(settings, &readers()).unwrap())
}

/// Both kinds of store on this registry.
pub(crate) fn both(registry: &Registry, integrity: Integrity) -> [(&'static str, Store); 2] {
    let over_http = RegistrySettings { integrity, ..settings(&registry.url()) };
    [("http", open(over_http)), ("directory", directory(registry.folder(), integrity))]
}

pub(crate) fn piece(path: &str, algorithms: Algorithms) -> Inspection {
    Inspection::new(Model::ContainerRepositories, path, algorithms)
}

pub(crate) async fn inspect_all(store: &Store, paths: &[&str]) -> Vec<Seen> {
    let pieces: Vec<_> = paths.iter().map(|path| piece(path, SHA256)).collect();
    let kept = Recorder::new(pieces.len());
    store.inspect(pieces, Arc::new(Watch::default()), kept.clone()).await;
    kept.all()
}

pub(crate) async fn inspect(store: &Store, path: &str) -> Seen {
    inspect_all(store, &[path]).await.remove(0)
}

/// The checksum of these tags.
pub(crate) fn checksum(tags: &[(&str, &str)]) -> String {
    let mut sorted = tags.to_vec();
    sorted.sort_unstable();
    let text: String = sorted.iter().flat_map(|(name, digest)| [*name, *digest]).collect();
    hex::encode(sha2::Sha256::digest(text))
}

/// The checksum that was seen.
pub(crate) fn shown(seen: &Seen) -> String {
    hex::encode(seen.as_ref().unwrap().stored.digests.sha256.unwrap())
}

/// Why it is not good: altered if other bytes were read than were stored, else unreadable.
pub(crate) fn reason(seen: Seen) -> String {
    let says_altered = |reason: &str| {
        reason.contains(": content has ")
            || (reason.contains(": has ") && reason.contains(" bytes instead of "))
            || reason.contains(": is larger than ") && reason.ends_with(" bytes")
    };
    match seen {
        Err(ContentError::Altered(reason)) if says_altered(&reason) => reason,
        Err(ContentError::Unreadable(reason)) if !says_altered(&reason) => reason,
        other => panic!("not the right kind: {other:?}"),
    }
}

/// Why nothing can be said of it, since the registry as a whole cannot be read.
pub(crate) fn not_judged(seen: Seen) -> String {
    match seen {
        Err(ContentError::NotJudged(NotJudged::Storage(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

/// The names in the listing, or why it broke.
pub(crate) async fn list(store: &Store) -> Vec<Result<String, ListError>> {
    store.list().map(|found| found.map(|found| found.path)).collect().await
}

/// Bytes that differ from place to place.
pub(crate) fn content(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..size).map(|_| next()).collect()
}
