//! How fast git repositories are verified, compared with git itself on the same repositories in the same run: refs
//! alone with `git show-ref`, refs and objects with `git fsck --full` and `git verify-pack`, each run once per
//! repository by `xargs` with a process for each core.
//!
//! `cargo bench -p stocktake-content-git --bench repositories -- --count 1000` gives the figures to
//! quote. Quote ratios, from an idle machine. Git does not do the same: `fsck` checks the content of every object,
//! which is more than comparing each file with its checksum, and `verify-pack` reads no loose object and no ref.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::as_conversions, reason = "a measurement")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use stocktake_content::{HashPool, ReaderPool, Secrets};
use stocktake_content_git::{GitSettings, GitStore, Integrity};
use stocktake_domain::ports::{ContentStore as _, Inspection, InspectionSink};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, Observation};
use stocktake_testbed::{Cost, GitFormat, GitRepository, bench_argument};

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
    let readers = NonZeroUsize::new(bench_argument("--readers", 8)).unwrap();
    let (count, rounds) = (bench_argument("--count", 200), bench_argument("--rounds", 3));
    let folder = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let paths = make(folder.path(), count);
    println!(
        "{count} repositories made in {:.0} s; {cores} hashing threads, {readers} readers, median of {rounds} \
         rounds, page cache warm",
        begin.elapsed().as_secs_f64()
    );
    let measure = |name: &str, integrity: Integrity, theirs: &[(&str, &str)]| {
        let costs: Vec<_> = (0..rounds)
            .map(|_| Cost::of(|| verify(folder.path(), &paths, cores, readers, integrity)))
            .collect();
        let ours = Cost::median(&costs);
        println!("{name}, stocktake: {:.2} s, {:.2} s of processor", ours.elapsed, ours.processor);
        for (command, script) in theirs {
            let costs: Vec<_> =
                (0..rounds).map(|_| Cost::of(|| each(folder.path(), &paths, cores, script))).collect();
            let theirs = Cost::median(&costs);
            println!(
                "{name}, {command}: {:.2} s, {:.2} s of processor; ratio {:.1} by the clock, {:.1} by processor time",
                theirs.elapsed,
                theirs.processor,
                theirs.elapsed / ours.elapsed,
                theirs.processor / ours.processor
            );
        }
    };
    measure("refs", Integrity::Refs, &[("git show-ref", "git --git-dir=\"$0\" show-ref --head")]);
    measure(
        "objects",
        Integrity::Objects,
        &[
            ("git fsck --full", "git --git-dir=\"$0\" fsck --full --no-progress"),
            (
                "git verify-pack",
                "set -- \"$0\"/objects/pack/*.idx; test ! -e \"$1\" || git --git-dir=\"$0\" verify-pack \"$@\"",
            ),
        ],
    );
    measure("connected", Integrity::Connected, &[("git rev-list --objects", REV_LIST)]);
}

/// What git looks at to see that everything exists. It reads no file as a whole.
const REV_LIST: &str = "git --git-dir=\"$0\" rev-list --objects --all --missing=allow-any";

/// Makes repositories like those of an instance: many small ones with loose objects, some packed ones, a few
/// large ones.
fn make(root: &Path, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| {
            let path = format!("@hashed/{:02x}/{number:06}.git", number % 256);
            let repository = GitRepository::create(&root.join(&path), GitFormat::default()).unwrap();
            let commits = match number % 100 {
                0 => 4_000,
                1..=9 => 400,
                10..=49 => 40,
                _ => 4,
            };
            repository.import("main", commits, number as u64).unwrap();
            if commits >= 400 {
                let id = repository.git(&["rev-parse", "main"]).unwrap().trim().to_owned();
                // Written directly: git would create and remove a file for each.
                let mut refs: Vec<_> =
                    (0..commits).map(|number| format!("{id} refs/merge-requests/{number}/head\n")).collect();
                refs.sort_unstable();
                let header = "# pack-refs with: peeled fully-peeled sorted \n";
                fs::write(repository.path().join("packed-refs"), [header, &refs.concat()].concat()).unwrap();
                repository.import("later", 4, number as u64 + 1_000_000).unwrap();
            }
            path
        })
        .collect()
}

fn each(root: &Path, paths: &[String], cores: NonZeroUsize, script: &str) {
    let list = root.join("list");
    fs::write(&list, paths.join("\n")).unwrap();
    let status = Command::new("xargs")
        .args([
            "-a",
            "list",
            &format!("-P{cores}"),
            "-I{}",
            "sh",
            "-c",
            &format!("{script} >/dev/null"),
            "{}",
        ])
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .current_dir(root)
        .status();
    assert!(status.unwrap().success());
}

fn verify(root: &Path, paths: &[String], cores: NonZeroUsize, readers: NonZeroUsize, integrity: Integrity) {
    let (deep_every, memory) = (GitSettings::DEEP_EVERY, GitSettings::MEMORY);
    let settings =
        GitSettings { root: root.to_owned(), readers, bytes_per_second: None, integrity, deep_every, memory };
    let hashes = HashPool::start(cores, Secrets::default()).unwrap();
    let store = GitStore::new(settings, &ReaderPool::start(readers, hashes).unwrap());
    let algorithms = Algorithms::default().with(Algorithm::Sha256);
    let counter = Arc::new(Counter::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let pieces = paths.iter().map(|path| Inspection::new(Model::Projects, path, algorithms)).collect();
    runtime.block_on(store.inspect(pieces, Arc::default(), counter.clone()));
    assert_eq!(counter.observed.load(Ordering::Relaxed), paths.len() as u64);
}
