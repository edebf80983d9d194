//! Keyset pages over HTTP, compared with the same query run by pgbench.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use stocktake_testbed::PgCluster;

use super::measure::{median, peak};
use super::{Options, Row};
use crate::api::{Api, list_path};
use crate::installation::{Database, Installation};
use crate::machine;
use crate::project::capture;

pub(super) const MODEL: &str = "lfs_objects";

/// The number of the model in the table.
pub(super) const MODEL_NUMBER: &str = "SELECT model FROM records LIMIT 1";

/// The number of pages requested in each region.
const CURSORS: usize = 100;

/// Fills all columns of a page, as if every record had succeeded a moment ago: what succeeded long ago is due again, and the
/// service would mark all of it while its pages are measured.
pub(super) const CHECKSUMMED: &str = "UPDATE records SET state = 2, due_at = NULL, attempt = attempt + 1, \
    file_size = 4096, created_at = 1738754830173, baseline = sha256(path::bytea), \
    baseline_at = CAST(EXTRACT(EPOCH FROM now()) * 1000 AS bigint)";

/// The query of a page, as the program runs it: on the partition of the model.
const QUERY: &str = "SELECT created_at, file_size, due_at, attempt, baseline, baseline_at, failed_at, retry_at, \
    retry_count, model, state, failure_kind, accepted, key, storage, path, expected, failure_cause FROM records_MODEL \
    WHERE model = MODEL AND key > int8send(:shifted::bigint) ORDER BY model, key LIMIT 21;";

/// Requests the paths in the file that `PATHS` names, one after the other.
const LUA: &str = r#"
local paths, number = {}, 0
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
wrk.headers["PRIVATE-TOKEN"] = os.getenv("TOKEN")
request = function()
    number = number % #paths + 1
    return wrk.format("GET", paths[number])
end
done = function(summary)
    local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
    io.write(string.format("RESULT %f %d\n", summary.requests * 1e6 / summary.duration, bad))
end
"#;

/// A part of the list.
struct Region {
    name: &'static str,
    /// The identifiers after which its pages begin.
    from: u64,
    to: u64,
}

/// Measures pages at the start, in the middle and at the end.
pub(super) fn measure(binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    machine::program("wrk", "wrk")?;
    let cluster = machine::postgres(|| PgCluster::start_with(&[]))?;
    let folder = folder.join("list");
    let database = Database::At(cluster.create_database()?);
    let installation = Installation::new(binary, &folder, database, &[("main", folder.clone())], "")?;
    fill(&installation, &cluster, options.rows())?;
    let api = installation.api()?;
    let mut serve = installation.start("serve", &["serve", "--no-worker", "--log", "warn"])?;
    api.wait_until_ready(&mut serve)?;

    let regions = regions(options.rows());
    write_paths(&api, &folder, &regions, options.rows())?;
    let model = cluster.sql(&installation.database, MODEL_NUMBER)?;
    let mut found = [const { (Vec::new(), Vec::new()) }; 3];
    for _ in 0..options.rounds {
        for (region, (ours, theirs)) in regions.iter().zip(&mut found) {
            let keys = region.from..region.to;
            theirs.push(pgbench(&cluster, &installation, &folder, (&model, keys), options.seconds)?);
            ours.push(wrk(&api, &folder.join(region.name), options.seconds)?);
        }
    }
    serve.check_runs()?;
    let mib = peak(serve.id()).context("the memory usage is unknown")?;
    serve.terminate()?;

    Ok(table(&regions, found.map(|(ours, theirs)| (median(&ours), median(&theirs))), options.rows(), mib))
}

/// The start, the middle and the end of the list.
fn regions(rows: u64) -> [Region; 3] {
    let span = (rows / 10).max(1);
    let middle = rows / 2;
    [
        Region { name: "start", from: 0, to: span },
        Region { name: "middle", from: middle, to: middle + span },
        Region { name: "end", from: rows - span, to: rows - 30 },
    ]
}

/// The lines of the table, from the pages per second of Stocktake and of pgbench in each region.
fn table(regions: &[Region; 3], medians: [(f64, f64); 3], rows: u64, mib: f64) -> Vec<Row> {
    let lines = regions.iter().zip(medians).map(|(region, (ours, theirs))| Row {
        what: format!("pages of 20 at the {} of {} rows, vs. pgbench", region.name, rows),
        figures: format!("{ours:.0}/s to {theirs:.0}/s, peak {mib:.0} MiB"),
        ratio: ours / theirs,
        target: Some((0.2, 0.35)),
    });
    let mut lines: Vec<Row> = lines.collect();
    let [(first, _), _, (last, _)] = medians;
    let figures = format!("{last:.0}/s to {first:.0}/s");
    lines.push(Row {
        what: "the last pages, vs. the first".to_owned(),
        figures,
        ratio: last / first,
        target: Some((0.95, 0.98)),
    });
    lines
}

/// Creates the rows: by an import, and a statement that marks all as succeeded without reading any file.
pub(super) fn fill(installation: &Installation, cluster: &PgCluster, rows: u64) -> anyhow::Result<()> {
    println!("Importing {rows} records …");
    installation.run(&["migrate"])?;
    let mut lines = String::new();
    for number in 1..=rows {
        let path = format!("{:02x}/{:02x}/{number:060x}", number % 256, number / 256 % 256);
        writeln!(lines, r#"{{"record_identifier":{number},"storage":"main","path":"{path}"}}"#)?;
    }
    installation.import(MODEL, &lines)?;
    cluster.sql(&installation.database, CHECKSUMMED)?;
    cluster.sql(&installation.database, "VACUUM (FULL, ANALYZE)")?;
    Ok(())
}

/// Walks the whole list as a client does, and writes paths with cursors of each region to its file.
fn write_paths(api: &Api, folder: &Path, regions: &[Region], rows: u64) -> anyhow::Result<()> {
    let list = list_path(MODEL);
    let mut found = vec![Vec::new(); regions.len()];
    let mut path = format!("{list}?pagination=keyset&per_page=100");
    let mut seen = 0;
    loop {
        let (page, cursor) = api.page(&path)?;
        seen += u64::try_from(page.len())?;
        let Some(cursor) = cursor else { break };
        for (region, paths) in regions.iter().zip(&mut found) {
            if (region.from..region.to).contains(&seen) && paths.len() < CURSORS {
                paths.push(format!("{list}?pagination=keyset&per_page=20&cursor={cursor}"));
            }
        }
        path = format!("{list}?pagination=keyset&per_page=100&cursor={cursor}");
    }
    if seen != rows {
        bail!("all pages have {seen} records instead of {rows}");
    }
    for (region, paths) in regions.iter().zip(found) {
        std::fs::write(folder.join(region.name), paths.join("\n"))?;
    }
    Ok(())
}

/// Pages per second over HTTP, of the paths in a file.
pub(super) fn wrk(api: &Api, paths: &Path, seconds: u32) -> anyhow::Result<f64> {
    let script = paths.with_file_name("wrk.lua");
    std::fs::write(&script, LUA)?;
    let mut command = Command::new("wrk");
    command
        .args(["--connections", "8", "--threads", "2", "--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .arg(&api.base)
        .env("PATHS", paths)
        .env("TOKEN", &api.token);
    let output = capture(&mut command)?;
    let result = output.lines().find_map(|line| line.strip_prefix("RESULT "));
    match result.and_then(|result| result.split_once(' ')) {
        Some((rate, "0")) => rate.parse().with_context(|| output.clone()),
        _ => bail!("wrk printed {output}"),
    }
}

/// Pages per second from the database alone, of the model with this number behind keys among these.
pub(super) fn pgbench(
    cluster: &PgCluster,
    installation: &Installation,
    folder: &Path,
    (model, keys): (&str, Range<u64>),
    seconds: u32,
) -> anyhow::Result<f64> {
    let script = folder.join("page.sql");
    // A key is its number as big-endian bytes with the sign bit flipped.
    let shifted = format!("\\set shifted random({}, {}) - 9223372036854775807 - 1", keys.start, keys.end);
    std::fs::write(&script, format!("{shifted}\n{}\n", QUERY.replace("MODEL", model)))?;
    let mut command = cluster.command("pgbench");
    command
        .args(["--no-vacuum", "--client=8", "--jobs=2", "--protocol=prepared"])
        .arg(format!("--time={seconds}"))
        .arg("--file")
        .arg(&script)
        .arg(&installation.database);
    let output = capture(&mut command)?;
    let rate = output.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = rate.and_then(|rest| rest.split_whitespace().next()).with_context(|| output.clone())?;
    rate.parse().with_context(|| output.clone())
}
