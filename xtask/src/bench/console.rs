//! Pages of the console over HTTP, compared with the API's keyset page of as many records, on PostgreSQL.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::blocking::Client;
use reqwest::header;
use reqwest::redirect::Policy;
use stocktake_testbed::PgCluster;

use super::measure::median;
use super::{Options, Row, list};
use crate::api::{Api, list_path};
use crate::installation::{Database, Installation};
use crate::machine;

const MODEL: &str = list::MODEL;

/// Requests of each page in a round.
const REQUESTS: usize = 50;

/// The ratio at which a page takes 1.5 times what the API's takes, as it is printed.
const TARGET: f64 = 0.67;

/// How long the summary may take, and how long it is shown again: twenty times as long.
const SUMMARY_MS: f64 = 10.0;
const SUMMARY_KEPT: Duration = Duration::from_millis(250);

/// Of twenty records one fails, with reasons of its own.
const FAILED: &str = "UPDATE records SET state = 3, failure_kind = 1, failure_cause = 'missing_file ' || path, \
    failed_at = baseline_at, failing_since = baseline_at, retry_count = 1, retry_at = 9000000000000 \
    WHERE ('x' || substr(path, 1, 2))::bit(8)::integer % 20 = 0";

/// What is measured: a name, an address, and whether it is as dear as the records that match or are looked at.
const PAGES: [(&str, &str, bool); 17] = [
    ("overview", "", false),
    ("records", "/models/lfs_objects", false),
    ("records, behind the middle", "/models/lfs_objects?after=MIDDLE", false),
    ("records, largest first", "/models/lfs_objects?sort=desc", false),
    ("records, failed", "/models/lfs_objects?state=failed", false),
    ("records, kind and storage", "/models/lfs_objects?kind=missing&storage=main", false),
    ("records, storage", "/models/lfs_objects?storage=main", false),
    ("records, text that one in 256 has", "/models/lfs_objects?text=0a%2F", true),
    ("records, text that none has", "/models/lfs_objects?text=no-such-text", true),
    ("records, the same, looked for further", "/models/lfs_objects?text=no-such-text&after=MIDDLE", true),
    ("records, one identifier", "/models/lfs_objects?identifiers=MIDDLE", false),
    ("records, failed, by first failure", "/models/lfs_objects?kind=missing&sort=failing_asc", true),
    ("records, too many to sort", "/models/lfs_objects?sort=size_desc", false),
    ("record", "/models/lfs_objects/MIDDLE", false),
    ("findings", "/findings", true),
    ("jobs", "/jobs", false),
    ("storages", "/storages", false),
];

/// Measures on PostgreSQL.
pub(super) fn measure(binary: &Path, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    let cluster = machine::postgres(|| PgCluster::start_with(&[]))?;
    let folder = folder.join("console");
    let database = Database::At(cluster.create_database()?);
    let installation = Installation::new(binary, &folder, database, &[("main", folder.clone())], "")?;
    list::fill(&installation, &cluster, options.rows())?;
    cluster.sql(&installation.database, FAILED)?;
    cluster.sql(&installation.database, "VACUUM (ANALYZE)")?;
    let api = installation.api()?;
    let mut serve = installation.start("serve", &["serve", "--no-worker", "--log", "warn"])?;
    api.wait_until_ready(&mut serve)?;
    let rows = compare(&api, options);
    serve.check_runs()?;
    serve.terminate()?;
    rows
}

fn compare(api: &Api, options: &Options) -> anyhow::Result<Vec<Row>> {
    let summary = summary(api)?;
    let console = Session::begin(api)?;
    let middle = (options.rows() / 2).to_string();
    let page = format!("{}?pagination=keyset&per_page=50", list_path(MODEL));
    let mut theirs = Vec::new();
    let mut ours = [const { Vec::new() }; PAGES.len()];
    for _ in 0..options.rounds {
        theirs.push(timed(|| api.page(&page).map(drop))?);
        for ((_, path, _), found) in PAGES.iter().zip(&mut ours) {
            let path = path.replace("MIDDLE", &middle);
            found.push(timed(|| console.get(&path))?);
        }
    }
    let theirs = median(&theirs);
    let line = |((name, _, is_as_dear_as_its_matches), found): (&(&str, &str, bool), &Vec<f64>)| {
        let ours = median(found);
        Row {
            what: format!("console at {} rows: {name}", options.rows()),
            figures: format!("{:.1} ms to {:.1} ms", ours * 1000.0, theirs * 1000.0),
            ratio: theirs / ours,
            target: (!is_as_dear_as_its_matches).then_some((TARGET, TARGET)),
        }
    };
    let summary = Row {
        what: format!("summary at {} rows, counted anew", options.rows()),
        figures: format!("{:.1} ms, to be within {SUMMARY_MS:.0}", summary * 1000.0),
        ratio: SUMMARY_MS / (summary * 1000.0),
        target: Some((1.0, 1.0)),
    };
    Ok(std::iter::once(summary).chain(PAGES.iter().zip(&ours).map(line)).collect())
}

/// The median of the seconds that the summary takes, each time when the counts before it are too old to be shown again.
fn summary(api: &Api) -> anyhow::Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..REQUESTS / 2 {
        sleep(SUMMARY_KEPT);
        let began = Instant::now();
        api.get("/api/v1/summary")?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    Ok(median(&seconds))
}

/// The median of the seconds that a request takes.
fn timed(mut request: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut seconds = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        request()?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    Ok(median(&seconds))
}

/// Somebody who is signed in.
struct Session {
    client: Client,
    base: String,
    cookie: String,
}

impl Session {
    fn begin(api: &Api) -> anyhow::Result<Self> {
        // The client could use TLS, though nothing here does. Somebody may have been earlier.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(Policy::none()).no_proxy().timeout(Duration::from_secs(60));
        let client = client.build()?;
        let base = format!("{}/console", api.base);
        let form = client.post(format!("{base}/login")).body(format!("token={}", api.token));
        let answer = form.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").send()?;
        let cookie = answer.headers().get(header::SET_COOKIE).context("nobody was signed in")?;
        let cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { client, base, cookie })
    }

    fn get(&self, path: &str) -> anyhow::Result<()> {
        let answer =
            self.client.get(format!("{}{path}", self.base)).header(header::COOKIE, &self.cookie).send()?;
        let status = answer.status();
        let body = answer.text()?;
        ensure!(status == 200 && body.contains("</html>"), "{path:?}: {status} {body}");
        Ok(())
    }
}
