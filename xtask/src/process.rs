//! Programs that run beside this one.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to end after SIGTERM; Stocktake promises 10 seconds.
const GRACE: Duration = Duration::from_secs(12);

/// How often to look whether something has happened.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// Waits for the end of its input, which comes when its owner ends, even by `kill -9`; then ends the process.
const LEASH: &str = "trap '' INT HUP TERM; while read -r line; do :; done; kill -TERM \"$1\"";

/// A running program. It does not get the terminal's Ctrl-C, and is ended when dropped or when this process
/// ends, however it ends.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    leash: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the command; what it prints goes into the file `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log).context("cannot write the log")?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let leash = Command::new("sh")
            .args(["-c", LEASH, "leash", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start `sh`")?;
        Ok(Self { name: name.to_owned(), child, leash, log: log.to_owned() })
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails, with the end of the log, if the program has ended.
    pub(crate) fn check_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}); its log ends:\n{}", self.name, self.log_end()),
        }
    }

    /// Sends SIGTERM and waits; fails if the program does not end in time, or not with success.
    pub(crate) fn terminate(&mut self) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process")?;
        kill_process(id, Signal::TERM).with_context(|| format!("cannot end {}", self.name))?;
        let begin = Instant::now();
        while begin.elapsed() < GRACE {
            if let Some(status) = self.child.try_wait()? {
                return self.check_success(status);
            }
            sleep(LOOK);
        }
        bail!(
            "{} did not end within {} s of SIGTERM; its log ends:\n{}",
            self.name,
            GRACE.as_secs(),
            self.log_end()
        )
    }

    /// Ends the program as a power cut would.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The last lines of what the program printed.
    pub(crate) fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }

    fn check_success(&self, status: ExitStatus) -> anyhow::Result<()> {
        if !status.success() {
            bail!("{} ended with {status} after SIGTERM; its log ends:\n{}", self.name, self.log_end());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The leash first, so that it cannot fire at whoever gets the number next. Both may be gone already.
        let _ = self.leash.kill();
        let _ = self.leash.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
