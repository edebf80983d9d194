//! The account `PostgreSQL` runs under: it refuses to run as root.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// Accounts that may be taken in place of root, the first that exists.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// Who runs the server: this process's own user, or another if that is root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    other: Option<(u32, u32)>,
}

impl Account {
    /// Chooses the account.
    pub(super) fn choose() -> anyhow::Result<Self> {
        if id(&["-u"])? != 0 {
            return Ok(Self { other: None });
        }
        for name in UNPRIVILEGED {
            if let (Ok(user), Ok(group)) = (id(&["-u", name]), id(&["-g", name])) {
                return Ok(Self { other: Some((user, group)) });
            }
        }
        bail!("PostgreSQL does not run as root, and there is no account named {}", UNPRIVILEGED.join(" or "))
    }

    /// Makes the command run under the account.
    pub(super) fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match self.other {
            Some((user, group)) => command.uid(user).gid(group),
            None => command,
        }
    }

    /// Gives the folder or file to the account.
    pub(super) fn give(&self, path: &Path) -> anyhow::Result<()> {
        if let Some((user, group)) = self.other {
            std::os::unix::fs::chown(path, Some(user), Some(group))
                .with_context(|| format!("cannot give {} to user {user}", path.display()))?;
        }
        Ok(())
    }

    /// Writes a file that only the account can read.
    pub(super) fn write(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;

        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        self.give(path)
    }
}

/// What `id` prints with these arguments.
fn id(arguments: &[&str]) -> anyhow::Result<u32> {
    let output = Command::new("id").args(arguments).output().context("cannot run `id`")?;
    if !output.status.success() {
        bail!("`id {}` failed", arguments.join(" "));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("`id {}` printed {text:?}", arguments.join(" ")))
}
