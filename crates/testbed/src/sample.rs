//! A small installation to look at: several models, files of mixed sizes, and one of each kind of damage.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use crate::files::write_file;

/// Sizes of the files, in bytes, dealt out in turn.
const SIZES: [u64; 10] = [4_096, 137, 65_536, 1, 10_000, 300_000, 0, 16_384, 1_048_576, 2_500];

/// One larger file, so that there is something to watch.
const LARGE: u64 = 24 << 20;

/// `created_at` of the first record: 2025-02-05T11:00 and as many minutes as its number.
const DAY: &str = "2025-02-05";

/// What a checksum finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The content is what it was when it was stored; its SHA-256.
    Succeeded(String),
    /// It ends `failed` with this text.
    Failed(String),
}

/// One record and what becomes of it.
#[derive(Debug, Clone)]
pub struct SampleRecord {
    /// The model, for example `uploads`.
    pub model: &'static str,
    /// The identifier as in a path: an integer in decimal, a composite key in base64.
    pub identifier: String,
    /// The line for `stocktake import`.
    pub line: String,
    /// What a checksum finds.
    pub outcome: Outcome,
}

/// The installation.
#[derive(Debug)]
pub struct Sample {
    /// Name and root of each storage.
    pub storages: Vec<(&'static str, PathBuf)>,
    /// All records, by model and in the order of their keys.
    pub records: Vec<SampleRecord>,
}

impl Sample {
    /// The models that have records, in the order of [`Sample::records`].
    pub fn models(&self) -> Vec<&'static str> {
        let mut models: Vec<_> = self.records.iter().map(|record| record.model).collect();
        models.dedup();
        models
    }

    /// The records of one model.
    pub fn of(&self, model: &str) -> impl Iterator<Item = &SampleRecord> {
        self.records.iter().filter(move |record| record.model == model)
    }

    /// Writes the installation below `folder`, which must not hold one yet.
    pub fn write(folder: &Path) -> anyhow::Result<Self> {
        let main = Builder { root: folder.join("main"), storage: "main" };
        let artifacts = Builder { root: folder.join("artifacts"), storage: "artifacts" };
        let mut records = Vec::new();
        for number in 1..=80 {
            let key = Key::Composite(number, 100);
            let path = format!("{:02}/{number:04}/artifacts.zip", number % 7);
            records.push(artifacts.good("ci_job_artifacts", key, &path, size(number))?);
        }
        for number in 1..=70 {
            let path = format!("lfs-objects/{:02x}/{number:06x}", number % 16);
            let size = if number == 70 { LARGE } else { size(number) };
            records.push(main.good("lfs_objects", Key::Integer(number), &path, size)?);
        }
        for number in 1..=60 {
            let path = format!("packages/{:02}/package-{number}.tgz", number % 10);
            records.push(main.good("packages_package_files", Key::Integer(number), &path, size(number))?);
        }
        for number in 1..=116 {
            let path = format!("uploads/{:02}/file-{number:03}.bin", number % 12);
            records.push(main.good("uploads", Key::Integer(number), &path, size(number))?);
        }
        records.extend(main.damaged(folder)?);
        Ok(Self { storages: vec![(main.storage, main.root), (artifacts.storage, artifacts.root)], records })
    }
}

/// A primary key.
#[derive(Clone, Copy)]
enum Key {
    Integer(u64),
    Composite(u64, u64),
}

struct Builder {
    root: PathBuf,
    storage: &'static str,
}

impl Builder {
    /// A record of a file that is as it was.
    fn good(&self, model: &'static str, key: Key, path: &str, size: u64) -> anyhow::Result<SampleRecord> {
        let digest = write_file(&self.root.join(path), seed(model, key), size)?;
        let line = self.line(key, path, &digest, Some(size));
        Ok(SampleRecord { model, identifier: key.in_path(), line, outcome: Outcome::Succeeded(digest) })
    }

    /// Uploads 117 to 120: altered, missing, and two that leave the storage.
    fn damaged(&self, outside: &Path) -> anyhow::Result<[SampleRecord; 4]> {
        let altered = "uploads/damaged/altered.bin";
        let stored = write_file(&self.root.join(altered), 117, 5_000)?;
        let found = write_file(&self.root.join(altered), 118, 5_000)?;
        let missing = "uploads/damaged/missing.bin";
        let secret = write_file(&outside.join("outside.txt"), 119, 100)?;
        let link = "uploads/damaged/link.txt";
        symlink("../../../outside.txt", self.root.join(link))
            .with_context(|| format!("cannot link {link}"))?;
        fs::metadata(self.root.join(link)).context("the link leads nowhere")?;

        let up = "../outside.txt";

        let record = |number, path: &str, digest: &str, size, text: String| SampleRecord {
            model: "uploads",
            identifier: Key::Integer(number).in_path(),
            line: self.line(Key::Integer(number), path, digest, size),
            outcome: Outcome::Failed(format!("Error during verification: {text}")),
        };
        let mismatch = format!("Checksum mismatch: expected sha256 {stored}, calculated {found}");
        let gone = format!(
            "File is not checksummable - file does not exist at: {}",
            self.root.join(missing).display()
        );
        Ok([
            record(117, altered, &stored, Some(5_000), mismatch),
            record(118, missing, &secret, None, gone),
            record(
                119,
                link,
                &secret,
                Some(100),
                format!("the path leaves its storage through a link: {link}"),
            ),
            record(120, up, &secret, Some(100), format!("the path contains `..`: {up}")),
        ])
    }

    fn line(&self, key: Key, path: &str, digest: &str, size: Option<u64>) -> String {
        let identifier = match key {
            Key::Integer(number) => number.to_string(),
            Key::Composite(..) => format!("\"{}\"", key.in_path()),
        };
        let minute = key.first() % 60;
        let size = size.map(|size| format!(r#""file_size":{size},"#)).unwrap_or_default();
        let storage = self.storage;
        format!(
            r#"{{"record_identifier":{identifier},"created_at":"{DAY}T11:{minute:02}:10.173Z",{size}"storage":"{storage}","path":"{path}","expected_checksum":"sha256:{digest}"}}"#
        )
    }
}

impl Key {
    fn first(self) -> u64 {
        match self {
            Self::Integer(first) | Self::Composite(first, _) => first,
        }
    }

    fn in_path(self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Composite(first, second) => URL_SAFE.encode(format!("{first} {second}")),
        }
    }
}

fn size(number: u64) -> u64 {
    let turn = usize::try_from(number).unwrap_or_default() % SIZES.len();
    SIZES.get(turn).copied().unwrap_or_default()
}

/// Of no two records the same, so that no two files are, but the empty ones.
fn seed(model: &str, key: Key) -> u64 {
    model.bytes().fold(key.first(), |seed, byte| seed.wrapping_mul(257).wrapping_add(u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};
    use std::collections::BTreeSet;

    #[test]
    fn the_sample_is_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::write(folder.path()).unwrap();
        assert_eq!(sample.models(), ["ci_job_artifacts", "lfs_objects", "packages_package_files", "uploads"]);
        let failed = sample.records.iter().filter(|record| matches!(record.outcome, Outcome::Failed(_)));
        assert_eq!(failed.count(), 4);
        let keys: BTreeSet<_> =
            sample.records.iter().map(|record| (record.model, &record.identifier)).collect();
        assert_eq!(keys.len(), sample.records.len());
    }

    #[test]
    fn good_records_have_the_digest_of_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::write(folder.path()).unwrap();
        let artifact = sample.of("ci_job_artifacts").next().unwrap();
        assert_eq!(artifact.identifier, "MSAxMDA=");
        let content = fs::read(folder.path().join("artifacts/01/0001/artifacts.zip")).unwrap();
        let digest = hex::encode(Sha256::digest(content));
        assert!(artifact.line.contains(&format!("\"sha256:{digest}\"")), "{}", artifact.line);
        assert_eq!(artifact.outcome, Outcome::Succeeded(digest));
    }
}
