//! A catalogue of many records on PostgreSQL, of which half are of one data type: what a page, a round of re-verification, the
//! summary and the deletion of a data type cost there, and what they do to the other data types.

use std::path::Path;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stocktake_testbed::PgCluster;

use super::list::{pgbench, wrk};
use super::measure::median;
use super::{Options, Row};
use crate::api::{Api, list_path};
use crate::installation::{Database, Installation};
use crate::machine;
use crate::project::{Project, capture};
use crate::random::Rng;

/// The records, unless a number is given.
const ROWS: u64 = 20_000_000;

/// A machine of this size has more memory for its database than the defaults, and as much WAL between checkpoints as it writes in
/// some minutes.
const SETTINGS: [(&str, &str); 3] =
    [("shared_buffers", "2GB"), ("max_wal_size", "8GB"), ("maintenance_work_mem", "512MB")];

/// A data type: its name, its number in the tables, and its share of the records.
struct Part {
    name: &'static str,
    number: &'static str,
    share: u64,
}

/// Half of all.
const LARGE: Part = Part { name: "ci_job_artifacts", number: "1", share: 20 };
/// A tenth, which is deleted.
const DELETED: Part = Part { name: "merge_request_diffs", number: "10", share: 4 };
/// A fortieth, which is verified again and again.
const VERIFIED: Part = Part { name: "uploads", number: "19", share: 1 };
/// One of a twentieth, to compare pages with.
const SMALL: Part = Part { name: "packages_package_files", number: "12", share: 2 };
/// The rest.
const OTHER: Part = Part { name: "lfs_objects", number: "9", share: 13 };
const PARTS: [Part; 5] = [LARGE, OTHER, DELETED, SMALL, VERIFIED];

/// The shares of all parts.
const SHARES: u64 = 40;

/// Rounds of re-verification.
const ROUNDS: usize = 10;

/// The round with which the last is compared: VACUUM, which looks once a minute, has come by then, and what it freed is used again.
const SETTLED: usize = 5;

/// Different places at which pages begin.
const PLACES: usize = 20_000;

/// Requests whose median is told.
const REQUESTS: usize = 30;

/// How long counts may be kept, so that each request counts anew.
const EXPIRY: Duration = Duration::from_millis(500);

/// Records as they are when all were found good within the last day: older ones the service would mark as due meanwhile. The
/// keys are those of the program: numbers as big-endian bytes with the sign bit flipped.
const FILL: &str = "INSERT INTO records_MODEL (model, key, storage, path, created_at, file_size, state, attempt, retry_count, \
    accepted, baseline, baseline_at) \
    SELECT MODEL, int8send(n - 9223372036854775807 - 1), 'main', path, 1738754830173, 4096, 2, 1, 0, FALSE, \
    sha256(('MODEL ' || path)::bytea), CAST(EXTRACT(EPOCH FROM now()) * 1000 AS bigint) - 86400000 + n \
    FROM (SELECT n, lpad(to_hex(n % 256), 2, '0') || '/' || \
    lpad(to_hex(n / 256 % 256), 2, '0') || '/' || lpad(to_hex(n), 60, '0') AS path FROM generate_series(FROM_NUMBER::bigint, \
    TO_NUMBER) AS n) AS made";

/// The definitions of all indexes but the primary key, each for the whole table.
const INDEXES: &str = "SELECT string_agg(replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), ';') FROM pg_index \
    WHERE indrelid = 'records'::regclass AND NOT indisprimary";

const NAMES_OF_INDEXES: &str = "SELECT string_agg(indexrelid::regclass::text, ', ') FROM pg_index \
    WHERE indrelid = 'records'::regclass AND NOT indisprimary";

/// Inserted by one statement.
const FILLED_AT_ONCE: u64 = 500_000;

impl Part {
    fn rows(&self, all: u64) -> u64 {
        all / SHARES * self.share
    }

    /// The partition of its records.
    fn table(&self) -> String {
        format!("records_{}", self.number)
    }
}

/// The service, and what it stands on.
struct Scene<'a> {
    project: &'a Project,
    folder: &'a Path,
    cluster: &'a PgCluster,
    installation: &'a Installation,
    all: u64,
    seconds: u32,
}

/// Measures.
pub(super) fn measure(
    project: &Project,
    binary: &Path,
    folder: &Path,
    options: &Options,
) -> anyhow::Result<Vec<Row>> {
    machine::program("wrk", "wrk")?;
    let all = options.rows.unwrap_or(ROWS);
    ensure!(all >= SHARES * 1000, "at least {} records are needed", SHARES * 1000);
    let cluster = machine::postgres(|| PgCluster::start_with(&SETTINGS))?;
    let folder = folder.join("scale");
    let database = Database::At(cluster.create_database()?);
    let installation = Installation::new(binary, &folder, database, &[("main", folder.clone())], "")?;
    installation.run(&["migrate"])?;
    let seconds = options.seconds;
    let scene =
        Scene { project, folder: &folder, cluster: &cluster, installation: &installation, all, seconds };
    scene.fill()?;
    scene.print_sizes()?;
    let mut rows = scene.verify_again()?;
    let api = installation.api()?;
    let mut serve = installation.start("serve", &["serve", "--no-worker", "--log", "warn"])?;
    api.wait_until_ready(&mut serve)?;
    for part in PARTS {
        scene.write_paths(&api, &part)?;
    }
    rows.extend(scene.pages(&api)?);
    rows.push(scene.summary(&api)?);
    rows.extend(scene.delete(&api)?);
    serve.check_runs()?;
    serve.terminate()?;
    Ok(rows)
}

impl Scene<'_> {
    fn sql(&self, statement: &str) -> anyhow::Result<String> {
        self.cluster.sql(&self.installation.database, statement)
    }

    fn number(&self, statement: &str) -> anyhow::Result<f64> {
        let text = self.sql(statement)?;
        text.parse().with_context(|| format!("{statement}: {text}"))
    }

    /// Fills the tables, two data types at a time, and makes the indexes afterwards, as the digests of so many records in their
    /// index one by one would take most of the time.
    fn fill(&self) -> anyhow::Result<()> {
        println!("Writing {} records …", self.all);
        let began = Instant::now();
        let (indexes, names) = (self.sql(INDEXES)?, self.sql(NAMES_OF_INDEXES)?);
        self.sql(&format!("DROP INDEX {names}"))?;
        let [large, others @ ..] = &PARTS;
        thread::scope(|scope| {
            let filling = scope.spawn(|| self.fill_part(large));
            others.iter().try_for_each(|part| self.fill_part(part))?;
            filling.join().map_err(|_| anyhow!("filling a table panicked"))?
        })?;
        println!("… written in {:.0} s", began.elapsed().as_secs_f64());
        for index in indexes.split(';') {
            self.sql(index)?;
        }
        println!("… with their indexes in {:.0} s", began.elapsed().as_secs_f64());
        self.sql("VACUUM (ANALYZE)")?;
        self.sql("CHECKPOINT")?;
        println!("… vacuumed in {:.0} s", began.elapsed().as_secs_f64());
        Ok(())
    }

    fn fill_part(&self, part: &Part) -> anyhow::Result<()> {
        let rows = part.rows(self.all);
        self.sql(&format!("INSERT INTO queues (model, storage) VALUES ({}, 'main')", part.number))?;
        for first in (1..=rows).step_by(usize::try_from(FILLED_AT_ONCE)?) {
            let last = rows.min(first + FILLED_AT_ONCE - 1);
            let statement = FILL
                .replace("MODEL", part.number)
                .replace("FROM_NUMBER", &first.to_string())
                .replace("TO_NUMBER", &last.to_string());
            self.sql(&statement)?;
        }
        Ok(())
    }

    fn print_sizes(&self) -> anyhow::Result<()> {
        for part in PARTS {
            let (table, rows) = (part.table(), part.rows(self.all));
            let heap = self.number(&format!("SELECT pg_table_size('{table}')"))?;
            let indexes = self.number(&format!("SELECT pg_indexes_size('{table}')"))?;
            let each = |bytes: f64| bytes / count(rows);
            println!(
                "{:<24} {rows:>10} records, {:.0} bytes each, {:.0} of its indexes",
                part.name,
                each(heap),
                each(indexes)
            );
        }
        Ok(())
    }

    /// Verifies one data type again and again, and looks at what becomes of its partition, and of the others.
    fn verify_again(&self) -> anyhow::Result<Vec<Row>> {
        let (table, rows) = (VERIFIED.table(), VERIFIED.rows(self.all));
        let size = format!("SELECT pg_total_relation_size('{table}')");
        let mut sizes = Vec::new();
        let mut rates = Vec::new();
        for round in 1..=ROUNDS {
            let wal = self.sql("SELECT pg_current_wal_lsn()")?;
            let seconds = self.verify_once(round, rows)?;
            let written = self.number(&format!("SELECT pg_current_wal_lsn() - '{wal}'::pg_lsn"))?;
            let bytes = self.number(&size)?;
            println!(
                "round {round}: {:.0} records/s, {:.0} bytes of WAL each, {:.0} MiB",
                count(rows) / seconds,
                written / count(rows),
                bytes / f64::from(1 << 20),
            );
            sizes.push(bytes);
            rates.push(count(rows) / seconds);
        }
        let others = self.sql(&format!(
            "SELECT COALESCE(sum(autovacuum_count), 0) || ' vacuums and ' || COALESCE(sum(n_dead_tup), 0) || ' dead rows' \
             FROM pg_stat_user_tables WHERE relname LIKE 'records\\_%' AND relname <> '{table}'"
        ))?;
        println!("the other data types meanwhile: {others}");
        let at = |round: usize, list: &[f64]| list.get(round - 1).copied().unwrap_or(f64::NAN);
        let mib = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
        Ok(vec![
            Row {
                what: format!("{ROUNDS} rounds over {rows} records: size, vs. after {SETTLED}"),
                figures: format!("{} to {}", mib(at(ROUNDS, &sizes)), mib(at(SETTLED, &sizes))),
                ratio: at(SETTLED, &sizes) / at(ROUNDS, &sizes),
                target: Some((0.9, 1.0)),
            },
            Row {
                what: "... records/s in the last round, vs. the first".to_owned(),
                figures: format!("{:.0}/s to {:.0}/s", at(ROUNDS, &rates), at(1, &rates)),
                ratio: at(ROUNDS, &rates) / at(1, &rates),
                target: Some((0.9, 1.0)),
            },
        ])
    }

    /// The seconds that a round takes, through the ports of the database.
    fn verify_once(&self, round: usize, rows: u64) -> anyhow::Result<f64> {
        let words = [
            "bench",
            "--locked",
            "--quiet",
            "--package",
            "stocktake-diesel-storage",
            "--bench",
            "scale",
            "--",
        ];
        let mut command = self.project.cargo(&words);
        command.args([&self.installation.database, VERIFIED.name, &round.to_string()]);
        let output = capture(&mut command)?;
        let told =
            output.lines().find_map(|line| line.strip_prefix("VERIFIED ")).with_context(|| output.clone())?;
        let (verified, seconds) = told.split_once(' ').with_context(|| output.clone())?;
        ensure!(verified == rows.to_string(), "{verified} records were verified instead of {rows}");
        seconds.parse().with_context(|| output.clone())
    }

    /// Writes paths of pages behind random keys to a file of the data type's name.
    fn write_paths(&self, api: &Api, part: &Part) -> anyhow::Result<()> {
        let list = list_path(part.name);
        // A cursor is opaque to a client; this one is of the first record, whose key is replaced by another one.
        let (_, first) = api.page(&format!("{list}?pagination=keyset&per_page=1"))?;
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(first.context("a page without a cursor")?)?)?;
        let known = plain.strip_suffix('1').with_context(|| plain.clone())?;
        let mut rng = Rng::new(1);
        let places: Vec<String> = (0..PLACES)
            .map(|_| {
                let key = rng.next_in(1..part.rows(self.all) - 30);
                let cursor = URL_SAFE_NO_PAD.encode(format!("{known}{key}"));
                format!("{list}?pagination=keyset&per_page=20&cursor={cursor}")
            })
            .collect();
        let (page, _) = api.page(places.first().context("no place")?)?;
        ensure!(page.len() == 20, "{} has {} records", places.join(" "), page.len());
        std::fs::write(self.folder.join(part.name), places.join("\n"))?;
        Ok(())
    }

    fn wrk(&self, api: &Api, part: &Part) -> anyhow::Result<f64> {
        wrk(api, &self.folder.join(part.name), self.seconds)
    }

    /// Pages at random places of the largest data type, compared with pgbench, and with a small data type.
    fn pages(&self, api: &Api) -> anyhow::Result<Vec<Row>> {
        let (mut large, mut small, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3 {
            let keys = 1..LARGE.rows(self.all);
            let (installation, number) = (self.installation, LARGE.number);
            theirs.push(pgbench(self.cluster, installation, self.folder, (number, keys), self.seconds)?);
            large.push(self.wrk(api, &LARGE)?);
            small.push(self.wrk(api, &SMALL)?);
        }
        let [large, small, theirs] = [large, small, theirs].map(|rates| median(&rates));
        let line = |what: String, theirs: f64, target| Row {
            what,
            figures: format!("{large:.0}/s to {theirs:.0}/s"),
            ratio: large / theirs,
            target: Some(target),
        };
        let (of_large, of_small) = (LARGE.rows(self.all), SMALL.rows(self.all));
        Ok(vec![
            line(format!("pages of 20 at random of {of_large}, vs. pgbench"), theirs, (0.2, 0.35)),
            line(format!("... vs. a data type of {of_small}"), small, (0.8, 0.9)),
        ])
    }

    /// The summary, counted anew each time, compared with one record.
    fn summary(&self, api: &Api) -> anyhow::Result<Row> {
        let one = format!("{}/{}", list_path(LARGE.name), LARGE.rows(self.all) / 2);
        let timed = |path: &str, pause: Duration| -> anyhow::Result<f64> {
            let mut found = Vec::new();
            for _ in 0..REQUESTS {
                sleep(pause);
                let began = Instant::now();
                api.get(path)?;
                found.push(began.elapsed().as_secs_f64() * 1000.0);
            }
            Ok(median(&found))
        };
        let (summary, one) = (timed("/api/v1/summary", EXPIRY)?, timed(&one, Duration::ZERO)?);
        Ok(Row {
            what: format!("summary of {} records, vs. one record", self.all),
            figures: format!("{summary:.1} ms to {one:.1} ms"),
            ratio: one / summary,
            target: None,
        })
    }

    /// Deletes all of a data type while pages of the largest are read.
    fn delete(&self, api: &Api) -> anyhow::Result<Vec<Row>> {
        // Without the maps of free and visible pages, which VACUUM may write at any moment.
        let size = format!(
            "SELECT CAST(pg_relation_size('{0}') + SUM(pg_relation_size(indexrelid)) AS bigint) FROM pg_index \
             WHERE indrelid = '{0}'::regclass",
            LARGE.table()
        );
        let (before, size_before) = (self.wrk(api, &LARGE)?, self.number(&size)?);
        let (meanwhile, seconds) = thread::scope(|scope| {
            let deleting = scope.spawn(|| {
                let began = Instant::now();
                self.sql(&format!("DELETE FROM {}", DELETED.table())).map(|_| began.elapsed().as_secs_f64())
            });
            let mut rates = Vec::new();
            while !deleting.is_finished() {
                rates.push(self.wrk(api, &LARGE)?);
            }
            let seconds = deleting.join().map_err(|_| anyhow!("the deletion panicked"))??;
            anyhow::Ok((median(&rates), seconds))
        })?;
        let began = Instant::now();
        self.sql(&format!("VACUUM {}", DELETED.table()))?;
        println!(
            "{} records deleted in {seconds:.0} s, their partition vacuumed in {:.0} s",
            DELETED.rows(self.all),
            began.elapsed().as_secs_f64(),
        );
        ensure!(self.number(&size)? <= size_before, "the other partition has grown");
        let after = self.wrk(api, &LARGE)?;
        let line = |what: &str, rate: f64, target| Row {
            what: what.to_owned(),
            figures: format!("{rate:.0}/s to {before:.0}/s"),
            ratio: rate / before,
            target,
        };
        Ok(vec![
            line("pages while another data type is deleted, vs. before", meanwhile, None),
            line("... afterwards", after, Some((0.9, 1.0))),
        ])
    }
}

/// The number of records as a floating-point number.
fn count(rows: u64) -> f64 {
    u32::try_from(rows).map_or(f64::INFINITY, f64::from)
}
