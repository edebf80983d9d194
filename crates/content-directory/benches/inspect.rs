//! How fast a folder is read and hashed, compared with the best public command on the same files in the same run:
//! `find … | xargs -P2 -n1000 openssl dgst -r -sha256`.
//!
//! Small by default, so that it can run anywhere; `cargo bench -p stocktake-content-directory --bench inspect --
//! --small 200000 --large 2000` gives the figures to quote. Quote ratios, from an idle machine.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use stocktake_content::{HashPool, ReaderPool, Secrets};
use stocktake_content_directory::{DirectorySettings, DirectoryStore};
use stocktake_domain::ports::{ContentStore, Inspection, InspectionSink};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, Observation};
use stocktake_testbed::{Cost, bench_argument};

/// Files in one call, and concurrent calls: about what a worker does.
const CLAIM: usize = 10_000;
const CALLS_AT_ONCE: usize = 2;

#[derive(Default)]
struct Counter {
    observed: AtomicU64,
}

impl InspectionSink for Counter {
    fn report(&self, _index: usize, seen: Result<Observation, ContentError>) {
        assert!(seen.unwrap().stored.digests.sha256.is_some());
        self.observed.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() {
    let cores = thread::available_parallelism().unwrap();
    let readers = NonZeroUsize::new(bench_argument("--readers", 32)).unwrap();
    let rounds = bench_argument("--rounds", 3);
    let folder = tempfile::tempdir().unwrap();
    println!("{cores} hashing threads, {readers} readers, median of {rounds} rounds, page cache warm");
    for (name, files, size) in [
        ("small", bench_argument("--small", 2_000), 4 * 1024),
        ("large", bench_argument("--large", 20), 1024 * 1024),
    ] {
        let root = folder.path().join(name);
        let paths = make_files(&root, files, size);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            theirs.push(Cost::of(|| openssl(&root, cores)));
            ours.push(Cost::of(|| inspect(&root, &paths, cores, readers)));
        }
        let (ours, theirs) = (Cost::median(&ours), Cost::median(&theirs));
        for (who, cost) in [("stocktake", &ours), ("openssl", &theirs)] {
            let files_per_second = files as f64 / cost.elapsed;
            let megabytes_per_second = files_per_second * size as f64 / 1e6;
            println!(
                "{files} x {size} B, {who}: {files_per_second:.0} files/s, {megabytes_per_second:.0} MB/s, \
                 {:.2} s of processor",
                cost.processor
            );
        }
        println!(
            "{files} x {size} B, ratio: {:.2} by the clock, {:.2} by processor time",
            theirs.elapsed / ours.elapsed,
            theirs.processor / ours.processor
        );
    }
}

fn make_files(root: &Path, files: usize, size: usize) -> Vec<String> {
    let mut content = vec![0; size];
    (0..files)
        .map(|number| {
            let folder = format!("{:03}", number / 1000);
            if number % 1000 == 0 {
                fs::create_dir_all(root.join(&folder)).unwrap();
            }
            let path = format!("{folder}/{number:08}");
            for (byte, value) in content.iter_mut().zip(number.to_le_bytes()) {
                *byte = value;
            }
            fs::write(root.join(&path), &content).unwrap();
            path
        })
        .collect()
}

fn openssl(root: &Path, cores: NonZeroUsize) {
    let command = format!("find . -type f -print0 | xargs -0 -P{cores} -n1000 openssl dgst -r -sha256");
    let status = Command::new("sh").arg("-c").arg(command).current_dir(root).stdout(Stdio::null()).status();
    assert!(status.unwrap().success());
}

fn inspect(root: &Path, paths: &[String], cores: NonZeroUsize, readers: NonZeroUsize) {
    let settings = DirectorySettings { root: root.to_owned(), readers, bytes_per_second: None };
    let hashes = HashPool::start(cores, Secrets::default()).unwrap();
    let store = Arc::new(DirectoryStore::new(settings, &ReaderPool::start(readers, hashes).unwrap()));
    let algorithms = Algorithms::default().with(Algorithm::Sha256);
    let counter = Arc::new(Counter::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut calls = tokio::task::JoinSet::new();
        for claim in paths.chunks(CLAIM) {
            if calls.len() == CALLS_AT_ONCE {
                calls.join_next().await.unwrap().unwrap();
            }
            let pieces = claim.iter().map(|path| Inspection::new(Model::Uploads, path, algorithms)).collect();
            let (store, sink) = (Arc::clone(&store), Arc::clone(&counter));
            calls.spawn(async move { store.inspect(pieces, Arc::default(), sink).await });
        }
        calls.join_all().await;
    });
    assert_eq!(counter.observed.load(Ordering::Relaxed), paths.len() as u64);
}
