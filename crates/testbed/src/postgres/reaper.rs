//! The process that removes a cluster when its owner is gone.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use super::account::Account;
use super::binaries::PgBinaries;

/// Waits until the pipe it reads is closed, then stops the server and deletes the folder.
///
/// The kernel closes the pipe when the owner ends, so this also works after `kill -9`, and for a cluster in
/// a static, which is never dropped. The signals of a terminal do not reach it.
const SCRIPT: &str = r#"
trap '' INT HUP TERM
while read -r line; do :; done
"$1" stop --pgdata="$2/data" --mode=immediate --silent >/dev/null 2>&1
rm -rf "$2"
"#;

/// The running reaper; dropping it has the cluster removed, and waits for that.
#[derive(Debug)]
pub(super) struct Reaper {
    child: Child,
}

impl Reaper {
    /// Starts watching over the cluster in `folder`.
    pub(super) fn start(binaries: &PgBinaries, account: Account, folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "stocktake-pg-reaper"])
            .arg(binaries.path("pg_ctl"))
            .arg(folder)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = account.apply(&mut command).spawn().context("cannot start `sh`")?;
        Ok(Self { child })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It cannot be told from here that a reaper failed; what it left then is in the temporary folder.
        let _ = self.child.wait();
    }
}
