//! How fast it is seen that everything exists in one repository, and with how much memory, compared with git.
//!
//! `cargo bench -p stocktake-content-git --bench connectivity -- --repository PATH` takes a bare repository; without a path one is
//! made, of `--commits` commits; with `--objects N` one of about so many objects, most of them small, of which ten million take
//! 0.8 GB of disk space and seven minutes to be made. Quote ratios, from an idle machine. Connectivity is what a verification with
//! `integrity = "connected"` takes longer than one with `"objects"`, which reads every file as a whole; git's `rev-list`
//! does not do that. Each runs in a process of its own, once to warm the page cache and then `--rounds` times.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::fs;
use std::io::{BufWriter, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use stocktake_content::{HashPool, ReaderPool, Secrets};
use stocktake_content_git::{GitSettings, GitStore, Integrity};
use stocktake_domain::ports::{ContentStore as _, Inspection, InspectionSink};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, Observation};
use stocktake_testbed::{Cost, GitFormat, GitRepository, bench_argument, git_command};

/// The argument with which this program runs itself to verify one repository.
const VERIFY: &str = "--verify";

/// In a repository of many objects, the folders in a folder, and the files that each commit changes in one of these; of each
/// commit there are these, three trees and itself.
const FOLDERS: u64 = 100;
const FILES: u64 = 8;
const OBJECTS_PER_COMMIT: u64 = FILES + 4;

/// How often the memory of a process is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

struct Printer;

impl InspectionSink for Printer {
    fn report(&self, _index: usize, seen: Result<Observation, ContentError>) {
        if let Err(error) = seen {
            println!("{error}");
        }
    }
}

fn main() {
    let integrity = bench_argument(VERIFY, String::new());
    let repository = bench_argument("--repository", String::new());
    if !integrity.is_empty() {
        return verify(Path::new(&repository), &integrity);
    }
    let made = tempfile::tempdir().unwrap();
    let path = if repository.is_empty() {
        let path = made.path().join("made.git");
        let made = GitRepository::create(&path, GitFormat::default()).unwrap();
        match bench_argument("--objects", 0) {
            0 => {
                made.import("main", bench_argument("--commits", 40_000), 1).unwrap();
                made.git(&["repack", "-q", "-a", "-d"]).unwrap();
            }
            objects => import_many(&made, objects / OBJECTS_PER_COMMIT),
        }
        path
    } else {
        Path::new(&repository).canonicalize().unwrap()
    };
    let ours = |integrity: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([VERIFY, integrity, "--repository"]).arg(&path);
        command.args(["--memory", &bench_argument("--memory", GitSettings::MEMORY).to_string()]);
        command
    };
    let mut theirs = git_command();
    theirs.arg("--git-dir").arg(&path);
    theirs.args(["rev-list", "--objects", "--all", "--missing=allow-any"]).stdout(Stdio::null());
    let rounds = bench_argument("--rounds", 3);
    let (files, _) = measure(&mut ours("objects"), rounds);
    let (connected, our_peak) = measure(&mut ours("connected"), rounds);
    let (rev_list, their_peak) = measure(&mut theirs, rounds);
    let (elapsed, processor) = (connected.elapsed - files.elapsed, connected.processor - files.processor);
    println!("{}, median of {rounds} rounds", path.display());
    println!("files: {:.2} s, {:.2} s of processor", files.elapsed, files.processor);
    println!("connectivity besides: {elapsed:.2} s, {processor:.2} s of processor; {our_peak} KiB at most");
    println!(
        "git rev-list --objects --all: {:.2} s, {:.2} s of processor; {their_peak} KiB at most",
        rev_list.elapsed, rev_list.processor
    );
    println!(
        "ratio: {:.2} by the clock, {:.2} by processor time; {:.2} of the memory",
        rev_list.elapsed / elapsed,
        rev_list.processor / processor,
        f64::from(our_peak) / f64::from(their_peak)
    );
}

/// Makes many small objects, in one pack as git writes it.
fn import_many(repository: &GitRepository, commits: u64) {
    let mut command = repository.command();
    command.args(["-c", "pack.compression=1", "fast-import", "--quiet"]).stdin(Stdio::piped());
    let mut git = command.spawn().unwrap();
    let mut stream = BufWriter::new(git.stdin.take().unwrap());
    for commit in 0..commits {
        let (outer, inner) = (commit % FOLDERS, commit / FOLDERS % FOLDERS);
        let time = 1_000_000_000 + commit;
        write!(stream, "commit refs/heads/main\ncommitter A <a@example.com> {time} +0000\ndata 0\n").unwrap();
        for file in 0..FILES {
            let content = format!("{file} of {commit}");
            let path = format!("{outer}/{inner}/{file}");
            write!(stream, "M 100644 inline {path}\ndata {}\n{content}\n", content.len()).unwrap();
        }
    }
    stream.flush().unwrap();
    drop(stream);
    assert!(git.wait().unwrap().success());
}

/// What the command costs, and the peak of its memory in KiB.
fn measure(command: &mut Command, rounds: usize) -> (Cost, u32) {
    let (mut costs, mut peak) = (Vec::new(), 0);
    for round in 0..=rounds {
        let cost = Cost::of(|| {
            let mut child = command.spawn().unwrap();
            let status = format!("/proc/{}/status", child.id());
            while child.try_wait().unwrap().is_none() {
                let text = fs::read_to_string(&status).unwrap_or_default();
                let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                peak = peak.max(line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap()));
                thread::sleep(INTERVAL);
            }
            assert!(child.wait().unwrap().success());
        });
        if round > 0 {
            costs.push(cost);
        }
    }
    (Cost::median(&costs), peak)
}

/// Verifies one repository, and says what is wrong with it.
fn verify(path: &Path, integrity: &str) {
    let settings = GitSettings {
        root: path.parent().unwrap().to_owned(),
        readers: NonZeroUsize::MIN,
        bytes_per_second: None,
        integrity: if integrity == "connected" { Integrity::Connected } else { Integrity::Objects },
        deep_every: GitSettings::DEEP_EVERY,
        memory: bench_argument("--memory", GitSettings::MEMORY),
    };
    let hashes = HashPool::start(thread::available_parallelism().unwrap(), Secrets::default()).unwrap();
    let store = GitStore::new(settings, &ReaderPool::start(NonZeroUsize::MIN, hashes).unwrap());
    let algorithms = Algorithms::default().with(Algorithm::Sha256);
    let name = path.file_name().unwrap().to_str().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let piece = Inspection::new(Model::Projects, name, algorithms);
    runtime.block_on(store.inspect(vec![piece], Arc::default(), Arc::new(Printer)));
}
