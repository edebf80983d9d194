//! Verifying files and recording the results, compared with the fastest public command that only prints digests.

use std::fmt::Write as _;
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

/// One set of files.
struct Set {
    name: &'static str,
    count: usize,
    size: u64,
    /// The targets on SQLite and on PostgreSQL: now and later.
    targets: [(f64, f64); 2],
}

/// Measures both sets on both databases.
pub(super) fn measure(binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    let sets = [
        Set { name: "4 KiB", count: options.small, size: 4 << 10, targets: [(0.9, 1.9), (0.6, 1.5)] },
        Set { name: "1 MiB", count: options.large, size: 1 << 20, targets: [(1.0, 1.8), (1.0, 1.8)] },
    ];
    let mut rows = Vec::new();
    for set in sets.iter().filter(|set| set.count > 0) {
        rows.extend(set.measure(binary, &folder.join(set.name.replace(' ', "-")), options)?);
    }
    Ok(rows)
}

impl Set {
    fn measure(&self, binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
        println!("Writing {} files of {} …", self.count, self.name);
        let root = folder.join("files");
        let lines = lines(&write_numbered(&root, self.count, self.size)?)?;
        // Also reads the files into the page cache again, in case writing evicted some of them.
        openssl(&root)?;

        let mut subjects = Vec::new();
        for (name, target) in ["SQLite", "PostgreSQL"].into_iter().zip(self.targets) {
            subjects.push(Subject::new(binary, &folder.join(name), name, &root, &lines, target)?);
        }
        let mut reference = Vec::new();
        for round in 1..=options.rounds {
            reference.push(openssl(&root)?);
            for subject in &mut subjects {
                let run = subject.verify(round, self.count)?;
                subject.runs.push(run);
            }
        }
        std::fs::remove_dir_all(&root)?;
        Ok(subjects.iter().map(|subject| self.row(subject, &reference)).collect())
    }

    fn row(&self, subject: &Subject, reference: &[f64]) -> Row {
        let seconds = median(&subject.runs.iter().map(|run| run.seconds).collect::<Vec<_>>());
        let mib = subject.runs.iter().map(|run| run.mib).fold(0.0, f64::max);
        let other = median(reference);
        let rate = |seconds: f64| number(self.count) / seconds;
        Row {
            what: format!("{} files of {}, verify on {}, vs. openssl", self.count, self.name, subject.name),
            figures: format!("{:.0}/s to {:.0}/s, peak {mib:.0} MiB", rate(seconds), rate(other)),
            ratio: other / seconds,
            target: Some(subject.target),
        }
    }
}

/// Runs the fastest public command and returns the seconds that it takes.
fn openssl(root: &Path) -> anyhow::Result<f64> {
    let script = "find \"$1\" -type f -print0 | xargs -0 -P2 -n1000 openssl dgst -r -sha256 >/dev/null";
    Ok(run(Command::new("sh").args(["-c", script, "sh"]).arg(root))?.seconds)
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
        root: &Path,
        lines: &str,
        target: (f64, f64),
    ) -> anyhow::Result<Self> {
        let cluster = match name {
            "SQLite" => None,
            _ => Some(machine::postgres(|| PgCluster::start_with(&[]))?),
        };
        let database = cluster
            .as_ref()
            .map_or(Ok(Database::Sqlite), |cluster| cluster.create_database().map(Database::At))?;
        let installation = Installation::new(binary, folder, database, &[("main", root.to_owned())], "")?;
        installation.run(&["migrate"])?;
        installation.import(MODEL, lines)?;
        if let Some(cluster) = &cluster {
            cluster.sql(&installation.database, "VACUUM ANALYZE")?;
        }
        Ok(Self { name, installation, folder: folder.to_owned(), cluster, target, runs: Vec::new() })
    }

    /// Checksums everything in a copy of the database in which everything is pending.
    fn verify(&self, round: usize, count: usize) -> anyhow::Result<Run> {
        let copy = if let Some(cluster) = &self.cluster {
            cluster.copy_database(&self.installation.database)?
        } else {
            let file = self.folder.join(format!("round-{round}.db"));
            std::fs::copy(self.folder.join("stocktake.db"), &file)?;
            format!("sqlite://{}", file.display())
        };
        // Writes of the copy that are still pending must not slow down the run.
        run(&mut Command::new("sync"))?;
        let run = run(&mut self.installation.command(&["verify", "--json", "--database", &copy]))?;
        let summary: Value = serde_json::from_str(&run.output).with_context(|| run.output.clone())?;
        let succeeded = summary.pointer("/checked/succeeded").and_then(Value::as_u64);
        ensure!(succeeded == Some(u64::try_from(count)?), "not all of {count} records succeeded: {summary}");
        println!("round {round} on {}: {:.2} s, {:.0} MiB", self.name, run.seconds, run.mib);
        Ok(run)
    }
}
