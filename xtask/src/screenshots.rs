//! `cargo xtask screenshots`: the picture of the console in the README, taken of the sample.

use std::fs;

use anyhow::ensure;

use crate::browser::{Browser, Driver, Look};
use crate::installation::Database;
use crate::machine;
use crate::project::{Profile, Project};
use crate::sample_service::SampleService;

/// The picture, below the checkout.
const PICTURE: &str = "docs/console.png";

/// The largest size of the picture, in bytes: it is in each clone for ever.
const LARGEST: usize = 150_000;

/// Takes the picture anew.
pub(crate) fn run(project: &Project) -> anyhow::Result<()> {
    machine::program("chromium", "chromium")?;
    machine::program("chromedriver", "chromium-driver")?;
    let binary = project.build(Profile::Dev)?;
    let folder = tempfile::Builder::new().prefix("stocktake-screenshots-").tempdir()?;
    let mut service = SampleService::start(&binary, folder.path(), Database::Sqlite)?;
    let driver = Driver::start(folder.path())?;
    let browser = Browser::open(&driver, &service.api.base, true)?;
    browser.set_look(Look { width: 1280, is_dark: false })?;
    browser.go("/console/login")?;
    browser.present(&service.api.token)?;
    browser.expect("Data types")?;
    let picture = browser.picture()?;
    browser.close()?;
    service.serve.terminate()?;
    ensure!(picture.len() <= LARGEST, "the picture has {} bytes, more than {LARGEST}", picture.len());
    fs::write(project.root.join(PICTURE), picture)?;
    println!("{PICTURE}");
    Ok(())
}
