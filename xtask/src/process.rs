//! Child processes that run in the background.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to exit after SIGTERM. Stocktake promises 10 seconds.
const EXIT_TIMEOUT: Duration = Duration::from_secs(12);

/// The pause between two checks for an event.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits for the end of its input, which comes when its parent exits, even by `kill -9`. Then terminates the process
/// whose number is its argument.
const WATCHDOG: &str = "trap '' INT HUP TERM; while read -r line; do :; done; kill -TERM \"$1\"";

/// A running program. It does not receive the terminal's Ctrl-C. It is killed when this value is dropped, and
/// terminated when this process exits in any way.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    watchdog: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the command. Its output is appended to the file `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log).context("cannot write the log")?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start `sh`")?;
        Ok(Self { name: name.to_owned(), child, watchdog, log: log.to_owned() })
    }

    /// The process ID.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails, with the end of the log, if the program has exited.
    pub(crate) fn check_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} exited ({status}); its log ends:\n{}", self.name, self.log_end()),
        }
    }

    /// Sends SIGTERM and waits. Fails if the program does not exit in time, or reports an error.
    pub(crate) fn terminate(&mut self) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process")?;
        kill_process(id, Signal::TERM).with_context(|| format!("cannot terminate {}", self.name))?;
        let begin = Instant::now();
        while begin.elapsed() < EXIT_TIMEOUT {
            if let Some(status) = self.child.try_wait()? {
                return self.check_success(status);
            }
            sleep(POLL_INTERVAL);
        }
        bail!(
            "{} did not exit within {} s of SIGTERM; its log ends:\n{}",
            self.name,
            EXIT_TIMEOUT.as_secs(),
            self.log_end()
        )
    }

    /// Kills the program, which has no chance to clean up.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The last lines of the program's output.
    pub(crate) fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }

    fn check_success(&self, status: ExitStatus) -> anyhow::Result<()> {
        if !status.success() {
            bail!("{} exited with {status} after SIGTERM; its log ends:\n{}", self.name, self.log_end());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first, as the program's ID may be reused afterwards. Both may have exited already.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
