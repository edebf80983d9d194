//! The first import of many lines into PostgreSQL, compared with `COPY FROM` of the records that come of it into a table
//! without an index.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use stocktake_testbed::PgCluster;

use super::measure::{Run, median, run};
use super::{Options, Row};
use crate::installation::{Database, Installation};
use crate::machine;
use crate::project::capture;

const MODEL: &str = "lfs_objects";

/// Measures each round in a database of its own.
pub(super) fn measure(binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    let folder = folder.join("import");
    fs::create_dir_all(&folder)?;
    let file = folder.join("lines.ndjson");
    fs::write(&file, lines(options.rows())?)?;
    let cluster = machine::postgres(|| PgCluster::start_with(&[]))?;
    let (mut ours, mut theirs, mut mib) = (Vec::new(), Vec::new(), 0.0_f64);
    for round in 1..=options.rounds {
        let database = Database::At(cluster.create_database()?);
        let storages = [("main", folder.clone())];
        let installation =
            Installation::new(binary, &folder.join(round.to_string()), database, &storages, "")?;
        installation.run(&["migrate"])?;
        let path = file.to_str().context("the folder's name is not UTF-8")?;
        let Run { seconds, mib: peak, .. } =
            run(&mut installation.command(&["import", MODEL, path, "--quiet"]))?;
        let copied = copy(&cluster, &installation, options.rows())?;
        println!("round {round}: {seconds:.2} s, COPY FROM {copied:.2} s");
        ours.push(seconds);
        theirs.push(copied);
        mib = mib.max(peak);
    }
    fs::remove_dir_all(&folder)?;
    let (ours, theirs) = (median(&ours), median(&theirs));
    let rate = |seconds: f64| u32::try_from(options.rows()).map_or(f64::INFINITY, f64::from) / seconds;
    Ok(vec![Row {
        what: format!("import of {} lines into PostgreSQL, vs. COPY FROM", options.rows()),
        figures: format!("{:.0}/s to {:.0}/s, peak {mib:.0} MiB", rate(ours), rate(theirs)),
        ratio: theirs / ours,
        target: Some((0.4, 0.4)),
    }])
}

/// The seconds that it takes to copy the records of the installation, which lie in a file, into a table without an index.
fn copy(cluster: &PgCluster, installation: &Installation, rows: u64) -> anyhow::Result<f64> {
    let file = installation.config().with_file_name("records.copy");
    let file = file.to_str().context("the folder's name is not UTF-8")?;
    cluster.sql(&installation.database, "CREATE TABLE unindexed (LIKE records)")?;
    let psql = |statement: String| {
        let mut command = cluster.command("psql");
        command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command"]);
        command.arg(statement).arg(&installation.database).stdin(Stdio::null());
        capture(&mut command)
    };
    psql(format!("\\copy (SELECT * FROM records) TO '{file}'"))?;
    // What the import wrote goes to the disk now, and not while COPY is measured.
    cluster.sql(&installation.database, "CHECKPOINT")?;
    let begin = Instant::now();
    psql(format!("\\copy unindexed FROM '{file}'"))?;
    let seconds = begin.elapsed().as_secs_f64();
    let copied = cluster.sql(&installation.database, "SELECT COUNT(*) FROM unindexed")?;
    ensure!(copied == rows.to_string(), "{copied} records instead of {rows}");
    fs::remove_file(file)?;
    Ok(seconds)
}

/// As many lines, in the order of their keys.
fn lines(rows: u64) -> anyhow::Result<String> {
    let mut lines = String::new();
    for number in 1..=rows {
        let path = format!("{:02x}/{:02x}/{number:060x}", number % 256, number / 256 % 256);
        writeln!(
            lines,
            r#"{{"record_identifier":{number},"created_at":"2025-02-05T11:27:10.173Z","file_size":4096,"storage":"main","path":"{path}","expected_checksum":"sha256:{number:064x}"}}"#
        )?;
    }
    Ok(lines)
}
