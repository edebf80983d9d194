//! The speed of reading job artifacts and uploads by pages, compared with `COPY` of the same statement without its limit
//! on the same database in the same run; its output is discarded.
//!
//! `cargo bench -p stocktake-source-gitlab --bench read -- --rows 1000000` gives the figures to quote, with that many rows
//! of each model. `--page` is the number of rows in a page. Quote ratios, measured on an idle machine.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _};
use stocktake_domain::ports::Source as _;
use stocktake_domain::{Model, ObjectType};
use stocktake_source_gitlab::{GitlabSettings, GitlabSource, Storages, Stores};
use stocktake_testbed::{GitlabDatabase, bench_argument, postgres};
use tokio_postgres::{Client, NoTls};

// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    let (rows, page, rounds) =
        (bench_argument("--rows", 200_000), bench_argument("--page", 5_000), bench_argument("--rounds", 3));
    let url = postgres().create_database().unwrap();
    GitlabDatabase::load(&url).unwrap();
    GitlabDatabase::multiply(&url, rows).unwrap();
    let source = GitlabSource::new(GitlabSettings::new(url.as_str().into(), storages())).unwrap();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    println!("{rows} rows of each, pages of {page}, median of {rounds} rounds");
    for model in [Model::CiJobArtifacts, Model::Uploads] {
        let statement = source.statement(model).await.unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            theirs.push(copy(&client, &statement).await);
            ours.push(read(&source, model, page).await);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let speed = |time: Duration| rows as f64 / time.as_secs_f64();
        println!(
            "{model}: {:.0} rows/s, COPY {:.0} rows/s, ratio {:.2}",
            speed(ours),
            speed(theirs),
            theirs.as_secs_f64() / ours.as_secs_f64()
        );
    }
}

fn storages() -> Storages {
    let stores = Stores { local: Some("disk".to_owned()), object: Some("bucket".to_owned()) };
    let files: BTreeMap<_, _> =
        ObjectType::ALL.into_iter().map(|object_type| (object_type, stores.clone())).collect();
    Storages { files, ..Storages::default() }
}

/// The time to read all rows by pages.
async fn read(source: &GitlabSource, model: Model, limit: u64) -> Duration {
    let begin = Instant::now();
    let (mut after, mut count) = (None, 0);
    loop {
        let page = source.page(model, after.take(), u32::try_from(limit).unwrap()).await.unwrap();
        count += page.rows.len();
        match page.read_to {
            Some(key) => after = Some(key),
            None => break,
        }
    }
    assert!(count > 0);
    begin.elapsed()
}

/// The time to copy the same rows and discard them.
async fn copy(client: &Client, statement: &str) -> Duration {
    let all = statement.replace("> $1", "> 0").replace("LIMIT $2", "");
    let begin = Instant::now();
    let copied = client.copy_out(&format!("COPY ({all}) TO STDOUT")).await.unwrap();
    let bytes = copied.boxed().try_fold(0, async |sum, piece| Ok(sum + piece.len())).await.unwrap();
    assert!(bytes > 0);
    begin.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    *times.get(times.len() / 2).unwrap()
}
