//! The first sync of many rows, compared with `COPY` of the same rows, and the load of an idle sync on the source.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use stocktake_testbed::{GitlabDatabase, PgCluster};

use super::measure::{Run, median, number, run};
use super::{Options, Row};
use crate::installation::{Database, Installation};
use crate::machine;

/// A model with many rows.
struct ManyRows {
    name: &'static str,
    table: &'static str,
    /// The columns that are read.
    columns: &'static str,
}

const MODELS: [ManyRows; 2] = [
    ManyRows {
        name: "ci_job_artifacts",
        table: "p_ci_job_artifacts",
        columns: "id, project_id, job_id, created_at, file_type, size, file, file_store, file_sha256, file_location, \
                  file_final_path",
    },
    ManyRows {
        name: "uploads",
        table: "uploads",
        columns: "id, size, path, checksum, model_id, model_type, uploader, created_at, store, namespace_id, \
                  project_id",
    },
];

/// How long the load of the idle sync is measured. The sync looks for changes every second.
const MEASURED: Duration = Duration::from_secs(20);

/// How long the newest rows are read again after a sync, and a little longer.
const SETTLING: Duration = Duration::from_secs(310);

/// The load on the source so far: transactions, rows returned by scans, rows fetched through indexes.
const LOAD: &str = "SELECT xact_commit || ' ' || tup_returned || ' ' || tup_fetched FROM pg_stat_database \
                     WHERE datname = current_database()";

/// Measures on both databases.
pub(super) fn measure(binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    let cluster = machine::postgres(|| PgCluster::start_with(&[]))?;
    let source = cluster.create_database()?;
    println!("Writing {} rows to each of two tables …", options.rows());
    GitlabDatabase::load(&source)?;
    GitlabDatabase::multiply(&source, options.rows())?;
    let mut rows = Vec::new();
    for name in ["SQLite", "PostgreSQL"] {
        let trial = Trial { binary, folder, cluster: &cluster, source: &source, name };
        for models in [&MODELS[..1], &MODELS[1..], &MODELS[..]] {
            let (mut ours, mut theirs, mut mib) = (Vec::new(), Vec::new(), 0.0_f64);
            for round in 0..options.rounds {
                theirs.push(models.iter().map(|model| trial.copy(model)).sum::<anyhow::Result<f64>>()?);
                let Run { seconds, mib: peak, .. } = trial.sync(models, round)?;
                println!(
                    "round {} of {} into {name}: {seconds:.2} s, {peak:.0} MiB",
                    round + 1,
                    names(models, " and ")
                );
                ours.push(seconds);
                mib = mib.max(peak);
            }
            let (ours, theirs) = (median(&ours), median(&theirs));
            let count = number(models.len()) * f64::from(u32::try_from(options.rows())?);
            let names = names(models, " and of as many ");
            rows.push(Row {
                what: format!("first sync of {} {names} into {name}, vs. COPY", options.rows()),
                figures: format!("{:.0}/s to {:.0}/s, peak {mib:.0} MiB", count / ours, count / theirs),
                ratio: theirs / ours,
                target: Some((0.5, 0.5)),
            });
        }
    }
    let trial = Trial { binary, folder, cluster: &cluster, source: &source, name: "SQLite" };
    trial.idle()?;
    Ok(rows)
}

/// The models' names in one line.
fn names(models: &[ManyRows], between: &str) -> String {
    models.iter().map(|model| model.name).collect::<Vec<_>>().join(between)
}

/// A source, and a database to sync to.
struct Trial<'a> {
    binary: &'a Path,
    folder: &'a Path,
    cluster: &'a PgCluster,
    source: &'a str,
    name: &'a str,
}

impl Trial<'_> {
    /// The seconds that it takes to copy the rows to `/dev/null`.
    fn copy(&self, ManyRows { table, columns, .. }: &ManyRows) -> anyhow::Result<f64> {
        let statement = format!("COPY (SELECT {columns} FROM {table} ORDER BY id) TO STDOUT");
        let mut command = self.cluster.command("psql");
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            self.source,
            "--command",
            &statement,
        ]);
        let begin = Instant::now();
        let status = command.stdin(Stdio::null()).stdout(File::create("/dev/null")?).status()?;
        ensure!(status.success(), "psql exited with {status}");
        Ok(begin.elapsed().as_secs_f64())
    }

    fn installation(&self, name: &str) -> anyhow::Result<Installation> {
        let folder = self.folder.join(name);
        let database = match self.name {
            "SQLite" => Database::Sqlite,
            _ => Database::At(self.cluster.create_database()?),
        };
        let url = toml::Value::String(self.source.to_owned());
        let section = format!("[sources.gitlab]\ndatabase_url = {url}\ninterval = \"1s\"\n");
        let installation = Installation::new(self.binary, &folder, database, &[], &section)?;
        installation.run(&["migrate"])?;
        Ok(installation)
    }

    /// Runs the first sync of the models into an empty database.
    fn sync(&self, models: &[ManyRows], round: usize) -> anyhow::Result<Run> {
        let names: Vec<&str> = models.iter().map(|model| model.name).collect();
        let installation = self.installation(&format!("sync-{}-{}-{round}", self.name, names.join("-")))?;
        run(&mut installation.command(&[&["sync"], &*names].concat()))
    }

    /// Prints the load on the source when nothing changes there.
    fn idle(&self) -> anyhow::Result<()> {
        let installation = self.installation("idle")?;
        installation.run(&["sync"])?;
        let mut serve = installation.start("serve", &["serve", "--no-worker", "--log", "warn"])?;
        sleep(SETTLING);
        serve.check_runs()?;
        let before = self.load()?;
        sleep(MEASURED);
        let after = self.load()?;
        serve.terminate()?;
        let ticks = MEASURED.as_secs();
        let [transactions, returned, fetched] = [0, 1, 2].map(|index| {
            let value = |counts: &[u64; 3]| counts.get(index).copied().unwrap_or_default();
            value(&after).saturating_sub(value(&before)) / ticks
        });
        println!(
            "an idle sync, per second: {transactions} transactions, {returned} rows or index entries scanned, \
             {fetched} rows fetched"
        );
        Ok(())
    }

    fn load(&self) -> anyhow::Result<[u64; 3]> {
        let counts = self.cluster.sql(self.source, LOAD)?;
        let mut numbers = counts.split_whitespace().map(str::parse);
        let mut next = || anyhow::Ok(numbers.next().context("a count is missing")??);
        Ok([next()?, next()?, next()?])
    }
}
