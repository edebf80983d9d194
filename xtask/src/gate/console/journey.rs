//! What a person does in the console.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use thirtyfour::By;

use crate::api::Api;
use crate::browser::Browser;

/// How long a walk through the storages may take.
const WALK: Duration = Duration::from_secs(90);

/// Everything, once signed in. The record with this key is altered, and is not afterwards.
pub(super) fn all(browser: &Browser<'_>, api: &Api, altered: usize) -> anyhow::Result<()> {
    filter(browser).context("filter")?;
    turn_pages(browser).context("turn pages")?;
    sort(browser).context("sort")?;
    follow_failures(browser).context("follow failures")?;
    see_workers(browser).context("see workers")?;
    recalculate_and_accept(browser, altered).context("recalculate and accept")?;
    bulk_and_cancel(browser).context("bulk and cancel")?;
    download(browser, api).context("download")?;
    browser.check_quiet()?;
    sign_out(browser).context("sign out")
}

/// With a wrong token, and then with the right one.
pub(super) fn sign_in(browser: &Browser<'_>, token: &str) -> anyhow::Result<()> {
    browser.go("/console/models/supply_chain_attestations")?;
    browser.expect("Sign in")?;
    browser.present("stk-wrong")?;
    browser.expect("Invalid token")?;
    browser.forget_log()?;
    browser.present(token)?;
    browser.expect("Filter")?;
    let path = browser.path()?;
    ensure!(path == "/console/models/supply_chain_attestations", "signed in, and at {path}");
    browser.check_quiet()
}

/// Begins a walk through the storages, and waits until what it found is shown.
pub(super) fn walk(browser: &Browser<'_>) -> anyhow::Result<()> {
    browser.go("/console/orphans")?;
    browser.press_text("Walk now")?;
    browser.expect("The walk was asked for.")?;
    let begin = Instant::now();
    loop {
        browser.go("/console/orphans")?;
        let text = browser.text();
        if text.contains("Walk now") && text.contains("as the walk found that ended") {
            return Ok(());
        }
        ensure!(begin.elapsed() < WALK, "the walk does not end:\n{text}");
        sleep(Duration::from_millis(500));
    }
}

fn filter(browser: &Browser<'_>) -> anyhow::Result<()> {
    browser.go("/console/models/supply_chain_attestations")?;
    browser.expect("120 records.")?;
    browser.write("State", "Failed")?;
    browser.press_text("Filter")?;
    browser.expect("of 120 records match.")?;
    let path = browser.path()?;
    ensure!(path.contains("state=failed"), "filtered, and at {path}");
    browser.expect("U+202E")?;
    browser.write("Kind of failure", "Missing")?;
    browser.write("Storage", "odd")?;
    browser.write("Path or text contains", "<script>")?;
    browser.press_text("More filters")?;
    browser.write("Identifiers, separated by commas", "1, 2, 3")?;
    browser.press_text("Filter")?;
    browser.expect("1 of 120 records matches.")?;
    let path = browser.path()?;
    ensure!(path.contains("kind=missing&storage=odd&text=%3Cscript%3E"), "filtered, and at {path}");
    browser.press_text("Clear 5 filters")?;
    browser.expect("120 records.")
}

/// By each order that there is, to its last page and back; the address keeps the order.
fn sort(browser: &Browser<'_>) -> anyhow::Result<()> {
    for order in [
        "Last check, oldest first",
        "Last check, newest first",
        "Size, largest first",
        "Size, smallest first",
        "First failure, oldest first",
        "First failure, newest first",
    ] {
        // What failed is read again meanwhile, and has another place then.
        let filter = if order.starts_with("Last check") { "?state=succeeded" } else { "" };
        browser.go(&format!("/console/models/supply_chain_attestations{filter}"))?;
        browser.write("Sort by", order)?;
        browser.press_text("Filter")?;
        browser.expect(&format!("Records, by {}", order.to_lowercase()))?;
        let listed = "[...document.querySelectorAll('tbody th')].map(e => e.innerText).join()";
        let first = browser.evaluate(listed)?;
        for turn in ["Next page", "Next page", "Previous page", "Previous page"] {
            let path = browser.path()?;
            browser.press_text(turn)?;
            browser.expect_other(&path)?;
        }
        let again = browser.evaluate(listed)?;
        ensure!(first == again, "{order}: the first page is another one on the way back");
    }
    browser.go("/console/models/supply_chain_attestations?state=failed&sort=failing_asc")?;
    browser.expect("Failing for")
}

fn turn_pages(browser: &Browser<'_>) -> anyhow::Result<()> {
    browser.press_text("Next page")?;
    browser.expect("file-51.bin")?;
    browser.press_text("Previous page")?;
    browser.expect("file-50.bin")
}

/// From the overview to the group of a storage's failures, and to its records.
fn follow_failures(browser: &Browser<'_>) -> anyhow::Result<()> {
    browser.go("/console")?;
    browser.expect("Failures by storage and kind")?;
    browser.press_text("odd")?;
    browser.expect("Storage odd: 1 missing")?;
    let path = browser.path()?;
    ensure!(path.ends_with("/console/findings?storage=odd"), "followed, and at {path}");
    browser.press(By::Css("section.finding a"))?;
    browser.expect("records match")?;
    let path = browser.path()?;
    ensure!(path.contains("?kind=") && path.ends_with("&storage=odd"), "followed, and at {path}");
    Ok(())
}

/// The one that the service has is there, on this host.
fn see_workers(browser: &Browser<'_>) -> anyhow::Result<()> {
    browser.go("/console/jobs")?;
    browser.expect("Workers")?;
    browser.expect("process ")?;
    browser.expect("Last seen")
}

fn recalculate_and_accept(browser: &Browser<'_>, altered: usize) -> anyhow::Result<()> {
    browser.go(&format!("/console/models/supply_chain_attestations/{altered}"))?;
    browser.expect("Failed: altered.")?;
    browser.press_text("Recalculate")?;
    browser.expect("The content was read again, and is not good")?;
    browser.press_text("Accept content…")?;
    browser.press_text("Accept content")?;
    browser.expect("The content as it is now counts as good from now on.")?;
    browser.press_text("Recalculate")?;
    browser.expect("The content was read again, and is good.")?;
    browser.check_quiet()
}

/// A job over many records, which is cancelled while it runs.
fn bulk_and_cancel(browser: &Browser<'_>) -> anyhow::Result<()> {
    browser.go("/console/models/merge_request_diffs?state=disabled")?;
    browser.press(By::Css("details.confirm > summary"))?;
    browser.press(By::Css("details.confirm button[type=submit]"))?;
    browser.expect("The job was queued.")?;
    browser.press(By::Css("td.act button"))?;
    browser.expect("The job was cancelled.")?;
    browser.expect("Cancelled")
}

/// Exactly what the API gives.
fn download(browser: &Browser<'_>, api: &Api) -> anyhow::Result<()> {
    browser.go("/console/findings?model=supply_chain_attestations")?;
    let client = stocktake_testbed::http_client(Duration::from_secs(60))?;
    let of = |path: &str, name: &str, value: &str| -> anyhow::Result<String> {
        let answer = client.get(format!("{}{path}", api.base)).header(name, value).send()?;
        Ok(answer.error_for_status()?.text()?)
    };
    let saved = of("/console/findings.csv?model=supply_chain_attestations", "Cookie", &browser.cookie()?)?;
    let given = of(
        "/api/v1/findings?model_name=supply_chain_attestations&format=csv&per_page=1000",
        "PRIVATE-TOKEN",
        &api.token,
    )?;
    ensure!(saved == given, "the console saves {saved:?}, and the API gives {given:?}");
    browser.expect("Download CSV")
}

fn sign_out(browser: &Browser<'_>) -> anyhow::Result<()> {
    browser.go("/console")?;
    browser.press_text("Sign out")?;
    browser.expect("Access token")?;
    browser.go("/console/jobs")?;
    browser.expect("Access token")
}
