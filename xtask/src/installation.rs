//! A separate Stocktake installation in one folder: configuration, database, logs.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use stocktake_testbed::{PgCluster, Sample, free_port};

use crate::api::Api;
use crate::process::Process;
use crate::project::capture;

/// The port that users expect.
const USUAL_PORT: u16 = 8080;

/// Where the records are stored.
#[derive(Debug)]
pub(crate) enum Database {
    /// In a file in the installation's folder.
    Sqlite,
    /// In a new database of this cluster.
    Postgres(PgCluster),
    /// At this URL.
    At(String),
}

/// A configured Stocktake.
#[derive(Debug)]
pub(crate) struct Installation {
    binary: PathBuf,
    folder: PathBuf,
    listen: String,
    /// The URL of its database.
    pub(crate) database: String,
    // Owned here so that the server stops last: callers drop their processes before the installation.
    _cluster: Option<PgCluster>,
}

impl Installation {
    /// Writes the configuration to `folder`. `more` is additional TOML.
    pub(crate) fn new(
        binary: &Path,
        folder: &Path,
        database: Database,
        storages: &[(&str, PathBuf)],
        more: &str,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = fs::canonicalize(folder)?;
        let listen = format!("127.0.0.1:{}", port()?);
        let (database, cluster) = match database {
            Database::Sqlite => (format!("sqlite://{}", folder.join("stocktake.db").display()), None),
            Database::Postgres(cluster) => (cluster.create_database()?, Some(cluster)),
            Database::At(url) => (url, None),
        };
        let mut text =
            format!("[database]\nurl = {}\n\n[http]\nlisten = {}\n", quoted(&database), quoted(&listen));
        for (name, root) in storages {
            let root = quoted(&root.display().to_string());
            write!(text, "\n[storages.{name}]\nkind = \"directory\"\nroot = {root}\n")?;
        }
        let this = Self { binary: binary.to_owned(), folder, listen, database, _cluster: cluster };
        fs::write(this.config(), format!("{text}\n{more}"))?;
        Ok(this)
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("stocktake.toml")
    }

    /// The base URL, `http://address:port`.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// A command of the program with this installation's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--config").arg(self.config()).current_dir(&self.folder);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STOCKTAKE_"))
        {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command of the program and returns its output.
    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        capture(&mut self.command(arguments))
    }

    /// Starts a command such as `serve`, whose log is `<name>.log` in the folder.
    pub(crate) fn start(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Process> {
        Process::start(name, &mut self.command(arguments), &self.folder.join(format!("{name}.log")))
    }

    /// Imports the records in `lines` (NDJSON), and returns the program's output.
    pub(crate) fn import(&self, model: &str, lines: &str) -> anyhow::Result<String> {
        let file = self.folder.join(format!("{model}.ndjson"));
        fs::write(&file, lines)?;
        self.run(&["import", model, file.to_str().context("the folder's name is not UTF-8")?])
    }

    /// Imports all records of the sample.
    pub(crate) fn import_sample(&self, sample: &Sample) -> anyhow::Result<()> {
        for model in sample.models() {
            let lines: Vec<&str> = sample.of(model).map(|record| record.line.as_str()).collect();
            self.import(model, &(lines.join("\n") + "\n"))?;
        }
        Ok(())
    }

    /// Creates an administrator's token and returns a client that uses it.
    pub(crate) fn api(&self) -> anyhow::Result<Api> {
        let token = self.run(&["token", "create", "sample-admin", "--admin"])?;
        Api::new(&self.base(), token.trim())
    }
}

/// The usual port, or another one if it is in use.
fn port() -> anyhow::Result<u16> {
    match TcpListener::bind(("127.0.0.1", USUAL_PORT)) {
        Ok(_) => Ok(USUAL_PORT),
        Err(_) => free_port(),
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
