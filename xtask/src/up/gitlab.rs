//! `cargo xtask up --gitlab`: a small GitLab, and a Stocktake that verifies it.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context as _, bail};
use stocktake_testbed::{GitlabFixture, GitlabOutcome, GitlabRecord, PgCluster};

use super::{LAST_LINE, Options, READY, prepare, wait};
use crate::api::{Api, STALL_TIMEOUT, list_path};
use crate::installation::{Database, Installation};
use crate::machine;
use crate::process::{POLL_INTERVAL, Process};
use crate::project::{Profile, Project};

/// How often the service looks for new rows: often, so that changes to the database show soon.
const INTERVAL: &str = "5s";

/// Writes the GitLab, serves it, and returns after Ctrl-C or SIGTERM.
pub(super) fn run(
    project: &Project,
    options: &Options,
    binary: &Path,
    stopped: &AtomicBool,
) -> anyhow::Result<()> {
    let name = if options.postgres { "var/gitlab-postgres" } else { "var/gitlab" };
    let folder = options.folder.clone().unwrap_or_else(|| project.root.join(name));
    let _lock = prepare(&folder)?;
    println!("Writing a small GitLab to {} …", folder.display());
    let cluster = machine::postgres(PgCluster::start)?;
    let url = cluster.create_database()?;
    let fixture = GitlabFixture::write(&folder.join("gitlab"), &url)?;
    let served = fixture.serve()?;
    let database = if options.postgres { Database::At(cluster.create_database()?) } else { Database::Sqlite };
    let text = |path: &Path| toml::Value::String(path.display().to_string());
    let section = format!(
        "[sources.gitlab]\ndatabase_url = {}\nconfiguration = {}\nsecrets_file = {}\ninterval = \"{INTERVAL}\"\n",
        toml::Value::String(url.clone()),
        text(&served.gitlab_rb),
        text(&served.secrets),
    );
    let installation = Installation::new(binary, &folder, database, &[], &section)?;
    installation.run(&["migrate"])?;
    let api = installation.api()?;

    println!("Reading {} rows and checksumming their files and repositories …", fixture.records.len());
    let mut serve = installation.start("serve", &["serve"])?;
    api.wait_until_ready(&mut serve)?;
    wait_for_rows(&api, &fixture, &mut serve)?;
    api.wait_until_done(&models(&fixture), &mut serve)?;
    println!("{}", welcome(project, &installation, &api, &fixture, &url)?);
    wait(stopped, &mut [serve])?;
    println!("Stopped. The files remain in {} until the next run.", folder.display());
    Ok(())
}

fn models(fixture: &GitlabFixture) -> Vec<&'static str> {
    let mut models: Vec<_> = fixture.records.iter().map(|record| record.model).collect();
    models.dedup();
    models
}

/// Waits until every row has a record.
fn wait_for_rows(api: &Api, fixture: &GitlabFixture, serve: &mut Process) -> anyhow::Result<()> {
    let begin = Instant::now();
    for model in models(fixture) {
        let last = fixture.of(model).last().context("a model without rows")?;
        let path = format!("{}/{}", list_path(model), last.id);
        while api.request(reqwest::Method::GET, &path)?.0 != 200 {
            serve.check_runs()?;
            if begin.elapsed() > STALL_TIMEOUT {
                bail!("{model}/{} did not appear; the log ends:\n{}", last.id, serve.log_end());
            }
            sleep(POLL_INTERVAL);
        }
    }
    Ok(())
}

/// Commands to try, with the output to expect.
fn welcome(
    project: &Project,
    installation: &Installation,
    api: &Api,
    fixture: &GitlabFixture,
    url: &str,
) -> anyhow::Result<String> {
    let failed = |record: &&GitlabRecord| matches!(record.outcome, GitlabOutcome::Failed { .. });
    let count = fixture.records.iter().filter(failed).count();
    let broken = fixture.of("projects").find(failed).context("the fixture has no broken project")?;
    let GitlabOutcome::Failed { text, .. } = &broken.outcome else {
        bail!("the broken project has another outcome")
    };
    let (base, token) = (&api.base, &api.token);
    let (binary, config) = (project.binary(Profile::Dev), installation.config());
    let (binary, config) = (project.relative(&binary).display(), project.relative(&config).display());
    Ok(format!(
        r#"
{READY}

    console        {base}/console   (sign in with the token)
    address        {base}
    token          {token}   (an administrator's)
    configuration  {config}
    GitLab's database  {url}

Things to try in another terminal:

# What is wrong, and in whose project or group: {count} findings.
curl -sS -H 'PRIVATE-TOKEN: {token}' '{base}/api/v1/findings?per_page=1000'

# A project's repository: "checksum_state":"failed" and
# "{text}".
curl -sS -H 'PRIVATE-TOKEN: {token}' '{base}{projects}/{id}'

# The progress of the sync.
curl -sS -H 'PRIVATE-TOKEN: {token}' '{base}/api/v1/sync'

# The same findings as a table, and the {orphans} files and repositories that no row claims.
{binary} --config {config} export
{binary} --config {config} orphans

{LAST_LINE}"#,
        projects = list_path("projects"),
        id = broken.id,
        orphans = fixture.orphans.len(),
    ))
}
