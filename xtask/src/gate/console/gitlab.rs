//! The console of a Stocktake whose catalogue comes from a GitLab: its sources, and a walk for orphans as a job. On PostgreSQL.

use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use stocktake_testbed::{GitlabFixture, GitlabOrphan, PgCluster, set_modified};

use super::{CHANGED, WIDTHS, journey, view};
use crate::browser::{Browser, Driver, Look};
use crate::installation::{Database, Installation};

/// Syncs a catalogue from the GitLab of the fixture, and looks at it with and without scripts.
pub(super) fn run(
    binary: &Path,
    folder: &Path,
    cluster: &PgCluster,
    driver: &Driver,
    axe: &str,
) -> anyhow::Result<()> {
    let url = cluster.create_database()?;
    let fixture = GitlabFixture::write(&folder.join("data"), &url)?;
    let served = fixture.serve()?;
    set_modified(&fixture.folder, UNIX_EPOCH + CHANGED)?;
    let source = format!(
        "[sources.gitlab]\ndatabase_url = {url:?}\nconfiguration = {:?}\nsecrets_file = {:?}\n",
        served.gitlab_rb.display().to_string(),
        served.secrets.display().to_string(),
    );
    let database = Database::At(cluster.create_database()?);
    let installation = Installation::new(binary, &folder.join("gitlab"), database, &[], &source)?;
    installation.run(&["sync"])?;
    let api = installation.api()?;
    let mut serve = installation.start("serve", &["serve"])?;
    api.wait_until_ready(&mut serve)?;
    // Of what container registries keep, nobody knows when it was changed.
    let orphans: Vec<_> = fixture.orphans.iter().filter(|orphan| orphan.size.is_some()).collect();
    for has_scripts in [true, false] {
        let browser = Browser::open(driver, &api.base, has_scripts)?;
        let seen = journey::sign_in(&browser, &api.token)
            .and_then(|()| see_sources(&browser, axe))
            .and_then(|()| walk(&browser, &orphans, axe));
        let closed = browser.close();
        seen.with_context(|| format!("scripts {has_scripts}; the log ends:\n{}", serve.log_end()))?;
        closed?;
    }
    serve.terminate()
}

/// Every data type, with when its rows were read.
fn see_sources(browser: &Browser<'_>, axe: &str) -> anyhow::Result<()> {
    browser.go("/console/sync")?;
    browser.expect("lfs_objects")?;
    let models = browser.evaluate("document.querySelectorAll('main tbody tr').length")?;
    ensure!(models.as_u64() >= Some(20), "{models} data types");
    in_all_widths(browser, "/console/sync", axe)
}

/// A page at each width, which stays at the last.
fn in_all_widths(browser: &Browser<'_>, page: &str, axe: &str) -> anyhow::Result<()> {
    for width in WIDTHS {
        browser.set_look(Look { width, is_dark: false })?;
        view(browser, page, Some(axe)).with_context(|| format!("{page} at {width} px"))?;
    }
    Ok(())
}

/// Walks, and finds the orphans and what nothing in the registry refers to.
fn walk(browser: &Browser<'_>, orphans: &[&GitlabOrphan], axe: &str) -> anyhow::Result<()> {
    journey::walk(browser)?;
    in_all_widths(browser, "/console/orphans", axe)?;
    let paths =
        browser.evaluate("[...document.querySelectorAll('main tbody td.all')].map(e => e.textContent)")?;
    let paths: Vec<&str> = paths.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for orphan in orphans {
        ensure!(
            paths.contains(&orphan.path.as_str()),
            "{orphan:?} is not listed:\n{paths:#?}\n{}",
            browser.text()
        );
    }
    browser.expect("Registries")?;
    browser.check_quiet()
}
