//! A running Stocktake with a sample to look at, or with a small GitLab.

mod gitlab;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use stocktake_testbed::{Outcome, PgCluster, Sample, SampleRecord};

use crate::api::{Api, list_path};
use crate::installation::{Database, Installation};
use crate::machine;
use crate::process::{LOOK, Process};
use crate::project::{Profile, Project};

/// How long the sample may show no progress at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// The line after which everything is ready.
pub(crate) const READY: &str = "Stocktake is running.";

/// The last line before it waits.
pub(crate) const LAST_LINE: &str = "Ctrl-C ends it all.";

/// Options of `up`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keep the records in a private `PostgreSQL` cluster instead of SQLite
    #[arg(long)]
    postgres: bool,
    /// Start so many `stocktake worker` processes besides (needs --postgres)
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "postgres")]
    workers: u32,
    /// Instead of the sample, a small GitLab: its database in a private `PostgreSQL` cluster, its files, its faults
    #[arg(long, conflicts_with = "workers")]
    gitlab: bool,
    /// Where to put the sample; what an earlier run left there is replaced
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Builds, fills a sample, serves it, and returns after Ctrl-C or SIGTERM.
pub(crate) fn run(project: &Project, options: &Options) -> anyhow::Result<()> {
    let stopped = crate::stop_signal()?;
    let binary = project.build(Profile::Dev)?;
    if options.gitlab {
        return gitlab::run(project, options, &binary, &stopped);
    }
    let name = if options.postgres { "var/sample-postgres" } else { "var/sample" };
    let folder = options.folder.clone().unwrap_or_else(|| project.root.join(name));
    let _only_one = empty(&folder)?;

    println!("Writing a sample storage to {} …", folder.display());
    let sample = Sample::write(&folder.join("storage"))?;
    let database = if options.postgres {
        Database::Postgres(machine::postgres(PgCluster::start)?)
    } else {
        Database::Sqlite
    };
    let served = sample.serve()?;
    let installation = Installation::new(&binary, &folder, database, &[], &served.configuration)?;
    installation.run(&["migrate"])?;
    installation.import_sample(&sample)?;
    let api = installation.api()?;

    println!("Checksumming {} records …", sample.records.len());
    let mut serve = installation.start("serve", &["serve"])?;
    let mut workers = (1..=options.workers)
        .map(|number| installation.start(&format!("worker-{number}"), &["worker"]))
        .collect::<anyhow::Result<Vec<_>>>()?;
    api.wait_until_ready(&mut serve)?;
    api.wait_until_done(&sample.models(), &mut serve, PATIENCE)?;
    let registry = served.registry.as_ref().map_or("a registry's directory", |_| "a container registry");
    println!("{}", welcome(project, &installation, &api, &sample, registry)?);

    workers.push(serve);
    wait(&stopped, &mut workers)?;
    println!("Stopped. The sample stays in {} until the next run.", folder.display());
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM, and ends the processes.
fn wait(stopped: &AtomicBool, processes: &mut [Process]) -> anyhow::Result<()> {
    while !stopped.load(Ordering::Relaxed) {
        processes.iter_mut().try_for_each(Process::check_runs)?;
        sleep(LOOK * 5);
    }
    println!("Stopping …");
    processes.iter_mut().try_for_each(Process::terminate)
}

/// Makes the folder anew, and keeps others out of it while the returned file lives.
fn empty(folder: &Path) -> anyhow::Result<File> {
    let parent = folder.parent().context("no folder to put the sample in")?;
    fs::create_dir_all(parent)?;
    let lock = File::create(folder.with_extension("lock"))?;
    if lock.try_lock().is_err() {
        bail!(
            "another `cargo xtask up` is running in {}; end it first, or choose another --folder",
            folder.display()
        );
    }
    let marker = folder.join("stocktake.toml");
    if folder.exists() && !marker.exists() && fs::read_dir(folder)?.next().is_some() {
        bail!("{} is not from an earlier run; choose another --folder", folder.display());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::write(marker, "")?;
    Ok(lock)
}

/// What to try, with the answers to expect.
fn welcome(
    project: &Project,
    installation: &Installation,
    api: &Api,
    sample: &Sample,
    registry: &str,
) -> anyhow::Result<String> {
    let uploads: Vec<&SampleRecord> = sample.of("uploads").collect();
    let find = |identifier: &str| uploads.iter().find(|record| record.identifier == identifier);
    let (good, bad) = (find("1").context("no upload 1")?, find("117").context("no upload 117")?);
    let (Outcome::Succeeded(digest), Outcome::Failed { text: failure, .. }) = (&good.outcome, &bad.outcome)
    else {
        bail!("the sample is not what it was");
    };
    let (base, token) = (&api.base, &api.token);
    let uploads = list_path("uploads");
    let file = sample.root("main").join("uploads/01/file-001.bin");
    let config = installation.config();
    let short = |path: &Path| path.strip_prefix(&project.root).unwrap_or(path).display().to_string();
    Ok(format!(
        r#"
{READY}

    address        {base}
    token          {token}   (an administrator's)
    configuration  {config}

Three things to try in another terminal:

# The first three uploads: 200 and a JSON array, each "checksum_state":"succeeded".
curl -sS --globoff -H 'PRIVATE-TOKEN: {token}' '{base}{uploads}?per_page=3'

# A file that was altered after it was stored: "checksum_state":"failed" and
# "{failure}".
curl -sS -H 'PRIVATE-TOKEN: {token}' '{base}{uploads}/117'

# Calculate one checksum anew: "succeeded" with {digest},
# which is what `sha256sum {file}` prints.
curl -sS -X PUT -H 'PRIVATE-TOKEN: {token}' '{base}{uploads}/1/checksum'

Uploads 118 (missing), 119 (a link out of its storage) and 120 (`..`) failed too. All 19 data types have
records, in directories, git repositories, an S3 server and {registry}: {base}/api/v1/summary.
{LAST_LINE}"#,
        config = short(&config),
        file = short(&file),
    ))
}
