//! An installation of its own for each test: a folder, a database, a configuration.

mod api;
mod console;
mod run;
mod server;

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use stocktake_testbed::{postgres, write_file};
use tempfile::TempDir;

pub(crate) use api::{Answer, Api};
pub(crate) use console::Console;
pub(crate) use run::{Finished, bare, eventually};
pub(crate) use server::Service;

/// Defines each test twice: on SQLite and on PostgreSQL.
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* fn $name:ident($database:ident) $body:block)+) => {
        $($(#[$attribute])* fn $name($database: $crate::support::Database) $body)+

        mod sqlite {
            $(#[test] fn $name() { super::$name($crate::support::Database::Sqlite); })+
        }

        mod postgres {
            $(#[test] fn $name() { super::$name($crate::support::Database::Postgres); })+
        }
    };
}

/// Which database an installation is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// A folder with a configuration, the storage `main`, and a database.
pub(crate) struct Installation {
    folder: TempDir,
    database_url: String,
    administrator: OnceCell<String>,
}

/// A file of the storage, as an import line names it.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl StoredFile {
    /// The line that makes it a record.
    pub(crate) fn line(&self, key: i64) -> String {
        let Self { path, size, sha256 } = self;
        line(key, path, &format!(r#","file_size":{size},"expected_checksum":"sha256:{sha256}""#))
    }
}

/// A line for a record in the storage `main`; `rest` begins with a comma.
pub(crate) fn line(key: i64, path: &str, rest: &str) -> String {
    format!(r#"{{"record_identifier":{key},"storage":"main","path":"{path}"{rest}}}"#)
}

impl Installation {
    /// An empty one.
    pub(crate) fn new(database: Database) -> Self {
        Self::with(database, "")
    }

    /// An empty one with more configuration, in sections of its own.
    pub(crate) fn with(database: Database, more: &str) -> Self {
        let url = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(postgres().create_database().expect("a database")),
        };
        Self::at(url.as_deref(), more)
    }

    /// One on a database that the caller has, or on SQLite.
    pub(crate) fn at(url: Option<&str>, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("main")).expect("a storage");
        let root = folder.path().join("main");
        let sqlite = format!("sqlite://{}", folder.path().join("var/stocktake.db").display());
        let database_url = url.unwrap_or(&sqlite).to_owned();
        let mut config = String::new();
        writeln!(config, "[database]\nurl = {database_url:?}").expect("a text");
        writeln!(config, "[http]\nlisten = \"127.0.0.1:0\"").expect("a text");
        if !more.contains("[storages.main]") {
            writeln!(config, "[storages.main]\nroot = {:?}", root.display().to_string()).expect("a text");
        }
        let config = format!("{config}{}\n", more.replace("{root}", &root.display().to_string()));
        let installation = Self { folder, database_url, administrator: OnceCell::new() };
        std::fs::write(installation.config_file(), config).expect("a configuration");
        installation
    }

    /// The folder that holds everything, which is also the programs' working directory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL of the database.
    pub(crate) fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Puts a line into the section `http` of the configuration.
    pub(crate) fn configure_http(&self, line: &str) {
        let config = std::fs::read_to_string(self.config_file()).expect("a configuration");
        let config = config.replace("[http]", &format!("[http]\n{line}"));
        std::fs::write(self.config_file(), config).expect("a configuration");
    }

    /// The configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.path().join("stocktake.toml")
    }

    /// A path in the storage `main`.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("main").join(path)
    }

    /// Writes a file that is never the same for two seeds.
    pub(crate) fn file(&self, path: &str, seed: u64, size: u64) -> StoredFile {
        let sha256 = write_file(&self.path(path), seed, size).expect("a file");
        StoredFile { path: path.to_owned(), size, sha256 }
    }

    /// Writes so many files of mixed sizes.
    pub(crate) fn files(&self, count: u64) -> Vec<StoredFile> {
        let size = |number| [0, 1, 137, 4_096, 70_000, 300_000][usize::try_from(number % 6).expect("small")];
        (1..=count)
            .map(|number| self.file(&format!("{:02}/file-{number:04}.bin", number % 7), number, size(number)))
            .collect()
    }

    /// Imports files as records 1, 2, 3, … of a model.
    pub(crate) fn import_files(&self, model: &str, files: &[StoredFile]) {
        let lines: Vec<String> = (1..).zip(files).map(|(key, file)| file.line(key)).collect();
        self.import(model, &lines).success();
    }

    /// Imports lines through standard input.
    pub(crate) fn import(&self, model: &str, lines: &[String]) -> Finished {
        self.run_with_input(&["import", model, "-"], &lines.join("\n"))
    }

    /// Makes a token and returns its text.
    pub(crate) fn token(&self, arguments: &[&str]) -> String {
        let words: Vec<&str> = ["token", "create"].iter().chain(arguments).copied().collect();
        let text = self.run(&words).success();
        let token = text.strip_suffix('\n').expect("one line");
        assert!(token.starts_with("stk-") && !token.contains(char::is_whitespace), "{token:?}");
        token.to_owned()
    }

    /// Starts `serve` and makes an administrator's client for it.
    pub(crate) fn serve(&self) -> (Service, Api) {
        self.serve_with(&[])
    }

    /// The same with more options.
    pub(crate) fn serve_with(&self, options: &[&str]) -> (Service, Api) {
        let words: Vec<&str> = ["serve"].iter().chain(options).copied().collect();
        let service = self.start(&words);
        let address = service.address();
        let token = self.administrator.get_or_init(|| self.token(&["test-administrator", "--admin"]));
        (service, Api::new(&address, Some(token)))
    }
}
