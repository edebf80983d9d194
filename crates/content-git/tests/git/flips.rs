//! A byte that flips in any file that holds objects or refs is found.

use std::fs;
use std::path::Path;

use stocktake_domain::ContentError;
use stocktake_testbed::{GitFormat, GitRepository};

use crate::support::{Bench, PLAIN, Seen, files, overwrite};

/// The files of the repository that hold objects, refs, or help to find them.
fn guarded(repository: &GitRepository) -> Vec<String> {
    let mut found = files(repository.path());
    found.retain(|file| {
        let other = ["config", "description", "objects/info/packs", "info/refs"];
        !other.contains(&file.as_str()) && !file.starts_with("hooks/")
    });
    found
}

fn make(bench: &Bench, format: GitFormat) -> GitRepository {
    let repository = bench.fill("a.git", format);
    repository.git(&["repack", "-q", "--write-bitmap-index", "-a", "-d"]).unwrap();
    repository.git(&["commit-graph", "write", "--reachable", "--split"]).unwrap();
    repository.git(&["multi-pack-index", "write"]).unwrap();
    // No packed ref that another one of the same name hides: nothing depends on it.
    repository.git(&["pack-refs", "--all"]).unwrap();
    repository.import("loose", 2, 6).unwrap();
    repository.git(&["tag", "-a", "-m", "three", "v3", "main"]).unwrap();
    repository
}

/// Some places in a file: all of a small one, its ends and some between of a large one.
fn places(size: usize) -> Vec<usize> {
    let step = (size / 40).max(1);
    let mut places: Vec<_> = (0..size).step_by(step).chain(size.saturating_sub(8)..size).collect();
    places.dedup();
    places
}

/// What is told of a flip at this place: the file by its name, or of an object or a ref by theirs. `None` if
/// nothing was noticed.
async fn seen_after(bench: &Bench, file: &Path, place: usize, mask: u8) -> Seen {
    let before = fs::read(file).unwrap();
    let mut flipped = before.clone();
    flipped[place] ^= mask;
    overwrite(file, &flipped);
    let seen = bench.see("a.git").await;
    overwrite(file, &before);
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_each_file_of_a_repository() {
    let bench = Bench::new();
    let repository = make(&bench, PLAIN);
    let good = bench.see("a.git").await.unwrap().stored;
    let guarded = guarded(&repository);
    for kind in [".pack", ".idx", ".rev", ".bitmap", ".graph", "-chain", "multi-pack-index", "packed-refs"] {
        assert!(guarded.iter().any(|file| file.ends_with(kind)), "{kind} in {guarded:?}");
    }
    for name in &guarded {
        let file = repository.path().join(name);
        let size = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
        let is_object = name.starts_with("objects/");
        let few = if is_object { places(size).len().div_ceil(6) } else { 9 };
        for place in places(size).into_iter().step_by(few) {
            let seen = seen_after(&bench, &file, place, 0xff).await;
            match seen {
                Err(ContentError::Unreadable(reason)) if is_object => {
                    // A chain names graphs: that of another name is what is missing.
                    assert!(reason.starts_with(name) || name.ends_with("-chain"), "{name}: {reason}");
                }
                Err(ContentError::Unreadable(reason)) => assert!(!reason.contains("changed"), "{reason}"),
                Ok(seen) => {
                    assert!(!is_object, "{name} at {place} was taken for good");
                    assert_ne!(seen.stored, good, "{name} at {place}");
                }
                other => panic!("{name} at {place}: {other:?}"),
            }
        }
    }
    assert_eq!(bench.see("a.git").await.unwrap().stored, good);
}

/// Another letter that means the same to a lenient reader is found as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bit_in_refs() {
    let bench = Bench::new();
    let repository = make(&bench, GitFormat { sha256: true, reftable: false });
    let good = bench.see("a.git").await.unwrap().stored;
    for (name, places) in [
        ("HEAD", vec![0, 4, 12]),
        ("refs/heads/loose", vec![0, 1, 2, 3, 64]),
        ("packed-refs", vec![2, 19, 33, 70, 112]),
    ] {
        let file = repository.path().join(name);
        for place in places {
            for mask in [0x20, 0x01] {
                let seen = seen_after(&bench, &file, place, mask).await;
                assert_ne!(seen.map(|seen| seen.stored), Ok(good), "{name} at {place} with {mask}");
            }
        }
    }
}
