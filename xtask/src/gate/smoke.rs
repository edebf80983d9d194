//! `cargo xtask up` works as the README says, and so do the commands that it prints.

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
use crate::process::{POLL_INTERVAL, Process};
use crate::project::{Project, capture};
use crate::up::{LAST_LINE, READY};

/// How long `up` may take, including the build.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs `up` on SQLite, on PostgreSQL with two additional workers, and with a GitLab.
pub(super) fn run(project: &Project) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("stocktake-up-").tempdir()?;
    let trial = |name: &str, arguments: &[&str]| {
        one(project, folder.path(), name, arguments).with_context(|| format!("up on {name}"))
    };
    trial("sqlite", &[])?;
    trial("postgres", &["--postgres", "--workers", "2"])?;
    gitlab::run(project, folder.path()).context("up --gitlab")
}

fn one(project: &Project, parent: &Path, name: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let folder = parent.join(name);
    // `up` replaces this by the same content.
    let sample = Sample::write(&folder.join("storage"))?;
    let up = Up::start(project, &folder, arguments)?;
    check_lines(&up.lines("curl "), &sample)?;
    for record in &sample.records {
        check(&up.api.get(&format!("{}/{}", list_path(record.model), record.identifier))?, record)?;
    }
    up.stop()?;
    println!("up on {name}: {} records are as expected, and no process is left", sample.records.len());
    Ok(())
}

/// The running command, after it has printed what to try.
struct Up {
    process: Process,
    output: String,
    api: Api,
}

impl Up {
    fn start(project: &Project, folder: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        std::fs::write(folder.join("stocktake.toml"), "")?;
        let log = folder.with_extension("log");
        // Through cargo, as in the README: the tests may have replaced the executable of the running process.
        let mut command = project.cargo(&["xtask", "up"]);
        command.args(arguments).arg("--folder").arg(folder);
        let mut process = Process::start("up", &mut command, &log)?;
        let output = wait_for_the_last_line(&mut process, &log)?;
        println!("{}", output.split_once(READY).map_or(output.as_str(), |(_, rest)| rest.trim()));
        let word_after = |label: &str| {
            let line = output.lines().find_map(|line| line.trim().strip_prefix(label));
            line.and_then(|rest| rest.split_whitespace().next())
                .with_context(|| format!("the output has no {label}"))
        };
        let api = Api::new(word_after("address")?, word_after("token")?)?;
        Ok(Self { process, output, api })
    }

    /// The lines of the output that begin like this.
    fn lines(&self, start: &str) -> Vec<&str> {
        self.output.lines().filter(|line| line.starts_with(start)).collect()
    }

    /// Stops the command, after which nothing may listen at the address.
    fn stop(mut self) -> anyhow::Result<()> {
        self.process.terminate()?;
        let address = self.api.base.trim_start_matches("http://");
        ensure!(TcpStream::connect(address).is_err(), "{address} still accepts connections");
        Ok(())
    }
}

fn wait_for_the_last_line(up: &mut Process, log: &Path) -> anyhow::Result<String> {
    let begin = Instant::now();
    loop {
        let output = std::fs::read_to_string(log)?;
        if output.contains(LAST_LINE) {
            return Ok(output);
        }
        up.check_runs()?;
        if begin.elapsed() > START_TIMEOUT {
            bail!("not ready after {} s; the output is:\n{output}", START_TIMEOUT.as_secs());
        }
        sleep(POLL_INTERVAL);
    }
}

/// Runs the `curl` lines as a reader would, and checks their output.
fn check_lines(lines: &[&str], sample: &Sample) -> anyhow::Result<()> {
    let [list, altered, again] = lines else {
        bail!("{} `curl` lines instead of three", lines.len());
    };
    let record = |identifier: &str| {
        let found = sample.of("uploads").find(|record| record.identifier == identifier);
        found.with_context(|| format!("no upload {identifier}"))
    };
    let page = answer(list)?;
    let page = page.as_array().context("not a list")?;
    ensure!(page.len() == 3, "{} records on a page of three", page.len());
    for (shown, identifier) in page.iter().zip(["1", "2", "3"]) {
        check(shown, record(identifier)?)?;
    }
    check(&answer(altered)?, record("117")?)?;
    check(&answer(again)?, record("1")?)
}

/// Runs a command line and parses its output as JSON.
fn answer(line: &str) -> anyhow::Result<Value> {
    let output = capture(Command::new("sh").args(["-c", line]))?;
    serde_json::from_str(&output).with_context(|| format!("{line} printed {output}"))
}

/// Checks that the record is as the sample says.
fn check(shown: &Value, expected: &SampleRecord) -> anyhow::Result<()> {
    let information = shown.get("checksum_information").with_context(|| format!("not a record: {shown}"))?;
    let text = |name: &str| information.get(name).and_then(Value::as_str);
    let good = match &expected.outcome {
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
    ensure!(
        good,
        "{}/{}: expected {:?}, found {shown}",
        expected.model,
        expected.identifier,
        expected.outcome
    );
    Ok(())
}
