//! Bare git repositories, made by the git on `PATH`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, ensure};

/// Files changed in each commit of [`GitRepository::import`].
const FILES_PER_COMMIT: usize = 2;

/// How a repository keeps its objects and refs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GitFormat {
    /// SHA-256 instead of SHA-1.
    pub sha256: bool,
    /// Reftables instead of files, which need git 2.45.
    pub reftable: bool,
}

/// A bare repository.
#[derive(Debug, Clone)]
pub struct GitRepository {
    path: PathBuf,
}

impl GitRepository {
    /// Makes an empty repository, whose `HEAD` names the branch `main`, and the folders above it.
    pub fn create(path: &Path, format: GitFormat) -> anyhow::Result<Self> {
        let hash = if format.sha256 { "sha256" } else { "sha1" };
        let mut command = git_command();
        command.args(["init", "--quiet", "--bare", "--initial-branch=main", "--template="]);
        command.arg(format!("--object-format={hash}"));
        if format.reftable {
            ensure!(git_reads_reftables(), "The git on PATH is older than 2.45, which brought reftables.");
            command.arg("--ref-format=reftable");
        }
        run(command.arg(path), &[])?;
        Ok(Self { path: path.to_owned() })
    }

    /// The repository that is already at this path.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs git in the repository and returns what it wrote.
    pub fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = run(self.command().args(arguments), &[])?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A git command in the repository, to be run by the caller.
    pub fn command(&self) -> Command {
        let mut command = git_command();
        command.arg("--git-dir").arg(&self.path).current_dir(&self.path);
        command
    }

    /// What `git show-ref --head` says; nothing of an empty repository.
    pub fn show_ref(&self) -> anyhow::Result<String> {
        let output = self.command().args(["show-ref", "--head"]).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        // 1 says that there is no ref.
        ensure!(matches!(output.status.code(), Some(0 | 1)), "git show-ref failed: {errors}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Adds this many commits to a branch, two new files of about 100 bytes in each, so five objects; all in
    /// one pack, or loose if there are fewer than 100 objects. The content follows from `seed` alone.
    pub fn import(&self, branch: &str, commits: usize, seed: u64) -> anyhow::Result<()> {
        let mut stream = Vec::new();
        for number in 0..commits {
            let (time, message) = (1_700_000_000 + number, format!("{seed}.{number}"));
            write!(stream, "commit refs/heads/{branch}\ncommitter A <a@example.com> {time} +0000\n")?;
            write!(stream, "data {}\n{message}\n", message.len())?;
            if number == 0 {
                let old =
                    self.git(&["for-each-ref", "--format=%(objectname)", &format!("refs/heads/{branch}")])?;
                if !old.is_empty() {
                    writeln!(stream, "from {}", old.trim())?;
                }
            }
            for file in 0..FILES_PER_COMMIT {
                let name = format!("{:03}/{seed}-{number}-{file}.txt", number % 200);
                let mixed = (seed ^ u64::try_from(number)?).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let content =
                    format!("{name} {mixed:016x}\n{}\n", format!("{:x}", mixed.rotate_left(9)).repeat(3));
                write!(stream, "M 100644 inline {name}\ndata {}\n{content}\n", content.len())?;
            }
        }
        run(self.command().args(["fast-import", "--quiet"]), &stream).map(drop)
    }

    /// Writes many refs at once: the names with what they point to.
    pub fn update_refs(&self, refs: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        for (name, id) in refs {
            writeln!(lines, "update {name} {id}")?;
        }
        run(self.command().args(["update-ref", "--stdin"]), &lines).map(drop)
    }
}

/// The git on `PATH` with nothing of the user's or the system's configuration, and with a fixed author and
/// time, so that what it makes is the same in every run.
pub fn git_command() -> Command {
    let mut command = Command::new("git");
    command.envs([
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_AUTHOR_NAME", "A"),
        ("GIT_AUTHOR_EMAIL", "a@example.com"),
        ("GIT_AUTHOR_DATE", "1700000000 +0000"),
        ("GIT_COMMITTER_NAME", "A"),
        ("GIT_COMMITTER_EMAIL", "a@example.com"),
        ("GIT_COMMITTER_DATE", "1700000000 +0000"),
        ("LC_ALL", "C"),
    ]);
    // Nothing goes on in the background once a command has ended, and nothing waits for the disk.
    let settings = ["gc.auto=0", "maintenance.auto=false", "core.fsync=none", "safe.directory=*"];
    command.args(settings.iter().flat_map(|setting| ["-c", setting]));
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(variable);
    }
    command
}

/// Whether the git on `PATH` knows reftables (since 2.45).
pub fn git_reads_reftables() -> bool {
    let version = git_command().arg("version").output();
    let text = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let numbers = text.strip_prefix("git version ").unwrap_or_default();
    let mut numbers = numbers.split('.').map(|number| number.trim().parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (2, 45)
}

fn run(command: &mut Command, input: &[u8]) -> anyhow::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start git, which must be on PATH")?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input));
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {errors}");
    written?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_hold_what_was_asked_for_and_are_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = folder.path().join(name);
            let repository = GitRepository::create(&path, GitFormat::default()).unwrap();
            assert_eq!(repository.show_ref().unwrap(), "");
            repository.import("main", 3, 7).unwrap();
            repository.import("main", 30, 8).unwrap();
            repository
        };
        let (one, other) = (make("a/one.git"), make("other.git"));
        assert_eq!(one.show_ref().unwrap(), other.show_ref().unwrap());
        assert_eq!(one.git(&["rev-list", "--count", "--all"]).unwrap().trim(), "33");
        assert_eq!(one.show_ref().unwrap().lines().count(), 2);
        assert!(one.path().join("objects/pack").read_dir().unwrap().count() > 0);
        one.git(&["fsck", "--full", "--strict"]).unwrap();
    }
}
