//! Verifying files and recording the results, compared with the fastest public command that only prints digests: from the page
//! cache, with another digest, and from the disk. And the memory that many storages with large files take.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use stocktake_testbed::{PgCluster, write_numbered};

use super::measure::{Run, median, number, run};
use super::{Options, Row};
use crate::installation::{Database, Installation};
use crate::machine;

const MODEL: &str = "lfs_objects";

const SQLITE: &str = "SQLite";
const POSTGRES: &str = "PostgreSQL";

/// The file that makes the kernel forget what it has in the page cache (`proc(5)`), which only root may write.
const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";

/// What `verify` may take, in MiB.
const MEMORY: f64 = 60.0;

/// Storages, and the bytes of the file that each has beside small ones.
const STORAGES: usize = 20;
const LARGE_FILE: u64 = 10 << 30;
const SMALL_FILES: usize = 200;

/// One set of files.
struct Set {
    name: &'static str,
    count: usize,
    size: u64,
    /// The digest, as the configuration and openssl name it.
    digest: &'static str,
    /// Whether nothing is in the page cache.
    is_cold: bool,
    /// The databases, each with the targets: now and later.
    databases: &'static [(&'static str, (f64, f64))],
}

/// Measures all sets.
pub(super) fn measure(binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    let (small, large) = (options.small, options.large);
    let warm =
        Set { name: "4 KiB", count: small, size: 4 << 10, digest: "sha256", is_cold: false, databases: &[] };
    let sets = [
        Set { databases: &[(SQLITE, (1.5, 1.9)), (POSTGRES, (1.0, 1.5))], ..warm },
        Set { name: "4 KiB, cold", is_cold: true, databases: &[(SQLITE, (3.0, 4.0))], ..warm },
        Set {
            name: "1 MiB",
            count: large,
            size: 1 << 20,
            databases: &[(SQLITE, (1.0, 1.8)), (POSTGRES, (1.0, 1.8))],
            ..warm
        },
        Set {
            name: "1 MiB, MD5",
            count: large,
            size: 1 << 20,
            digest: "md5",
            databases: &[(SQLITE, (3.5, 3.5)), (POSTGRES, (3.5, 3.5))],
            ..warm
        },
    ];
    let mut rows = Vec::new();
    for set in sets.iter().filter(|set| set.count > 0) {
        rows.extend(set.measure(binary, &folder.join(set.name.replace([' ', ','], "-")), options)?);
    }
    if large > 0 {
        rows.push(memory(binary, &folder.join("storages"))?);
    }
    Ok(rows)
}

/// The peak memory of verifying many storages, each with a file of 10 GiB that takes no room on the disk, and small ones.
fn memory(binary: &Path, folder: &Path) -> anyhow::Result<Row> {
    let mut storages = Vec::new();
    let mut lines = String::new();
    for number in 0..STORAGES {
        let (name, root) = (format!("storage{number}"), folder.join(number.to_string()));
        write_numbered(&root, SMALL_FILES, 4 << 10)?;
        File::create(root.join("large"))?.set_len(LARGE_FILE)?;
        let small = (0..SMALL_FILES).map(|small| format!("000/{small:07}.bin"));
        for (place, path) in (1..).zip(small.chain(["large".to_owned()])) {
            let identifier = number * 1_000 + place;
            writeln!(lines, r#"{{"record_identifier":{identifier},"storage":"{name}","path":"{path}"}}"#)?;
        }
        storages.push((name, root));
    }
    let storages: Vec<_> = storages.iter().map(|(name, root)| (name.as_str(), root.clone())).collect();
    let installation =
        Installation::new(binary, &folder.join("installation"), Database::Sqlite, &storages, "")?;
    installation.run(&["migrate"])?;
    installation.import(MODEL, &lines)?;
    let Run { seconds, mib, .. } = run(&mut installation.command(&["verify", "--quiet"]))?;
    std::fs::remove_dir_all(folder)?;
    Ok(Row {
        what: format!("memory: {STORAGES} storages, each with a file of 10 GiB, vs. {MEMORY} MiB"),
        figures: format!("{mib:.0} MiB, {:.1} GB/s", number(STORAGES) * 10.737 / seconds),
        ratio: MEMORY / mib,
        target: Some((1.0, 1.0)),
    })
}

impl Set {
    fn measure(&self, binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
        println!("Writing {} files of {} …", self.count, self.name);
        let root = folder.join("files");
        let lines = lines(&write_numbered(&root, self.count, self.size)?)?;
        // Also reads the files into the page cache again, in case writing evicted some of them.
        self.reference(&root)?;

        let mut subjects = Vec::new();
        for (name, target) in self.databases {
            let subject =
                Subject::new(binary, &folder.join(name), name, (&root, self.digest), &lines, *target)?;
            subjects.push(subject);
        }
        let mut reference = Vec::new();
        for round in 1..=options.rounds {
            self.forget_cached()?;
            reference.push(self.reference(&root)?);
            for subject in &mut subjects {
                let copy = subject.copy(round)?;
                self.forget_cached()?;
                let run = subject.verify(&copy, round, self.count)?;
                subject.runs.push(run);
            }
        }
        std::fs::remove_dir_all(&root)?;
        Ok(subjects.iter().map(|subject| self.row(subject, &reference)).collect())
    }

    /// Empties the page cache, if that is what is measured.
    fn forget_cached(&self) -> anyhow::Result<()> {
        if !self.is_cold {
            return Ok(());
        }
        run(&mut Command::new("sync"))?;
        std::fs::write(DROP_CACHES, "1").with_context(|| format!("{DROP_CACHES}, which wants root"))
    }

    /// Runs the fastest public command and returns the seconds that it takes. From the disk all are equally fast.
    fn reference(&self, root: &Path) -> anyhow::Result<f64> {
        let hash = if self.is_cold {
            format!("xargs -0 -P2 {}sum", self.digest)
        } else {
            format!("xargs -0 -P2 -n1000 openssl dgst -r -{}", self.digest)
        };
        let script = format!("find \"$1\" -type f -print0 | {hash} >/dev/null");
        Ok(run(Command::new("sh").args(["-c", &script, "sh"]).arg(root))?.seconds)
    }

    fn row(&self, subject: &Subject, reference: &[f64]) -> Row {
        let seconds = median(&subject.runs.iter().map(|run| run.seconds).collect::<Vec<_>>());
        let mib = subject.runs.iter().map(|run| run.mib).fold(0.0, f64::max);
        let other = median(reference);
        let rate = |seconds: f64| number(self.count) / seconds;
        Row {
            what: format!(
                "{} files of {}, verify on {}, vs. {}",
                self.count,
                self.name,
                subject.name,
                if self.is_cold { "sha256sum" } else { "openssl" }
            ),
            figures: format!("{:.0}/s to {:.0}/s, peak {mib:.0} MiB", rate(seconds), rate(other)),
            ratio: other / seconds,
            target: Some(subject.target),
        }
    }
}

/// The records for `import`.
fn lines(files: &[(String, String)]) -> anyhow::Result<String> {
    let mut lines = String::new();
    for (number, (path, _)) in (1..).zip(files) {
        writeln!(lines, r#"{{"record_identifier":{number},"storage":"main","path":"{path}"}}"#)?;
    }
    Ok(lines)
}

/// Stocktake on one database, with all records pending.
struct Subject {
    name: &'static str,
    installation: Installation,
    folder: PathBuf,
    cluster: Option<PgCluster>,
    target: (f64, f64),
    runs: Vec<Run>,
}

impl Subject {
    fn new(
        binary: &Path,
        folder: &Path,
        name: &'static str,
        (root, digest): (&Path, &str),
        lines: &str,
        target: (f64, f64),
    ) -> anyhow::Result<Self> {
        let cluster = match name {
            POSTGRES => Some(machine::postgres(|| PgCluster::start_with(&[]))?),
            _ => None,
        };
        let database = cluster
            .as_ref()
            .map_or(Ok(Database::Sqlite), |cluster| cluster.create_database().map(Database::At))?;
        let more = format!("[verification]\nalgorithm = \"{digest}\"\n");
        let installation = Installation::new(binary, folder, database, &[("main", root.to_owned())], &more)?;
        installation.run(&["migrate"])?;
        installation.import(MODEL, lines)?;
        if let Some(cluster) = &cluster {
            cluster.sql(&installation.database, "VACUUM ANALYZE")?;
        }
        Ok(Self { name, installation, folder: folder.to_owned(), cluster, target, runs: Vec::new() })
    }

    /// A copy of the database, in which everything is pending.
    fn copy(&self, round: usize) -> anyhow::Result<String> {
        let copy = if let Some(cluster) = &self.cluster {
            cluster.copy_database(&self.installation.database)?
        } else {
            let file = self.folder.join(format!("round-{round}.db"));
            std::fs::copy(self.folder.join("stocktake.db"), &file)?;
            format!("sqlite://{}", file.display())
        };
        // Writes of the copy that are still pending must not slow down the run.
        run(&mut Command::new("sync"))?;
        Ok(copy)
    }

    /// Checksums everything in this database.
    fn verify(&self, database: &str, round: usize, count: usize) -> anyhow::Result<Run> {
        let run = run(&mut self.installation.command(&["verify", "--json", "--database", database]))?;
        let summary: Value = serde_json::from_str(&run.output).with_context(|| run.output.clone())?;
        let succeeded = summary.pointer("/checked/succeeded").and_then(Value::as_u64);
        ensure!(succeeded == Some(u64::try_from(count)?), "not all of {count} records succeeded: {summary}");
        println!("round {round} on {}: {:.2} s, {:.0} MiB", self.name, run.seconds, run.mib);
        Ok(run)
    }
}
