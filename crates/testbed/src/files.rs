//! Files with made-up content that is the same in every run.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

/// Files in one folder of [`write_numbered`].
const PER_FOLDER: usize = 1_000;

/// Bytes made and written at once; a multiple of 8.
const BLOCK: usize = 4_096;

/// Writes a file of `size` bytes, which follow from `seed` alone, making its folders, and returns the
/// content's SHA-256 in hexadecimal.
pub fn write_file(path: &Path, seed: u64, size: u64) -> anyhow::Result<String> {
    write(path, seed, size).with_context(|| format!("cannot write {}", path.display()))
}

/// Makes all that lies in the folder, and the folder, seem to have been changed at this time.
pub fn set_modified(folder: &Path, time: SystemTime) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            set_modified(&entry.path(), time)?;
        } else if kind.is_file() {
            File::open(entry.path())?.set_modified(time)?;
        }
    }
    Ok(File::open(folder)?.set_modified(time)?)
}

/// Writes `count` files of `size` bytes below `root`, the names in the order of the numbers, and returns
/// path and SHA-256 of each.
pub fn write_numbered(root: &Path, count: usize, size: u64) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::with_capacity(count);
    for (number, seed) in (0..count).zip(1_000_000..) {
        let path = format!("{:03}/{number:07}.bin", number / PER_FOLDER);
        let digest = write_file(&root.join(&path), seed, size)?;
        files.push((path, digest));
    }
    Ok(files)
}

fn write(path: &Path, seed: u64, size: u64) -> io::Result<String> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut hasher = Sha256::new();
    let mut file = fs::File::create(path)?;
    let mut words = Words(seed);
    let mut block = Vec::with_capacity(BLOCK);
    let mut left = size;
    while left > 0 {
        block.clear();
        while block.len() < BLOCK {
            block.extend_from_slice(&words.next_word().to_le_bytes());
        }
        block.truncate(usize::try_from(left).unwrap_or(BLOCK));
        hasher.update(&block);
        file.write_all(&block)?;
        left = left.saturating_sub(u64::try_from(block.len()).unwrap_or(left));
    }
    Ok(hex::encode(hasher.finalize()))
}

/// `SplitMix64`: looks random, and is the same on every machine.
struct Words(u64);

impl Words {
    fn next_word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_digests_are_those_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for size in [0, 1, 7, 8, 9, 100_000] {
            let path = folder.path().join("deep/file");
            let digest = write_file(&path, 7, size).unwrap();
            let content = fs::read(&path).unwrap();
            assert_eq!(u64::try_from(content.len()).unwrap(), size);
            assert_eq!(digest, hex::encode(Sha256::digest(&content)));
        }
    }

    #[test]
    fn content_follows_from_the_seed() {
        let folder = tempfile::tempdir().unwrap();
        let digest = |seed| write_file(&folder.path().join("file"), seed, 64).unwrap();
        assert_eq!(digest(1), digest(1));
        assert_ne!(digest(1), digest(2));
    }

    #[test]
    fn numbered_files_differ() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = write_numbered(folder.path(), 1_001, 16).unwrap();
        assert!(files.is_sorted());
        assert!(folder.path().join("001/0001000.bin").is_file());
        files.sort_by(|a, b| a.1.cmp(&b.1));
        files.dedup_by(|a, b| a.1 == b.1);
        assert_eq!(files.len(), 1_001);
    }
}
