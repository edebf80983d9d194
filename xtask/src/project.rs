//! The checkout, its files, and the commands that run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// Folders that contain no source files.
const SKIPPED: [&str; 3] = [".git", "target", "var"];

/// The checkout that this tool was built from.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
}

/// How the program is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Fast to build.
    Dev,
    /// As it is deployed.
    Release,
}

impl Project {
    /// Finds the checkout.
    pub(crate) fn find() -> anyhow::Result<Self> {
        // From the environment if possible: the checkout may have moved since this program was built.
        let manifest =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().context("xtask has no parent folder")?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(target) => std::path::absolute(target)?,
            None => root.join("target"),
        };
        Ok(Self { root: root.to_owned(), target })
    }

    /// A `cargo` command in the checkout.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root);
        // The build scripts of ring and SQLite depend on these variables, which `cargo xtask` sets for this process.
        // If they were passed on, cargo would rebuild everything that uses these crates.
        for (name, _) in std::env::vars_os() {
            let known = name.to_string_lossy();
            if known.starts_with("CARGO_PKG_")
                || known.starts_with("CARGO_MANIFEST_")
                || known == "LIBSQLITE3_FLAGS"
            {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Builds the program `stocktake` and returns its path.
    pub(crate) fn build(&self, profile: Profile) -> anyhow::Result<PathBuf> {
        let mut command = self.cargo(&["build", "--locked", "--package", "stocktake"]);
        if profile == Profile::Release {
            command.arg("--release");
        }
        run(&mut command)?;
        Ok(self.binary(profile))
    }

    /// Where cargo puts the program `stocktake`.
    pub(crate) fn binary(&self, profile: Profile) -> PathBuf {
        let folder = match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        };
        self.target.join(folder).join("stocktake")
    }

    /// The path relative to the checkout, or as it is if it is outside of it.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// All files below the folder, sorted.
pub(crate) fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Runs the command with this process's output. Fails if the command fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = display(command);
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    Ok(())
}

/// Runs the command and returns its standard output. If it fails, the error contains its standard error.
pub(crate) fn capture(command: &mut Command) -> anyhow::Result<String> {
    let name = display(command);
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of {name} is not UTF-8"))
}

fn display(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
