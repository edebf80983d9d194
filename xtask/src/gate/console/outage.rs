//! What the console shows while its database is away, does not answer in time, or lacks something; and that it recovers.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use stocktake_testbed::PgCluster;

use super::{WIDTHS, journey, view};
use crate::api::Api;
use crate::browser::{Browser, Driver, Look};
use crate::installation::Installation;
use crate::process::Process;

/// How long the service waits for an answer of the database, so that nobody has to wait long for a slow page.
const TIMEOUT: (&str, &str) = ("STOCKTAKE__DATABASE__TIMEOUT", "1s");

/// How long the database may take to lock a table.
const LOCK: Duration = Duration::from_secs(20);

/// A page that reads the table below, which nothing else does while no walk is under way.
const PAGE: &str = "/console/orphans";
const TABLE: &str = "unreferenced_pieces";

/// Looks at a service of the installation, in which a walk has ended. Without a server its database is a file.
pub(super) fn run(
    installation: &Installation,
    api: &Api,
    server: Option<&PgCluster>,
    driver: &Driver,
    axe: &str,
) -> anyhow::Result<()> {
    let mut command = installation.command(&["serve"]);
    let log = installation.config().with_file_name("outage.log");
    let mut serve = Process::start("serve", command.env(TIMEOUT.0, TIMEOUT.1), &log)?;
    api.wait_until_ready(&mut serve)?;
    let browser = Browser::open(driver, &api.base, true)?;
    let url = installation.database.as_str();
    let seen = journey::sign_in(&browser, &api.token).and_then(|()| match server {
        None => {
            let file = installation.config().with_file_name("stocktake.db");
            away_as_file(&browser, &file, axe).context("a file that is moved")
        }
        Some(cluster) => {
            away_as_server(&browser, cluster, axe).context("a server that is stopped")?;
            slow(&browser, cluster, url, axe).context("a table that is locked")?;
            fault(&browser, cluster, url, axe).context("a table that is gone")
        }
    });
    let closed = browser.close();
    seen.with_context(|| format!("the log ends:\n{}", serve.log_end()))?;
    closed?;
    serve.terminate()
}

fn away_as_file(browser: &Browser<'_>, file: &Path, axe: &str) -> anyhow::Result<()> {
    let elsewhere = file.with_extension("away");
    fs::rename(file, &elsewhere)?;
    let seen = see(browser, "The database cannot be used", axe);
    fs::rename(&elsewhere, file)?;
    seen?;
    browser.press_text("Try now")?;
    recovered(browser)
}

/// Nobody presses anything for the page to come back.
fn away_as_server(browser: &Browser<'_>, cluster: &PgCluster, axe: &str) -> anyhow::Result<()> {
    cluster.stop()?;
    let seen = see(browser, "The database does not answer", axe);
    cluster.restart()?;
    seen?;
    recovered(browser)
}

fn slow(browser: &Browser<'_>, cluster: &PgCluster, url: &str, axe: &str) -> anyhow::Result<()> {
    let lock = format!("BEGIN; LOCK TABLE {TABLE}; SELECT pg_sleep({})", LOCK.as_secs() * 3);
    let mut command = cluster.command("psql");
    command.args(["--no-psqlrc", "--quiet", url, "--command", &lock]);
    let mut holder = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let holds = format!(
        "FROM pg_locks WHERE relation = '{TABLE}'::regclass AND mode = 'AccessExclusiveLock' AND granted"
    );
    let begin = Instant::now();
    while cluster.sql(url, &format!("SELECT count(*) {holds}"))? == "0" {
        ensure!(begin.elapsed() < LOCK, "{TABLE} is not locked");
        sleep(Duration::from_millis(50));
    }
    let seen = see(browser, "The database does not answer in time", axe);
    // The server would go on sleeping without its client.
    cluster.sql(url, &format!("SELECT pg_terminate_backend(pid) {holds}"))?;
    holder.wait()?;
    seen?;
    browser.press_text("Try now")?;
    recovered(browser)
}

fn fault(browser: &Browser<'_>, cluster: &PgCluster, url: &str, axe: &str) -> anyhow::Result<()> {
    cluster.sql(url, &format!("ALTER TABLE {TABLE} RENAME TO gone"))?;
    let seen = see(browser, "Something went wrong", axe);
    cluster.sql(url, &format!("ALTER TABLE gone RENAME TO {TABLE}"))?;
    seen?;
    // Whoever is signed in still is, and gets on from there.
    browser.press_text("Orphans")?;
    recovered(browser)
}

/// The page, narrow and wide, is one that says this.
fn see(browser: &Browser<'_>, title: &str, axe: &str) -> anyhow::Result<()> {
    for (width, is_dark) in WIDTHS.into_iter().zip([true, false]) {
        browser.set_look(Look { width, is_dark })?;
        view(browser, PAGE, Some(axe)).with_context(|| format!("{title} at {width} px"))?;
        browser.expect(title)?;
        browser.expect("Request")?;
    }
    Ok(())
}

/// The page shows again what it should.
fn recovered(browser: &Browser<'_>) -> anyhow::Result<()> {
    browser.expect("Unreferenced in registries")?;
    // Of each answer that is an error the browser's log has a line.
    browser.forget_log()?;
    browser.go(PAGE)?;
    browser.check_quiet()
}
