//! Judging records by an inventory with which nothing differs, compared with only unpacking it and counting its lines.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use stocktake_testbed::PgCluster;

use super::measure::{Run, median, run};
use super::{Options, Row};
use crate::installation::{Database, Installation};
use crate::machine;

const MODEL: &str = "lfs_objects";

/// A bucket that is never asked: nothing is in doubt.
const STORAGE: &str = "[storages.far]\nkind = \"s3\"\nbucket = \"content\"\nendpoint = \"http://127.0.0.1:1\"\n\
    plain_http = true\nkeys = \"anonymous\"\n";

const COLUMNS: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, \
    IsMultipartUploaded, EncryptionStatus";

/// Measures both databases.
pub(super) fn measure(binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    let folder = folder.join("reports");
    fs::create_dir_all(&folder)?;
    let report = folder.join("list.csv.gz");
    let lines = write(&report, options.rows())?;
    let cluster = machine::postgres(|| PgCluster::start_with(&[]))?;
    let databases = [("SQLite", Database::Sqlite), ("PostgreSQL", Database::At(cluster.create_database()?))];
    let mut rows = Vec::new();
    for (name, database) in databases {
        let installation = Installation::new(binary, &folder.join(name), database, &[], STORAGE)?;
        println!("Importing {} records into {name} …", options.rows());
        installation.run(&["migrate"])?;
        installation.import(MODEL, &lines)?;
        rows.push(compare(name, &installation, &report, options)?);
    }
    fs::remove_dir_all(&folder)?;
    Ok(rows)
}

fn compare(name: &str, installation: &Installation, report: &Path, options: &Options) -> anyhow::Result<Row> {
    let report = report.to_str().context("the folder's name is not UTF-8")?;
    let words =
        ["import-report", MODEL, "far", report, "--columns", COLUMNS, "--as-of", "1h", "--json", "--quiet"];
    let (mut ours, mut theirs, mut mib) = (Vec::new(), Vec::new(), 0.0_f64);
    for round in 1..=options.rounds {
        let counted = run(Command::new("sh").args(["-c", "gzip -dc \"$0\" | wc -l", report]))?;
        ensure!(counted.output.trim() == options.rows().to_string(), "{} lines", counted.output.trim());
        let Run { seconds, mib: peak, output } = run(&mut installation.command(&words))?;
        let told: serde_json::Value = serde_json::from_str(&output)?;
        let agreeing = told.get("agreeing").and_then(serde_json::Value::as_u64);
        ensure!(agreeing == Some(options.rows()), "{output}");
        println!("round {round} on {name}: {seconds:.2} s, unpacking alone {:.2} s", counted.seconds);
        ours.push(seconds);
        theirs.push(counted.seconds);
        mib = mib.max(peak);
    }
    let (ours, theirs) = (median(&ours), median(&theirs));
    let rate = |seconds: f64| u32::try_from(options.rows()).map_or(f64::INFINITY, f64::from) / seconds;
    Ok(Row {
        what: format!("rows of an inventory, {name}, vs. gzip -dc | wc -l"),
        figures: format!("{:.0}/s to {:.0}/s, peak {mib:.0} MiB", rate(ours), rate(theirs)),
        ratio: theirs / ours,
        target: Some((0.2, 0.4)),
    })
}

/// Writes an inventory of so many objects, in no order; returns the lines that make them records.
fn write(report: &Path, objects: u64) -> anyhow::Result<String> {
    let (mut lines, mut rows) = (String::new(), String::new());
    for number in 1..=objects {
        let key = format!("{:02x}/{:02x}/{number:060x}", number % 251, number % 241);
        let size = number % 100_000;
        writeln!(
            lines,
            r#"{{"record_identifier":{number},"storage":"far","path":"{key}","file_size":{size},"expected_checksum":"sha256:{number:064x}"}}"#
        )?;
        // A stride that is prime to the number, so that each object comes once.
        let number = (number * 7_919) % objects + 1;
        let key = format!("{:02x}/{:02x}/{number:060x}", number % 251, number % 241);
        let (size, etag) = (number % 100_000, format!("{number:032x}"));
        writeln!(
            rows,
            "\"content\",\"{key}\",\"\",\"true\",\"false\",\"{size}\",\"2026-11-01T00:00:00.000Z\",\"{etag}\",\"false\",\"SSE-S3\""
        )?;
    }
    let plain = report.with_extension("");
    fs::write(&plain, rows)?;
    let status = Command::new("gzip").arg("-c").arg(&plain).stdout(File::create(report)?).status()?;
    ensure!(status.success(), "gzip failed: {status}");
    fs::remove_file(&plain)?;
    Ok(lines)
}
