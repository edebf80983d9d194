//! Where `PostgreSQL`'s programs are on this machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

/// What [`PgBinaries::find`] looks for in a folder before it takes it.
const NEEDED: [&str; 4] = ["initdb", "pg_ctl", "postgres", "createdb"];

/// Folders that hold one folder per installed version, with the programs in its `bin`.
const VERSIONED: [&str; 4] = [
    "/usr/lib/postgresql",
    "/usr/local/pgsql",
    "/opt/homebrew/opt",
    "/Applications/Postgres.app/Contents/Versions",
];

/// Folders that hold the programs themselves.
const PLAIN: [&str; 4] =
    ["/usr/pgsql/bin", "/usr/local/pgsql/bin", "/usr/local/bin", "/usr/libexec/postgresql"];

/// The folder with `PostgreSQL`'s programs.
#[derive(Debug, Clone)]
pub struct PgBinaries {
    folder: PathBuf,
}

impl PgBinaries {
    /// Looks in `PG_BIN`, in `PATH`, and where Debian, Red Hat, Alpine, Homebrew and a build from source put
    /// them; of several versions in one place the newest is taken.
    pub fn find() -> anyhow::Result<Self> {
        if let Some(folder) = env::var_os("PG_BIN").map(PathBuf::from) {
            let found = Self::in_folder(&folder);
            return found.ok_or_else(|| {
                anyhow::anyhow!(
                    "PG_BIN names {}, which does not hold {}",
                    folder.display(),
                    NEEDED.join(", ")
                )
            });
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let places = env::split_paths(&path)
            .chain(VERSIONED.iter().flat_map(|parent| newest_first(Path::new(parent))))
            .chain(PLAIN.iter().map(PathBuf::from));
        for place in places {
            if let Some(found) = Self::in_folder(&place) {
                return Ok(found);
            }
        }
        bail!("PostgreSQL's server programs were not found in PG_BIN, PATH or the usual folders")
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let complete = NEEDED.iter().all(|name| folder.join(name).is_file());
        complete.then(|| Self { folder: folder.to_owned() })
    }

    /// A command that runs one of the programs, free of the caller's own `PG…` variables.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command
    }

    /// The path of one of the programs.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

/// The `bin` folders below `parent`, the highest version number first.
fn newest_first(parent: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (version(&entry.file_name().to_string_lossy()), entry.path().join("bin")))
        .collect();
    folders.sort();
    folders.into_iter().rev().map(|(_, folder)| folder).collect()
}

/// The first number in a folder's name: 15 of `15`, `postgresql@15` or `15.4`; 0 if there is none.
fn version(name: &str) -> u32 {
    let digits: String =
        name.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_version_comes_first_by_number() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["9.6", "15", "postgresql@17", "common"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let names: Vec<PathBuf> = newest_first(parent.path())
            .iter()
            .map(|f| f.strip_prefix(parent.path()).unwrap().to_owned())
            .collect();
        let expected = ["postgresql@17/bin", "15/bin", "9.6/bin", "common/bin"];
        assert_eq!(names, expected.map(PathBuf::from));
    }

    #[test]
    fn a_folder_is_taken_only_if_complete() {
        let folder = tempfile::tempdir().unwrap();
        for name in NEEDED {
            assert!(PgBinaries::in_folder(folder.path()).is_none());
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(PgBinaries::in_folder(folder.path()).is_some());
    }
}
