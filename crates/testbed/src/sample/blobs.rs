//! Files in two directories, and damaged ones among them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Key, Outcome, SampleRecord, Stored, seed};
use crate::files::write_file;

/// Sizes of the files, in bytes, dealt out in turn.
const SIZES: [u64; 10] = [4_096, 137, 65_536, 1, 10_000, 300_000, 0, 16_384, 1_048_576, 2_500];

/// One larger file, so that there is something to watch.
const LARGE: u64 = 24 << 20;

/// Writes the files.
pub(super) fn write(folder: &Path) -> anyhow::Result<Vec<SampleRecord>> {
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
    Ok(records)
}

struct Builder {
    root: PathBuf,
    storage: &'static str,
}

impl Builder {
    /// A record of a file that is as it was.
    fn good(&self, model: &'static str, key: Key, path: &str, size: u64) -> anyhow::Result<SampleRecord> {
        let digest = write_file(&self.root.join(path), seed(model, key), size)?;
        let stored = Stored { size: Some(size), digest: Some(&digest), ..Stored::at(self.storage, path) };
        Ok(SampleRecord::new(model, key, &stored, Outcome::Succeeded(digest.clone())))
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

        let record = |number, path: &str, digest: &str, size, kind, text: String| {
            let stored = Stored { size, digest: Some(digest), ..Stored::at(self.storage, path) };
            let outcome = Outcome::Failed { kind, text: format!("Error during verification: {text}") };
            SampleRecord::new("uploads", Key::Integer(number), &stored, outcome)
        };
        let mismatch = format!("Checksum mismatch: expected sha256 {stored}, calculated {found}");
        let gone = format!(
            "File is not checksummable - file does not exist at: {}",
            self.root.join(missing).display()
        );
        Ok([
            record(117, altered, &stored, Some(5_000), "altered", mismatch),
            record(118, missing, &secret, None, "missing", gone),
            record(
                119,
                link,
                &secret,
                Some(100),
                "invalid",
                format!("the path leaves its storage through a link: {link}"),
            ),
            record(120, up, &secret, Some(100), "invalid", format!("the path contains `..`: {up}")),
        ])
    }
}

fn size(number: u64) -> u64 {
    let turn = usize::try_from(number).unwrap_or_default() % SIZES.len();
    SIZES.get(turn).copied().unwrap_or_default()
}
