//! Objects in a pack that was written wrong, with a right checksum over it.

use std::fs;
use std::num::NonZeroUsize;

use sha1::{Digest as _, Sha1};
use stocktake_domain::ports::Inspection;
use stocktake_testbed::GitRepository;

use crate::support::{Fixture, PLAIN, Seen, files, inspect, overwrite, piece, unreadable};

/// Replaces a byte of the compressed content of a blob that is not deflated, and makes all checksums right again.
fn write_wrong(repository: &GitRepository) {
    let folder = repository.path().join("objects/pack");
    let found = files(&folder);
    let pack = folder.join(found.iter().find(|file| file.split('.').nth(1) == Some("pack")).unwrap());
    let mut bytes = fs::read(&pack).unwrap();
    let text = b"1-0-0.txt";
    // The last one: names in trees come before the contents of blobs.
    let at = bytes.windows(text.len()).rposition(|window| window == text).unwrap();
    bytes[at] ^= 1;
    // The checksum at the end of the deflated content.
    let begin = bytes[..at].windows(2).rposition(|two| two == [0x78, 0x01]).unwrap();
    let mut stream = flate2::Decompress::new(false);
    let mut content = vec![0; 1_000];
    stream.decompress(&bytes[begin + 2..], &mut content, flate2::FlushDecompress::Finish).unwrap();
    content.truncate(usize::try_from(stream.total_out()).unwrap());
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in content {
        low = (low + u32::from(byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    let end = begin + 2 + usize::try_from(stream.total_in()).unwrap();
    bytes[end..end + 4].copy_from_slice(&((high << 16) | low).to_be_bytes());
    let end = bytes.len() - 20;
    let sum = Sha1::digest(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum);
    overwrite(&pack, &bytes);
    for kind in ["idx", "rev"] {
        let file = pack.with_extension(kind);
        let mut bytes = fs::read(&file).unwrap();
        let end = bytes.len() - 20;
        bytes[end - 20..end].copy_from_slice(&sum);
        let sum = Sha1::digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&sum);
        overwrite(&file, &bytes);
    }
}

async fn see(fixture: &Fixture, attempt: Option<u64>) -> Seen {
    inspect(&fixture.store, vec![Inspection { attempt, ..piece("a.git") }]).await.remove(0)
}

#[tokio::test]
async fn every_few_verifications_each_object_is_compared_with_its_id() {
    let fixture = Fixture::with(|settings| settings.deep_every = NonZeroUsize::new(3).unwrap());
    let repository = fixture.create("a.git", PLAIN);
    repository.import("main", 30, 1).unwrap();
    repository.git(&["-c", "pack.compression=0", "repack", "-q", "-a", "-d", "-F"]).unwrap();
    see(&fixture, None).await.unwrap();
    write_wrong(&repository);
    let fsck = repository.command().args(["fsck", "--full"]).output().unwrap();
    assert!(!fsck.status.success());
    for attempt in [1, 2, 4] {
        see(&fixture, Some(attempt)).await.unwrap();
    }
    for attempt in [Some(3), Some(6), None] {
        let reason = unreadable(see(&fixture, attempt).await);
        assert!(reason.ends_with(": its content is not what its id says"), "{reason}");
        assert!(reason.starts_with("objects/pack/pack-") && reason.contains(".pack: the object at offset "));
    }
}

/// Deltas, large files and tags are inflated as git does.
#[tokio::test]
async fn everything_that_git_packs_is_what_its_id_says() {
    for sha256 in [false, true] {
        let fixture = Fixture::new();
        let repository = fixture.create("a.git", stocktake_testbed::GitFormat { sha256, reftable: false });
        repository.import("main", 300, 1).unwrap();
        repository.git(&["tag", "-a", "-m", "one", "v1", "main"]).unwrap();
        let noise: Vec<u8> =
            (0..2_500_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_769).to_le_bytes()).collect();
        let file = fixture.outer.path().join("noise");
        for change in 0..3_usize {
            let mut noise = noise.clone();
            noise[change * 1_000] ^= 1;
            fs::write(&file, noise).unwrap();
            let blob = repository.git(&["hash-object", "-w", file.to_str().unwrap()]).unwrap();
            repository.git(&["update-ref", &format!("refs/x/{change}"), blob.trim()]).unwrap();
        }
        repository.git(&["repack", "-q", "-a", "-d", "-F", "--depth=50"]).unwrap();
        let verified = repository.git(&["count-objects", "-v"]).unwrap();
        assert!(verified.contains("count: 0"), "{verified}");
        see(&fixture, None).await.unwrap();
    }
}
