//! The console in a real Chromium: each page in light and dark, narrow and wide, with and without scripts; and what a person
//! does there, from signing in to signing out.

mod gitlab;
mod journey;
mod outage;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use serde_json::json;
use stocktake_testbed::{PgCluster, PushedImage, Registry, RegistrySetup, Sample, set_modified};

use crate::api::Api;
use crate::browser::{Browser, Driver, Look};
use crate::installation::{Database, Installation};
use crate::machine;
use crate::project::{Profile, Project, capture};

/// A file name that would be markup, colour a terminal and turn the direction of writing, if it were let.
const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[31m\u{202e}gpj.exe";

/// How many records there are to turn pages over, and to have a job that lasts.
const MANY: usize = 120;
const SWITCHED_OFF: usize = 60_000;

/// The records whose content is not the recorded: for the journey with scripts, and for that without.
const ALTERED: [usize; 2] = [1, 3];

/// The data types that they are of, of which the sample's are left out.
const MODEL: &str = "supply_chain_attestations";
const OFF: &str = "merge_request_diffs";

/// The storage that is a registry's folder.
const REGISTRY: &str = "hub";

/// When its files and those of the GitLab were changed, since 1970: in 2020, which no walk takes for too new.
const CHANGED: Duration = Duration::from_secs(1_577_836_800);

/// The widths in pixels: the narrowest telephone, and a usual screen.
const WIDTHS: [u32; 2] = [320, 1280];

/// Runs the step.
pub(super) fn run(project: &Project) -> anyhow::Result<()> {
    machine::program("chromium", "chromium")?;
    machine::program("chromedriver", "chromium-driver")?;
    let binary = project.build(Profile::Dev)?;
    let folder = tempfile::Builder::new().prefix("stocktake-console-").tempdir()?;
    let folder = folder.path();
    let cluster = machine::postgres(PgCluster::start)?;
    let driver = Driver::start(folder)?;
    let axe = axe(project)?;
    let registry = Registry::start(&RegistrySetup::default())?;
    let left = leave_in(&registry)?;
    let sample = Sample::write(&folder.join("storage"))?;
    let served = sample.serve()?;
    let root = registry.folder().display().to_string();
    // What is said of the second is long, and has no place where a line could end.
    let gone = folder.join("gone".repeat(50)).display().to_string();
    let registries = [(REGISTRY, root), ("gone", gone)]
        .map(|(name, root)| format!("[storages.{name}]\nkind = \"registry-directory\"\nroot = {root:?}\n"));
    let more = format!("{}\n{}", served.configuration, registries.join("\n"));
    for (name, server) in [("sqlite", None), ("postgres", Some(&cluster))] {
        let database = match server {
            None => Database::Sqlite,
            Some(cluster) => Database::At(cluster.create_database()?),
        };
        let place = folder.join(name);
        let odd = place.join("odd");
        let storages = [("odd", odd.clone())];
        let installation =
            Installation::new(&binary, &place.join("installation"), database, &storages, &more)?;
        import(&installation, &sample, &odd)?;
        let (api, left) = (installation.api()?, left.manifest.as_str());
        // What axe-core looks at is the same on both.
        let of_pages = server.is_none().then_some(axe.as_str());
        serve(&installation, &api, &sample, || look(&driver, &api, of_pages, left)).context(name)?;
        outage::run(&installation, &api, server, &driver, &axe).context(name)?;
    }
    gitlab::run(&binary, folder, &cluster, &driver, &axe).context("a GitLab as the source")
}

/// Pushes an image and takes its tag away, which leaves its manifest and its layer in the registry's folder.
fn leave_in(registry: &Registry) -> anyhow::Result<PushedImage> {
    let image = registry.push_image("group/image", "1.0", true, &[b"left"])?;
    registry.push_image("group/image", "1.0", true, &[b"needed"])?;
    set_modified(registry.folder(), UNIX_EPOCH + CHANGED)?;
    Ok(image)
}

/// The sample's records, but for two data types, and those with odd names.
fn import(installation: &Installation, sample: &Sample, odd: &Path) -> anyhow::Result<()> {
    installation.run(&["migrate"])?;
    for model in of_sample(sample) {
        let lines: Vec<&str> = sample.of(model).map(|record| record.line.as_str()).collect();
        installation.import(model, &(lines.join("\n") + "\n"))?;
    }
    import_odd(installation, odd)
}

fn of_sample(sample: &Sample) -> Vec<&'static str> {
    sample.models().into_iter().filter(|model| ![MODEL, OFF].contains(model)).collect()
}

/// Looks at a service, once it has checked all records.
fn serve(
    installation: &Installation,
    api: &Api,
    sample: &Sample,
    look: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut serve = installation.start("serve", &["serve"])?;
    api.wait_until_ready(&mut serve)?;
    let models: Vec<&str> = of_sample(sample).into_iter().chain([MODEL]).collect();
    api.wait_until_done(&models, &mut serve)?;
    look().with_context(|| format!("the service's log ends:\n{}", serve.log_end()))?;
    serve.terminate()
}

/// The script of axe-core.
fn axe(project: &Project) -> anyhow::Result<String> {
    let python = machine::python(project, &project.root.join("xtask/axe/requirements.txt"))?;
    let find = "import axe_core_python, pathlib; print(pathlib.Path(axe_core_python.__file__).parent / 'axe.min.js')";
    let file = capture(Command::new(python.join("bin/python")).args(["-c", find]))?;
    fs::read_to_string(file.trim()).with_context(|| file.clone())
}

/// Records with odd names, some to turn pages over, and many that are switched off.
fn import_odd(installation: &Installation, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut lines = String::new();
    let digest = "md5:00000000000000000000000000000000";
    // A slash would be a folder.
    let hostile = HOSTILE.replace('/', "\\");
    fs::write(folder.join(&hostile), "odd")?;
    writeln!(
        lines,
        "{}",
        json!({"record_identifier": 1, "storage": "odd", "path": hostile, "expected_checksum": digest})
    )?;
    writeln!(
        lines,
        "{}",
        json!({"record_identifier": 2, "storage": "odd", "path": HOSTILE, "file_size": 7})
    )?;
    for key in 3..=MANY {
        let path = format!("file-{key}.bin");
        fs::write(folder.join(&path), &path)?;
        let mut line = json!({"record_identifier": key, "storage": "odd", "path": path});
        if let Some(line) = line.as_object_mut().filter(|_| ALTERED.contains(&key)) {
            line.insert("expected_checksum".to_owned(), digest.into());
        }
        writeln!(lines, "{line}")?;
    }
    installation.import(MODEL, &lines)?;
    let mut lines = String::new();
    for key in 1..=SWITCHED_OFF {
        writeln!(
            lines,
            "{}",
            json!({"record_identifier": key, "storage": "odd", "path": format!("off-{key}"), "disabled": true})
        )?;
    }
    installation.import(OFF, &lines)?;
    Ok(())
}

/// An address without a page, whose status the browser notes in its log.
const NOWHERE: &str = "/console/nothing";

/// The addresses of all pages.
fn pages() -> [&'static str; 14] {
    [
        "/console",
        "/console/findings",
        "/console/models/supply_chain_attestations",
        "/console/models/supply_chain_attestations?state=failed",
        "/console/models/supply_chain_attestations?kind=missing&storage=odd&text=script&owner=x&checked_after=2026-01-01",
        "/console/models/supply_chain_attestations/1",
        "/console/models/supply_chain_attestations/2",
        "/console/findings?storage=odd&kind=altered",
        "/console/orphans",
        "/console/jobs",
        "/console/sync",
        "/console/storages",
        "/console/settings",
        "/console/login",
    ]
}

/// Each page in each look, and each journey, with and without scripts. A browser is ended whatever it has shown.
fn look(driver: &Driver, api: &Api, axe: Option<&str>, left: &str) -> anyhow::Result<()> {
    let [with_scripts, without] = ALTERED;
    for (has_scripts, altered) in [(true, with_scripts), (false, without)] {
        let browser = Browser::open(driver, &api.base, has_scripts)?;
        let seen = visit(&browser, api, axe, altered, left);
        let closed = browser.close();
        seen.with_context(|| format!("scripts {has_scripts}"))?;
        closed?;
    }
    Ok(())
}

/// The same in one browser; the journey accepts the record `altered`, and a walk finds the manifest `left`.
fn visit(
    browser: &Browser<'_>,
    api: &Api,
    axe: Option<&str>,
    altered: usize,
    left: &str,
) -> anyhow::Result<()> {
    journey::sign_in(browser, &api.token)?;
    journey::walk(browser)?;
    browser.expect("Unreferenced in registries")?;
    browser.expect(&format!("group/image@{left}"))?;
    for width in WIDTHS {
        let mut grounds = Vec::new();
        for is_dark in [false, true] {
            browser.set_look(Look { width, is_dark })?;
            let at = |page: &str| format!("{page} at {width} px, dark {is_dark}");
            for page in pages() {
                view(browser, page, axe).and_then(|()| browser.check_quiet()).with_context(|| at(page))?;
            }
            view(browser, NOWHERE, axe).with_context(|| at(NOWHERE))?;
            browser.expect("Not found")?;
            browser.forget_log()?;
            grounds.push(browser.evaluate("getComputedStyle(document.documentElement).backgroundColor")?);
        }
        ensure!(grounds.first() != grounds.last(), "light and dark have the same ground: {grounds:?}");
    }
    browser.set_look(Look { width: 1280, is_dark: false })?;
    printed(browser)?;
    journey::all(browser, api, altered)
}

/// Opens a page, and looks at it.
fn view(browser: &Browser<'_>, page: &str, axe: Option<&str>) -> anyhow::Result<()> {
    browser.go(page)?;
    browser.check_view()?;
    axe.map_or(Ok(()), |axe| browser.check_access(axe))
}

/// On paper, the overview has its tables, also the one that is folded away on the screen, and nothing to press.
fn printed(browser: &Browser<'_>) -> anyhow::Result<()> {
    browser.go("/console")?;
    let is_shown = |selector: &str| {
        browser
            .evaluate(&format!("[...document.querySelectorAll('{selector}')].some(e => e.checkVisibility())"))
    };
    ensure!(is_shown("details.days table")? == false, "the table of days is folded away on the screen");
    browser.set_print(true)?;
    ensure!(is_shown("details.days table")? == true, "the table of days is not printed");
    ensure!(is_shown("button, nav, summary")? == false, "something to press is printed");
    browser.set_print(false)
}
