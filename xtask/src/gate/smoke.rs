//! The README's first command does what it says, and so do the lines it prints.

mod gitlab;

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use stocktake_testbed::{Outcome, Sample, SampleRecord};

use crate::api::{Api, list_path};
use crate::process::{LOOK, Process};
use crate::project::{Project, capture};
use crate::up::{LAST_LINE, READY};

/// How long `up` may take, the build included.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs `up` on both databases, on `PostgreSQL` with two workers more, and with a GitLab.
pub(super) fn run(project: &Project) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("stocktake-up-").tempdir()?;
    let trial = |name: &str, words: &[&str]| {
        one(project, folder.path(), name, words).with_context(|| format!("up on {name}"))
    };
    trial("sqlite", &[])?;
    trial("postgres", &["--postgres", "--workers", "2"])?;
    gitlab::run(project, folder.path()).context("up --gitlab")
}

fn one(project: &Project, parent: &Path, name: &str, words: &[&str]) -> anyhow::Result<()> {
    let folder = parent.join(name);
    // `up` writes the same content to the same place; what it finds there it takes for an earlier run's.
    let sample = Sample::write(&folder.join("storage"))?;
    let up = Up::start(project, &folder, words)?;
    check_lines(&up.said, &sample)?;
    for record in &sample.records {
        check(&up.api.get(&format!("{}/{}", list_path(record.model), record.identifier))?, record)?;
    }
    up.end()?;
    println!("up on {name}: {} records as they should be, and nothing left running", sample.records.len());
    Ok(())
}

/// The command, once it has said what to try.
struct Up {
    process: Process,
    said: String,
    api: Api,
}

impl Up {
    fn start(project: &Project, folder: &Path, words: &[&str]) -> anyhow::Result<Self> {
        std::fs::write(folder.join("stocktake.toml"), "")?;
        let log = folder.with_extension("log");
        // Through cargo, as the README says: the tests may have rebuilt the program that runs here, whose own
        // file is then gone.
        let mut command = project.cargo(&["xtask", "up"]);
        command.args(words).arg("--folder").arg(folder);
        let mut process = Process::start("up", &mut command, &log)?;
        let said = wait_for_the_last_line(&mut process, &log)?;
        println!("{}", said.split_once(READY).map_or(said.as_str(), |(_, rest)| rest.trim()));
        let word_after = |label: &str| {
            let line = said.lines().find_map(|line| line.trim().strip_prefix(label));
            line.and_then(|rest| rest.split_whitespace().next())
                .with_context(|| format!("no {label} is told"))
        };
        let api = Api::new(word_after("address")?, word_after("token")?)?;
        Ok(Self { process, said, api })
    }

    /// Ends it, after which nothing may answer any more.
    fn end(mut self) -> anyhow::Result<()> {
        self.process.terminate()?;
        let address = self.api.base.trim_start_matches("http://");
        ensure!(TcpStream::connect(address).is_err(), "{address} still answers after the end");
        Ok(())
    }
}

fn wait_for_the_last_line(up: &mut Process, log: &Path) -> anyhow::Result<String> {
    let begin = Instant::now();
    loop {
        let said = std::fs::read_to_string(log)?;
        if said.contains(LAST_LINE) {
            return Ok(said);
        }
        up.check_runs()?;
        if begin.elapsed() > PATIENCE {
            bail!("not ready after {} s: {said}", PATIENCE.as_secs());
        }
        sleep(LOOK);
    }
}

/// Runs the `curl` lines as a reader would and checks what they show.
fn check_lines(said: &str, sample: &Sample) -> anyhow::Result<()> {
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("curl ")).collect();
    let [list, altered, again] = lines.as_slice() else {
        bail!("{} curl lines instead of three", lines.len());
    };
    let record = |identifier: &str| {
        let found = sample.of("uploads").find(|record| record.identifier == identifier);
        found.with_context(|| format!("no upload {identifier}"))
    };
    let page = answer(list)?;
    let page = page.as_array().context("no list")?;
    ensure!(page.len() == 3, "{} records on a page of three", page.len());
    for (shown, identifier) in page.iter().zip(["1", "2", "3"]) {
        check(shown, record(identifier)?)?;
    }
    check(&answer(altered)?, record("117")?)?;
    check(&answer(again)?, record("1")?)
}

/// What a line prints, as JSON.
fn answer(line: &str) -> anyhow::Result<Value> {
    let output = capture(Command::new("sh").args(["-c", line]))?;
    serde_json::from_str(&output).with_context(|| format!("{line} printed {output}"))
}

/// The record shown is what the sample says.
fn check(shown: &Value, wanted: &SampleRecord) -> anyhow::Result<()> {
    let information = shown.get("checksum_information").with_context(|| format!("no record: {shown}"))?;
    let text = |name: &str| information.get(name).and_then(Value::as_str);
    let good = match &wanted.outcome {
        Outcome::Succeeded(digest) => {
            text("checksum_state") == Some("succeeded")
                && text("checksum") == Some(digest)
                && text("checksum_failure").is_none()
        }
        Outcome::Failed { text: failure, .. } => {
            text("checksum_state") == Some("failed")
                && text("checksum").is_none()
                && text("checksum_failure") == Some(failure)
        }
    };
    ensure!(good, "{}/{}: wanted {:?}, found {shown}", wanted.model, wanted.identifier, wanted.outcome);
    Ok(())
}
