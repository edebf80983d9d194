//! Tests of what cannot be seen from outside: memory and the page cache.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use rustix::fs::Advice;
use stocktake_content::page_cache::{advise, is_cached};
use stocktake_content::{HashPlan, HashPool, Hasher, Secrets};
use stocktake_domain::{Algorithms, ContentError, Model, Observation};

use super::*;

const THREADS: usize = 2;
const READERS: usize = 5;
const SHA256: Algorithms = Algorithms { sha256: true, md5: false, sha1: false, gitaly: false };

#[derive(Default)]
struct Seen(Mutex<Vec<Observation>>);

impl InspectionSink for Seen {
    fn report(&self, _index: usize, seen: Result<Observation, ContentError>) {
        self.0.lock().unwrap().push(seen.unwrap());
    }
}

fn store(folder: &tempfile::TempDir) -> DirectoryStore {
    let settings = DirectorySettings {
        root: folder.path().to_owned(),
        readers: NonZeroUsize::new(READERS).unwrap(),
        bytes_per_second: None,
    };
    let hashes = HashPool::start(NonZeroUsize::new(THREADS).unwrap(), Secrets::default()).unwrap();
    DirectoryStore::new(settings, &ReaderPool::start(NonZeroUsize::new(READERS).unwrap(), hashes).unwrap())
}

async fn seen(store: &DirectoryStore, path: &str, times: usize) -> Vec<Observation> {
    let pieces = vec![Inspection::new(Model::Uploads, path, SHA256); times];
    let sink = Arc::new(Seen::default());
    store.inspect(pieces, Arc::default(), sink.clone()).await;
    std::mem::take(&mut *sink.0.lock().unwrap())
}

#[tokio::test]
async fn memory_is_bounded_whatever_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let size = 128 * 1024 * 1024;
    let file = File::create(folder.path().join("sparse")).unwrap();
    file.set_len(size).unwrap();
    // Not in the page cache, so that it is streamed through buffers.
    evict(&file);
    let store = store(&folder);
    let seen = seen(&store, "sparse", 8).await;
    assert!(seen.iter().all(|seen| seen.stored.size == Some(size)) && seen.len() == 8);
    let allocated = store.context.buffers.allocated();
    assert!((1..=READERS + 2 * THREADS).contains(&allocated), "{allocated} buffers");
}

/// Drops the file from the page cache, if the file system supports that.
fn evict(file: &File) {
    file.sync_all().unwrap();
    advise(file.as_fd(), 0, None, Advice::DontNeed);
}

#[tokio::test]
async fn reading_leaves_the_page_cache_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let content: Vec<u8> = (0..10_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let expected = [Hasher::observe(&content, &HashPlan::stored(SHA256))];
    let path = folder.path().join("file");
    std::fs::write(&path, &content).unwrap();
    let file = File::open(&path).unwrap();
    // So that reading one page does not bring in others.
    advise(file.as_fd(), 0, None, Advice::Random);
    let cached = || (1..40).map(|number| is_cached(file.as_fd(), number * 1_000_000)).collect::<Vec<_>>();
    let warm = cached();
    assert_eq!(warm, [true; 39]);
    assert_eq!(seen(&store, "file", 1).await, expected);
    assert_eq!(cached(), warm, "what was in the cache stays");
    evict(&file);
    let cold = cached();
    evict(&file);
    assert_eq!(seen(&store, "file", 1).await, expected);
    assert_eq!(cached(), cold, "what was not in the cache is not left there");
    // Partly: hashed from the cache first, and streamed from where that ends.
    evict(&file);
    file.read_exact_at(&mut vec![0; 5_000_001], 0).unwrap();
    assert_eq!(seen(&store, "file", 1).await, expected);
}

#[test]
fn a_store_can_be_dropped_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    File::create(folder.path().join("sparse")).unwrap().set_len(1 << 30).unwrap();
    let store = store(&folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let watch = Arc::new(Watch::default());
    runtime.block_on(async {
        let pieces = vec![Inspection::new(Model::Uploads, "sparse", Algorithms::default()); 9];
        let reading = store.inspect(pieces, watch.clone(), Arc::new(Seen::default()));
        let begun = async {
            while watch.bytes() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { () = reading => {}, () = begun => {} }
    });
    let shared = Arc::downgrade(&store.context);
    drop(store);
    // The readers end, and are the last to hold the shared state.
    while shared.strong_count() > 0 {
        std::thread::yield_now();
    }
}
