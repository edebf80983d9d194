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
use std::time::Instant;

use stocktake_content::{HashPool, Secrets};
use stocktake_content_directory::{DirectorySettings, DirectoryStore};
use stocktake_domain::ports::{ContentStore, Inspection, InspectionSink};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, Observation};

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
    let readers = NonZeroUsize::new(argument("--readers", 32)).unwrap();
    let rounds = argument("--rounds", 3);
    let folder = tempfile::tempdir().unwrap();
    println!("{cores} hashing threads, {readers} readers, median of {rounds} rounds, page cache warm");
    for (name, files, size) in
        [("small", argument("--small", 2_000), 4 * 1024), ("large", argument("--large", 20), 1024 * 1024)]
    {
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

/// The number that follows this argument on the command line.
fn argument(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(default, |number| number.parse().unwrap())
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
    let store = Arc::new(DirectoryStore::new(settings, HashPool::new(cores, Secrets::default())));
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

/// The time that some work took, in seconds.
struct Cost {
    elapsed: f64,
    /// Of this process and its children. Unlike the elapsed time, it hardly depends on other load of the machine.
    processor: f64,
}

impl Cost {
    fn of(work: impl FnOnce()) -> Self {
        let (begin, processor) = (Instant::now(), processor_seconds());
        work();
        Self { elapsed: begin.elapsed().as_secs_f64(), processor: processor_seconds() - processor }
    }

    fn median(costs: &[Self]) -> Self {
        let median = |part: fn(&Self) -> f64| {
            let mut values: Vec<_> = costs.iter().map(part).collect();
            values.sort_unstable_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap()
        };
        Self { elapsed: median(|cost| cost.elapsed), processor: median(|cost| cost.processor) }
    }
}

/// The processor time that this process and its children have used; the kernel counts it in hundredths.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the program's name, fields 12 to 15 are the user and system time of the process and its children.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(4);
    fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
