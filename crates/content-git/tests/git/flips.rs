//! A changed byte is found in any file that contains objects or refs.

use std::fs;
use std::path::Path;

use stocktake_domain::ContentError;
use stocktake_testbed::{GitFormat, GitRepository};

use crate::support::{Fixture, PLAIN, Seen, files, overwrite};

/// The files of the repository that contain objects, refs, or indexes of them.
fn guarded(repository: &GitRepository) -> Vec<String> {
    let mut found = files(repository.path());
    found.retain(|file| {
        let other = ["config", "description", "objects/info/packs", "info/refs"];
        !other.contains(&file.as_str()) && !file.starts_with("hooks/")
    });
    found
}

fn make(fixture: &Fixture, format: GitFormat) -> GitRepository {
    let repository = fixture.fill("a.git", format);
    repository.git(&["repack", "-q", "--write-bitmap-index", "-a", "-d"]).unwrap();
    repository.git(&["commit-graph", "write", "--reachable", "--split"]).unwrap();
    repository.git(&["multi-pack-index", "write"]).unwrap();
    // Without packed refs that are overridden by a file: nothing depends on them.
    repository.git(&["pack-refs", "--all"]).unwrap();
    repository.import("loose", 2, 6).unwrap();
    repository.git(&["tag", "-a", "-m", "three", "v3", "main"]).unwrap();
    repository
}

/// Offsets in a file: all of a small one; both ends of a large one, and some between.
fn places(size: usize) -> Vec<usize> {
    let step = (size / 40).max(1);
    let mut places: Vec<_> = (0..size).step_by(step).chain(size.saturating_sub(8)..size).collect();
    places.dedup();
    places
}

/// What a change at this offset is reported as: the name of the file, or that of an object or a ref. `None` if it is
/// not noticed.
async fn seen_after(fixture: &Fixture, file: &Path, place: usize, mask: u8) -> Seen {
    let before = fs::read(file).unwrap();
    let mut flipped = before.clone();
    flipped[place] ^= mask;
    overwrite(file, &flipped);
    let seen = fixture.see("a.git").await;
    overwrite(file, &before);
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_each_file_of_a_repository() {
    let fixture = Fixture::new();
    let repository = make(&fixture, PLAIN);
    let good = fixture.see("a.git").await.unwrap().stored;
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
            let seen = seen_after(&fixture, &file, place, 0xff).await;
            match seen {
                Err(ContentError::Unreadable(reason)) if is_object => {
                    // A chain lists graphs: the one that is missing has another name.
                    assert!(reason.starts_with(name) || name.ends_with("-chain"), "{name}: {reason}");
                }
                Err(ContentError::Unreadable(reason)) => assert!(!reason.contains("changed"), "{reason}"),
                Err(ContentError::MissingPart(_)) if !is_object => {}
                Ok(seen) => {
                    assert!(!is_object, "{name} at {place} was taken for good");
                    assert_ne!(seen.stored, good, "{name} at {place}");
                }
                other => panic!("{name} at {place}: {other:?}"),
            }
        }
    }
    assert_eq!(fixture.see("a.git").await.unwrap().stored, good);
}

/// Another letter that means the same to a lenient reader is found too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bit_in_refs() {
    let fixture = Fixture::new();
    let repository = make(&fixture, GitFormat { sha256: true, reftable: false });
    let good = fixture.see("a.git").await.unwrap().stored;
    for (name, places) in [
        ("HEAD", vec![0, 4, 12]),
        ("refs/heads/loose", vec![0, 1, 2, 3, 64]),
        ("packed-refs", vec![2, 19, 33, 70, 112]),
    ] {
        let file = repository.path().join(name);
        for place in places {
            for mask in [0x20, 0x01] {
                let before = fs::read(&file).unwrap();
                let seen = seen_after(&fixture, &file, place, mask).await;
                // Git reads ids in capital letters as well.
                let is_same = mask == 0x20 && matches!(before[place], b'a'..=b'f') && place != 2;
                if is_same && seen.as_ref().is_ok_and(|seen| seen.stored == good) {
                    continue;
                }
                assert_ne!(seen.map(|seen| seen.stored), Ok(good), "{name} at {place} with {mask}");
            }
        }
    }
}
