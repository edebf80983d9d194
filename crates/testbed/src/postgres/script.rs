//! Scripts that `psql` runs.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, bail};

use super::PgBinaries;

/// Runs statements in the database at this URL; the first that fails ends it.
pub(crate) fn run_script(url: &str, script: &str) -> anyhow::Result<()> {
    let mut command = PgBinaries::find()?.command("psql");
    command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", url]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run psql")?;
    // The answer is short, so that writing all before reading it cannot block.
    let written = child.stdin.take().context("no input")?.write_all(script.as_bytes());
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("psql failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(written?)
}
