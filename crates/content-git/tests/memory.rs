//! Memory does not grow with the size of a repository, and a large one gets the result that git gives. In a process
//! of its own, because its memory is measured.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use stocktake_content::{HashPool, ReaderPool, Secrets};
use stocktake_content_git::{GitSettings, GitStore, Integrity};
use stocktake_domain::ports::{ContentStore as _, Inspection, InspectionSink};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, Observation};
use stocktake_testbed::{GitFormat, GitRepository};

const MIB: u64 = 1024 * 1024;

/// Commits in the pack, and the files that each adds, in a folder of its own: 103 objects for each.
const COMMITS: usize = 1_000;
const FILES: usize = 100;

/// Large files in the pack, and the bytes of each, so that the pack is far larger than the memory that may be used.
const LARGE_FILES: u64 = 2;
const LARGE_BYTES: u64 = 24 * MIB;

const LOOSE: usize = 2_000;
const PACKED_REFS: usize = 4_000;
const LOOSE_REFS: usize = 1_000;

type Seen = Result<Observation, ContentError>;

#[derive(Default)]
struct Recorder(Mutex<Option<Seen>>);

impl InspectionSink for Recorder {
    fn report(&self, _index: usize, seen: Seen) {
        assert!(self.0.lock().unwrap().replace(seen).is_none());
    }
}

/// The peak memory of this process, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Imports what `write` writes with git.
fn import(repository: &GitRepository, settings: &[&str], write: impl FnOnce(&mut dyn Write)) {
    let mut command = repository.command();
    command.args(settings.iter().flat_map(|setting| ["-c", setting])).args(["fast-import", "--quiet"]);
    let mut git = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stream = BufWriter::new(git.stdin.take().unwrap());
    write(&mut stream);
    stream.flush().unwrap();
    drop(stream);
    assert!(git.wait().unwrap().success());
}

fn write_commit(stream: &mut dyn Write, branch: &str, number: usize) {
    writeln!(
        stream,
        "commit refs/heads/{branch}\ncommitter A <a@example.com> {} +0000",
        1_700_000_000 + number
    )
    .unwrap();
    writeln!(stream, "data 0").unwrap();
}

/// Bytes that do not repeat.
fn write_noise(stream: &mut dyn Write, seed: u64, bytes: u64) {
    let mut state = seed;
    for _ in 0..bytes / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        stream.write_all(&state.to_le_bytes()).unwrap();
    }
}

/// A pack with more than 100,000 objects, some thousand loose ones and some thousand refs of both kinds.
fn fill(repository: &GitRepository) {
    // Not compressed: faster, and as large as possible.
    import(repository, &["pack.compression=0", "core.bigFileThreshold=1m"], |stream| {
        for commit in 0..COMMITS {
            write_commit(stream, "main", commit);
            for file in 0..FILES {
                let content = format!("file {file} of commit {commit}");
                writeln!(stream, "M 100644 inline {commit}/{file}\ndata {}\n{content}", content.len())
                    .unwrap();
            }
        }
        write_commit(stream, "large", COMMITS);
        for file in 1..=LARGE_FILES {
            writeln!(stream, "M 100644 inline large/{file}\ndata {LARGE_BYTES}").unwrap();
            write_noise(stream, file, LARGE_BYTES);
            writeln!(stream).unwrap();
        }
    });
    import(repository, &["fastimport.unpackLimit=100000"], |stream| {
        write_commit(stream, "loose", 0);
        for file in 0..LOOSE {
            let content = format!("loose file {file}");
            writeln!(stream, "M 100644 inline {file}\ndata {}\n{content}", content.len()).unwrap();
        }
    });
    let commits = repository.git(&["rev-list", "main"]).unwrap();
    let ids = || commits.lines().cycle().map(str::to_owned);
    // Written directly: git would create and remove a file for each.
    let mut names: Vec<_> =
        (0..PACKED_REFS).map(|number| format!("refs/merge-requests/{number}/head")).collect();
    names.sort_unstable();
    let lines: Vec<_> = ids().zip(names).map(|(id, name)| format!("{id} {name}\n")).collect();
    let header = "# pack-refs with: peeled fully-peeled sorted \n";
    fs::write(repository.path().join("packed-refs"), [header, &lines.concat()].concat()).unwrap();
    let recorder = (0..LOOSE_REFS).zip(ids());
    repository.update_refs(recorder.map(|(number, id)| (format!("refs/keep-around/{number}"), id))).unwrap();
}

/// The only pack.
fn pack(repository: &GitRepository) -> PathBuf {
    let entries = fs::read_dir(repository.path().join("objects/pack")).unwrap();
    let packs: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
        .collect();
    assert_eq!(packs.len(), 1);
    packs[0].clone()
}

/// A figure of `git count-objects -v`.
fn counted(repository: &GitRepository, name: &str) -> usize {
    let counts = repository.git(&["count-objects", "-v"]).unwrap();
    let figure = counts.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
    figure.parse().unwrap()
}

fn git_finds_it_good(repository: &GitRepository, arguments: &[&str]) -> bool {
    repository.command().args(arguments).output().unwrap().status.success()
}

/// The SHA-256 of the refs that git shows.
fn checksum(repository: &GitRepository) -> [u8; 32] {
    let shown = repository.show_ref().unwrap();
    let mut lines: Vec<_> = shown.lines().collect();
    lines.sort_unstable_by_key(|line| line.split_once(' ').unwrap().1);
    let mut sha256 = Sha256::new();
    for line in lines {
        sha256.update(line);
        sha256.update("\n");
    }
    sha256.finalize().into()
}

async fn see_in(store: &GitStore, path: &str) -> Seen {
    let recorder = Arc::new(Recorder::default());
    let algorithms = Algorithms::default().with(Algorithm::Sha256);
    let pieces = vec![Inspection::new(Model::Projects, path, algorithms)];
    store.inspect(pieces, Arc::default(), recorder.clone()).await;
    recorder.0.lock().unwrap().take().unwrap()
}

/// Whether its ids are in memory or not.
async fn a_missing_blob_is_told(stores: &[&GitStore], repository: &GitRepository, folder: &Path) {
    let blob = repository.git(&["rev-parse", "loose:7"]).unwrap().trim().to_owned();
    let file = repository.path().join("objects").join(&blob[..2]).join(&blob[2..]);
    fs::rename(&file, folder.join("aside")).unwrap();
    let what = format!("refs/heads/loose: the blob {blob} is missing (7)");
    for store in stores {
        assert_eq!(see_in(store, "large.git").await, Err(ContentError::MissingPart(what.clone())));
    }
    fs::rename(folder.join("aside"), &file).unwrap();
}

async fn a_flipped_bit_is_told(store: &GitStore, repository: &GitRepository, pack: &Path) {
    let size = fs::metadata(pack).unwrap().len();
    let name = pack.file_name().unwrap().to_str().unwrap();
    let file = format!("objects/pack/{name}");
    fs::set_permissions(pack, fs::Permissions::from_mode(0o644)).unwrap();
    let open = fs::File::options().read(true).write(true).open(pack).unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, size / 2).unwrap();
    open.write_all_at(&[byte[0] ^ 0x10], size / 2).unwrap();
    assert!(!git_finds_it_good(repository, &["fsck", "--full", "--no-progress"]));
    assert!(!git_finds_it_good(repository, &["verify-pack", &file]));
    let reason = format!("{file}: its content is not what the checksum at its end says");
    assert_eq!(see_in(store, "large.git").await, Err(ContentError::Unreadable(reason)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_objects_need_no_more_memory_than_a_few() {
    let folder = tempfile::tempdir().unwrap();
    let create = |name: &str| GitRepository::create(&folder.path().join(name), GitFormat::default()).unwrap();
    let (small, large) = (create("small.git"), create("large.git"));
    small.import("main", 30, 1).unwrap();
    fill(&large);
    assert!(counted(&large, "in-pack") >= 100_000);
    assert!(counted(&large, "count") >= LOOSE);
    assert!(large.show_ref().unwrap().lines().count() > PACKED_REFS + LOOSE_REFS);
    let pack = pack(&large);
    let size = fs::metadata(&pack).unwrap().len();
    assert!(size > LARGE_FILES * LARGE_BYTES);

    let settings = |integrity, memory| GitSettings {
        root: folder.path().to_owned(),
        readers: NonZeroUsize::new(2).unwrap(),
        bytes_per_second: None,
        integrity,
        deep_every: GitSettings::DEEP_EVERY,
        memory,
    };
    let pool = HashPool::start(NonZeroUsize::new(2).unwrap(), Secrets::default()).unwrap();
    let readers = ReaderPool::start(NonZeroUsize::new(2).unwrap(), pool).unwrap();
    let store_with = |integrity, memory| GitStore::new(settings(integrity, memory), &readers);
    let store = store_with(Integrity::Objects, GitSettings::MEMORY);
    let connected = store_with(Integrity::Connected, GitSettings::MEMORY);
    // The pack is read in parts, and what its objects name is looked up in its index, some thousand at a time.
    let spilling = store_with(Integrity::Connected, 0);
    let see = async |path: &str| see_in(&store, path).await;
    assert_eq!(see("small.git").await.unwrap().stored.digests.sha256, Some(checksum(&small)));
    let expected = checksum(&large);
    let before = peak();
    let seen = see("large.git").await.unwrap();
    let after = peak();
    let grown = after.saturating_sub(before);
    assert_eq!(seen.stored.digests.sha256, Some(expected));
    assert!(seen.bytes_read > size, "{} of {size} bytes", seen.bytes_read);
    assert!(grown < 16 * MIB, "memory grew by {grown} bytes");
    assert!(after < 200 * MIB, "{after} bytes of memory");
    assert_eq!(see_in(&spilling, "large.git").await.unwrap().stored.digests.sha256, Some(expected));
    let grown = peak().saturating_sub(before);
    assert!(grown < 24 * MIB, "memory grew by {grown} bytes");
    // What the refs reach: the ids of all objects, and those that others build on, up to 48 MiB.
    assert_eq!(see_in(&connected, "large.git").await.unwrap().stored.digests.sha256, Some(expected));
    let grown = peak().saturating_sub(before);
    assert!(grown < 72 * MIB, "memory grew by {grown} bytes");
    assert!(git_finds_it_good(&large, &["fsck", "--full", "--no-progress"]));

    a_missing_blob_is_told(&[&connected, &spilling], &large, folder.path()).await;
    a_flipped_bit_is_told(&store, &large, &pack).await;
}
