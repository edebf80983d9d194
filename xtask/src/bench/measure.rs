//! Run time and memory usage of a program.

use std::fs;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};

/// The pause between two readings of the peak memory. A peak within the last pause may be missed.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The result of running a program.
#[derive(Debug)]
pub(super) struct Run {
    /// Wall-clock time.
    pub(super) seconds: f64,
    /// The peak of its resident memory, in MiB.
    pub(super) mib: f64,
    /// Its standard output.
    pub(super) output: String,
}

/// Runs the command, which must succeed.
pub(super) fn run(command: &mut Command) -> anyhow::Result<Run> {
    let (run, status) = run_any(command)?;
    if !status.success() {
        bail!("{} exited with {status}: {}", command.get_program().display(), run.output);
    }
    Ok(run)
}

/// Runs the command, whatever its status.
pub(super) fn run_any(command: &mut Command) -> anyhow::Result<(Run, ExitStatus)> {
    let begin = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    // Read while it runs: a program whose output fills the pipe stands still until somebody reads it.
    let pipe = child.stdout.take().context("the output is not captured")?;
    let output = thread::spawn(move || std::io::read_to_string(pipe));
    let mut mib = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        mib = peak(child.id()).unwrap_or_default().max(mib);
        thread::sleep(POLL_INTERVAL);
    };
    let seconds = begin.elapsed().as_secs_f64();
    let output = output
        .join()
        .map_err(|_| anyhow!("the output cannot be read"))?
        .context("the output is not UTF-8")?;
    Ok((Run { seconds, mib, output }, status))
}

/// The peak of a running process's resident memory in MiB, from `/proc`.
pub(super) fn peak(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// The median; the upper one of two.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The count as a floating-point number.
pub(super) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_outliers() {
        assert!((median(&[3.0, 100.0, 1.0]) - 3.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_run_has_output_and_memory() {
        let script = "x=$(seq 1 300000); sleep 0.1; echo ${#x}";
        let run = run(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!(run.output, "1988894\n");
        assert!(run.mib > 1.0 && run.seconds >= 0.1, "{run:?}");
    }

    #[test]
    fn a_failing_run_is_an_error() {
        assert!(run(Command::new("sh").args(["-c", "exit 3"])).is_err());
    }
}
