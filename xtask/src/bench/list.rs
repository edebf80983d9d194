//! Keyset pages over HTTP against the bare query by pgbench.

use std::fmt::Write as _;
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

const MODEL: &str = "lfs_objects";

/// What stands for the model in the table.
const MODEL_NUMBER: &str = "SELECT model FROM records LIMIT 1";

/// Pages from each region, so that not one page alone is asked for.
const CURSORS: usize = 100;

/// All columns of a page, all records good.
const CHECKSUMMED: &str = "UPDATE records SET state = 2, due_at = NULL, attempt = attempt + 1, \
    file_size = 4096, created_at = 1738754830173, baseline = sha256(path::bytea), baseline_at = 1753366938643";

/// A page as the program reads it.
const QUERY: &str = "SELECT created_at, file_size, due_at, attempt, baseline, baseline_at, failed_at, retry_at, \
    retry_count, model, state, failure_kind, accepted, key, storage, path, expected, failure FROM records \
    WHERE model = MODEL AND key > int8send(:shifted::bigint) ORDER BY model, key LIMIT 21;";

/// Sends the paths of the file named by `PATHS`, one after the other.
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
    /// The identifiers behind which its pages begin.
    from: u64,
    to: u64,
}

/// Measures pages at the start, in the middle and at the end.
pub(super) fn measure(binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    machine::program("wrk")?;
    let cluster = machine::postgres(|| PgCluster::start_with(&[]))?;
    let folder = folder.join("list");
    let database = Database::At(cluster.create_database()?);
    let installation = Installation::new(binary, &folder, database, &[("main", folder.clone())], "")?;
    fill(&installation, &cluster, options.rows)?;
    let api = installation.api()?;
    let mut serve = installation.start("serve", &["serve", "--no-worker", "--log", "warn"])?;
    api.wait_until_ready(&mut serve)?;

    let span = (options.rows / 10).max(1);
    let middle = options.rows / 2;
    let regions = [
        Region { name: "start", from: 0, to: span },
        Region { name: "middle", from: middle, to: middle + span },
        Region { name: "end", from: options.rows - span, to: options.rows - 30 },
    ];
    write_paths(&api, &folder, &regions, options.rows)?;
    std::fs::write(folder.join("wrk.lua"), LUA)?;
    let mut found = [const { (Vec::new(), Vec::new()) }; 3];
    for _ in 0..options.rounds {
        for (region, (ours, theirs)) in regions.iter().zip(&mut found) {
            theirs.push(pgbench(&cluster, &installation, &folder, region, options.seconds)?);
            ours.push(wrk(&api, &folder, region, options.seconds)?);
        }
    }
    serve.check_runs()?;
    let mib = peak(serve.id()).context("no figure of the memory")?;
    serve.terminate()?;

    let medians = found.map(|(ours, theirs)| (median(&ours), median(&theirs)));
    let rows = regions.iter().zip(medians).map(|(region, (ours, theirs))| Row {
        what: format!("pages of 20 at the {} of {} rows, against pgbench", region.name, options.rows),
        figures: format!("{ours:.0}/s to {theirs:.0}/s, peak {mib:.0} MiB"),
        ratio: ours / theirs,
        target: Some((0.2, 0.35)),
    });
    let mut rows: Vec<Row> = rows.collect();
    let [(first, _), _, (last, _)] = medians;
    let figures = format!("{last:.0}/s to {first:.0}/s");
    rows.push(Row {
        what: "the last pages, against the first".to_owned(),
        figures,
        ratio: last / first,
        target: Some((0.95, 0.98)),
    });
    Ok(rows)
}

/// Makes the rows: known by an import, good by a statement, as files are not what is measured here.
fn fill(installation: &Installation, cluster: &PgCluster, rows: u64) -> anyhow::Result<()> {
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

/// Walks the whole list as a client does, and notes cursors of each region.
fn write_paths(api: &Api, folder: &Path, regions: &[Region], rows: u64) -> anyhow::Result<()> {
    let list = list_path(MODEL);
    let mut noted = vec![Vec::new(); regions.len()];
    let mut path = format!("{list}?pagination=keyset&per_page=100");
    let mut seen = 0;
    loop {
        let (page, cursor) = api.page(&path)?;
        seen += u64::try_from(page.len())?;
        let Some(cursor) = cursor else { break };
        for (region, paths) in regions.iter().zip(&mut noted) {
            if (region.from..region.to).contains(&seen) && paths.len() < CURSORS {
                paths.push(format!("{list}?pagination=keyset&per_page=20&cursor={cursor}"));
            }
        }
        path = format!("{list}?pagination=keyset&per_page=100&cursor={cursor}");
    }
    if seen != rows {
        bail!("{seen} records on all pages, and there are {rows}");
    }
    for (region, paths) in regions.iter().zip(noted) {
        std::fs::write(folder.join(region.name), paths.join("\n"))?;
    }
    Ok(())
}

/// Pages a second over HTTP.
fn wrk(api: &Api, folder: &Path, region: &Region, seconds: u32) -> anyhow::Result<f64> {
    let mut command = Command::new("wrk");
    command
        .args(["--connections", "8", "--threads", "2", "--duration", &format!("{seconds}s"), "--script"])
        .arg(folder.join("wrk.lua"))
        .arg(&api.base)
        .env("PATHS", folder.join(region.name))
        .env("TOKEN", &api.token);
    let output = capture(&mut command)?;
    let result = output.lines().find_map(|line| line.strip_prefix("RESULT "));
    match result.and_then(|result| result.split_once(' ')) {
        Some((rate, "0")) => rate.parse().with_context(|| output.clone()),
        _ => bail!("wrk printed {output}"),
    }
}

/// Pages a second from the database alone.
fn pgbench(
    cluster: &PgCluster,
    installation: &Installation,
    folder: &Path,
    region: &Region,
    seconds: u32,
) -> anyhow::Result<f64> {
    let script = folder.join("page.sql");
    // The key's bytes are the number's with the sign bit flipped.
    let shifted = format!("\\set shifted random({}, {}) - 9223372036854775807 - 1", region.from, region.to);
    let model = cluster.sql(&installation.database, MODEL_NUMBER)?;
    std::fs::write(&script, format!("{shifted}\n{}\n", QUERY.replace("MODEL", &model)))?;
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
