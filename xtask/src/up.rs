//! `cargo xtask up`: a running Stocktake with sample data, or with a small GitLab.

mod gitlab;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;

use anyhow::{Context as _, bail};
use clap::Args;
use stocktake_testbed::{Outcome, PgCluster, Sample, SampleRecord};

use crate::api::{Api, list_path};
use crate::installation::{Database, Installation};
use crate::machine;
use crate::process::{POLL_INTERVAL, Process};
use crate::project::{Profile, Project};
use crate::sample_service::SampleService;

/// The first line that is printed when everything is ready.
pub(crate) const READY: &str = "Stocktake is running.";

/// The last line that is printed when everything is ready.
pub(crate) const LAST_LINE: &str = "Press Ctrl-C to stop.";

/// Options of `up`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keep the records in a private PostgreSQL cluster instead of SQLite
    #[arg(long)]
    postgres: bool,
    /// Also start this many `stocktake worker` processes (requires --postgres)
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "postgres")]
    workers: u32,
    /// Instead of the sample, serve a small GitLab with known faults, its database in a private PostgreSQL cluster
    #[arg(long, conflicts_with = "workers")]
    gitlab: bool,
    /// Where to write the sample; the files of an earlier run there are replaced
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Builds the program, writes and serves a sample, and returns after Ctrl-C or SIGTERM.
pub(crate) fn run(project: &Project, options: &Options) -> anyhow::Result<()> {
    let stopped = crate::stop_flag()?;
    let binary = project.build(Profile::Dev)?;
    if options.gitlab {
        return gitlab::run(project, options, &binary, &stopped);
    }
    let name = if options.postgres { "var/sample-postgres" } else { "var/sample" };
    let folder = options.folder.clone().unwrap_or_else(|| project.root.join(name));
    let _lock = prepare(&folder)?;

    let database = if options.postgres {
        Database::Postgres(machine::postgres(PgCluster::start)?)
    } else {
        Database::Sqlite
    };
    println!("Writing the sample to {} and checksumming it …", folder.display());
    let service = SampleService::start(&binary, &folder, database)?;
    let SampleService { serve, api, installation, served, sample } = service;
    let mut workers = (1..=options.workers)
        .map(|number| installation.start(&format!("worker-{number}"), &["worker"]))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let registry = served.registry.as_ref().map_or("a registry's directory", |_| "a container registry");
    println!("{}", welcome(project, &installation, &api, &sample, registry)?);

    workers.push(serve);
    wait(&stopped, &mut workers)?;
    println!("Stopped. The sample remains in {} until the next run.", folder.display());
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM, and stops the processes.
fn wait(stopped: &AtomicBool, processes: &mut [Process]) -> anyhow::Result<()> {
    while !stopped.load(Ordering::Relaxed) {
        processes.iter_mut().try_for_each(Process::check_runs)?;
        sleep(POLL_INTERVAL * 5);
    }
    println!("Stopping …");
    processes.iter_mut().try_for_each(Process::terminate)
}

/// Replaces the folder with an empty one. The returned file locks it against other runs until it is dropped.
fn prepare(folder: &Path) -> anyhow::Result<File> {
    let parent = folder.parent().context("the folder of the sample has no parent")?;
    fs::create_dir_all(parent)?;
    let lock = File::create(folder.with_extension("lock"))?;
    if lock.try_lock().is_err() {
        bail!(
            "another `cargo xtask up` is using {}; stop it first, or choose another --folder",
            folder.display()
        );
    }
    let marker = folder.join("stocktake.toml");
    if folder.exists() && !marker.exists() && fs::read_dir(folder)?.next().is_some() {
        bail!("{} was not written by an earlier run; choose another --folder", folder.display());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::write(marker, "")?;
    Ok(lock)
}

/// Commands to try, with the output to expect.
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
        bail!("uploads 1 and 117 of the sample have other outcomes");
    };
    let (base, token) = (&api.base, &api.token);
    let uploads = list_path("uploads");
    let file = sample.root("main").join("uploads/01/file-001.bin");
    Ok(format!(
        r#"
{READY}

    console        {base}/console   (sign in with the token)
    address        {base}
    token          {token}   (an administrator's)
    configuration  {config}

Three things to try in another terminal:

# The first three uploads: 200 and a JSON array, each "checksum_state":"succeeded".
curl -sS --globoff -H 'PRIVATE-TOKEN: {token}' '{base}{uploads}?per_page=3'

# A file that was modified after it was stored: "checksum_state":"failed" and
# "{failure}".
curl -sS -H 'PRIVATE-TOKEN: {token}' '{base}{uploads}/117'

# Recalculate one checksum: "succeeded" with {digest},
# which is what `sha256sum {file}` prints.
curl -sS -X PUT -H 'PRIVATE-TOKEN: {token}' '{base}{uploads}/1/checksum'

Uploads 118 (missing), 119 (a link that leaves the storage) and 120 (`..`) failed as well. All 20 data types have
records, in directories, git repositories, an S3 server and {registry}: {base}/api/v1/summary.
{LAST_LINE}"#,
        config = project.relative(&installation.config()).display(),
        file = project.relative(&file).display(),
    ))
}
