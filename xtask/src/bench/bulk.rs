//! Recalculation of all records of a model: how long the answer takes, how soon all are pending, and how long readers wait
//! meanwhile, compared with one record, with the bare UPDATE and with an idle service.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use reqwest::Method;
use stocktake_testbed::PgCluster;

use super::measure::median;
use super::{Options, Row, list};
use crate::api::{Api, list_path};
use crate::installation::{Database, Installation};
use crate::machine;

const MODEL: &str = list::MODEL;

/// Pages of each measurement of an idle service.
const REQUESTS: usize = 500;

/// Demands for a recalculation, and requests for one record, that are timed in each round, each after this pause: one alone takes
/// longer than one of many in a row, and a demand that comes while the same is under way makes nothing new.
const DEMANDS: usize = 5;
const PAUSE: Duration = Duration::from_millis(300);

/// Records that one bare UPDATE marks, as many as the largest step of a job.
const AT_ONCE: u64 = 10_000;

/// Forgets the jobs and what they marked, so that the next is the only one.
const RESET: &str = "DELETE FROM jobs; DELETE FROM mark_ranges; DELETE FROM marks";

/// How long after the demand all jobs are finished, in milliseconds; nothing before they are.
const MARKED: &str =
    "SELECT GREATEST(SUM(finished_at - created_at), 1) FROM jobs HAVING COUNT(*) = COUNT(finished_at)";

/// What is measured in one round, in seconds.
#[derive(Default)]
struct Found {
    get: Vec<f64>,
    answer: Vec<f64>,
    idle: Vec<f64>,
    meanwhile: Vec<f64>,
    marking: Vec<f64>,
    bare: Vec<f64>,
}

/// Measures on PostgreSQL, with a worker that marks and has no storage to read from.
pub(super) fn measure(binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    let cluster = machine::postgres(|| PgCluster::start_with(&[]))?;
    let folder = folder.join("bulk");
    let database = Database::At(cluster.create_database()?);
    let storages = [("main", folder.clone()), ("empty", folder.clone())];
    let installation = Installation::new(binary, &folder, database, &storages, "")?;
    list::fill(&installation, &cluster, options.rows())?;
    let api = installation.api()?;
    let mut serve = installation.start("serve", &["serve", "--storage", "empty", "--log", "warn"])?;
    api.wait_until_ready(&mut serve)?;
    let mut found = Found::default();
    for _ in 0..options.rounds {
        serve.check_runs()?;
        round(&api, &installation, &cluster, options.rows(), &mut found)?;
    }
    serve.terminate()?;
    Ok(table(&found, options.rows()))
}

fn round(
    api: &Api,
    installation: &Installation,
    cluster: &PgCluster,
    rows: u64,
    found: &mut Found,
) -> anyhow::Result<()> {
    let mut pages = Pages::new(api);
    let one = format!("{}/{}", list_path(MODEL), rows / 2);
    found.get.extend(spaced(|| api.get(&one).map(drop))?);
    found.idle.push(last_percent(timed(REQUESTS, || pages.read())?));
    found.answer.extend(spaced(|| demand(api))?);
    // They changed no record, because no worker reads any.
    cluster.sql(&installation.database, RESET)?;
    demand(api)?;
    let mut meanwhile = Vec::new();
    let took = loop {
        meanwhile.extend(timed(REQUESTS, || pages.read())?);
        let took = cluster.sql(&installation.database, MARKED)?;
        if !took.is_empty() {
            break took;
        }
    };
    found.meanwhile.push(last_percent(meanwhile));
    found.marking.push(took.parse::<f64>().with_context(|| took.clone())? / 1000.0);
    reset(installation, cluster)?;
    found.bare.push(bare(&mut pages, installation, cluster, rows)?);
    reset(installation, cluster)
}

/// Asks for the recalculation of all records.
fn demand(api: &Api) -> anyhow::Result<()> {
    let (status, body) = api.request(Method::PUT, &format!("{}/checksum", list_path(MODEL)))?;
    if status != 200 {
        bail!("the demand for a recalculation was answered with {status}: {body}");
    }
    Ok(())
}

/// Marks by the bare UPDATE, while pages are read as before.
fn bare(
    pages: &mut Pages<'_>,
    installation: &Installation,
    cluster: &PgCluster,
    rows: u64,
) -> anyhow::Result<f64> {
    let model = cluster.sql(&installation.database, list::MODEL_NUMBER)?;
    let sql = bare_updates(&model, rows)?;
    thread::scope(|scope| {
        let marking = scope.spawn(|| {
            let began = Instant::now();
            cluster.sql(&installation.database, &sql).map(|_| began.elapsed().as_secs_f64())
        });
        while !marking.is_finished() {
            pages.read()?;
        }
        marking.join().map_err(|_| anyhow!("the bare UPDATE panicked"))?
    })
}

/// Makes all records good again, and the table as it was.
fn reset(installation: &Installation, cluster: &PgCluster) -> anyhow::Result<()> {
    for sql in [RESET, list::CHECKSUMMED, "VACUUM (FULL, ANALYZE) records"] {
        cluster.sql(&installation.database, sql)?;
    }
    Ok(())
}

/// Pages of the list, one after the other, and from the start again.
struct Pages<'a> {
    api: &'a Api,
    next: String,
}

impl<'a> Pages<'a> {
    fn new(api: &'a Api) -> Self {
        Self { api, next: Self::first() }
    }

    fn first() -> String {
        format!("{}?pagination=keyset&per_page=20", list_path(MODEL))
    }

    fn read(&mut self) -> anyhow::Result<()> {
        let (_, cursor) = self.api.page(&self.next)?;
        let first = Self::first();
        self.next = cursor.map_or_else(|| first.clone(), |cursor| format!("{first}&cursor={cursor}"));
        Ok(())
    }
}

/// The seconds that each of the requests takes.
fn timed(count: usize, mut request: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Vec<f64>> {
    let timed = |_| {
        let began = Instant::now();
        request()?;
        Ok(began.elapsed().as_secs_f64())
    };
    (0..count).map(timed).collect()
}

/// The same of requests that each come alone.
fn spaced(mut request: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Vec<f64>> {
    let mut seconds = Vec::new();
    for _ in 0..DEMANDS {
        thread::sleep(PAUSE);
        seconds.extend(timed(1, &mut request)?);
    }
    Ok(seconds)
}

/// What 99 of a hundred are below.
fn last_percent(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let place = seconds.len().saturating_sub(1) * 99 / 100;
    seconds.get(place).copied().unwrap_or(f64::NAN)
}

/// The same columns of all records, range by range, each in a transaction of its own.
fn bare_updates(model: &str, rows: u64) -> anyhow::Result<String> {
    let mut sql = String::from("BEGIN");
    // A key is its number as big-endian bytes with the sign bit flipped.
    let key = |number: u64| format!("'\\x{:016x}'", number ^ (1 << 63));
    for first in (1..=rows).step_by(usize::try_from(AT_ONCE)?) {
        write!(
            sql,
            "; UPDATE records_{model} SET state = 0, due_at = 1, attempt = attempt + 1, retry_at = NULL \
             WHERE model = {model} AND key >= {} AND key < {}; COMMIT; BEGIN",
            key(first),
            key(first + AT_ONCE),
        )?;
    }
    Ok(sql + "; COMMIT")
}

fn table(found: &Found, rows: u64) -> Vec<Row> {
    let millis = |seconds: f64| format!("{:.1} ms", seconds * 1000.0);
    let line = |what: String, ours: f64, theirs: f64, target| Row {
        what,
        figures: format!("{} to {}", millis(ours), millis(theirs)),
        ratio: theirs / ours,
        target: Some(target),
    };
    let [get, answer, idle, meanwhile, marking, bare] =
        [&found.get, &found.answer, &found.idle, &found.meanwhile, &found.marking, &found.bare]
            .map(|list| median(list));
    vec![
        line(format!("answer, recalculation of {rows} rows, vs. one record"), answer, get, (0.5, 1.0)),
        line("... p99 of pages meanwhile, vs. idle".to_owned(), meanwhile, idle, (0.5, 0.5)),
        line("... all pending, vs. the bare UPDATE in batches".to_owned(), marking, bare, (0.8, 0.95)),
    ]
}
