//! One `PostgreSQL` cluster: made, started, stopped, removed.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::account::Account;
use super::binaries::PgBinaries;
use super::reaper::Reaper;
use crate::certificate::Certificate;
use crate::port::free_port;

/// The superuser of the cluster.
const USER: &str = "stocktake";

/// Settings that make tests fast and would lose data in a power cut.
const FAST: [(&str, &str); 3] =
    [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];

/// How often another port is tried when somebody took the free one in between.
const PORT_ATTEMPTS: usize = 5;

/// A `PostgreSQL` cluster: one of our own, removed when dropped or when this process ends in any way; or one
/// that another process owns.
#[derive(Debug)]
pub struct PgCluster {
    binaries: PgBinaries,
    /// `postgres://user:password@host:port`, without a database.
    base: String,
    own: Option<Own>,
}

/// What only the owner of a cluster has.
#[derive(Debug)]
struct Own {
    account: Account,
    folder: PathBuf,
    /// Held for its `Drop`.
    _keeper: Reaper,
}

impl PgCluster {
    /// Makes and starts an empty cluster that does not sync to disk: for tests.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&FAST)
    }

    /// Makes and starts an empty cluster with `PostgreSQL`'s own defaults, but for these settings
    /// (`name`, `value`); with none it is as durable as an installed one.
    ///
    /// It listens on a free port of 127.0.0.1 (password needed) and on a Unix socket in its private folder,
    /// and admits 200 connections.
    pub fn start_with(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let binaries = PgBinaries::find()?;
        let account = Account::choose()?;
        let folder = tempfile::Builder::new().prefix("stocktake-pg-").tempdir()?.keep();
        account.give(&folder)?;
        let own = Own { account, _keeper: Reaper::start(&binaries, account, &folder)?, folder };
        let password = random_word();
        own.initialise(&binaries, &password)?;
        let port = own.first_start(&binaries, settings)?;
        Ok(Self { binaries, base: format!("postgres://{USER}:{password}@127.0.0.1:{port}"), own: Some(own) })
    }

    /// The cluster that another process runs at this URL (`postgres://user:password@host:port`).
    pub fn at(url: &str) -> anyhow::Result<Self> {
        let binaries = PgBinaries::find()?;
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            bail!("the URL of a PostgreSQL cluster begins with postgres://");
        }
        Ok(Self { binaries, base: url.trim_end_matches('/').to_owned(), own: None })
    }

    /// The URL of the cluster without a database, for [`PgCluster::at`] in another process.
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// The URL of a database of this cluster, over TCP. `postgres` is always there.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base)
    }

    /// Makes an empty database of a new name and returns its URL.
    pub fn create_database(&self) -> anyhow::Result<String> {
        let name = format!("stocktake_{}", random_word());
        let mut command = self.binaries.command("createdb");
        run(command.arg(format!("--maintenance-db={}", self.url("postgres"))).arg(&name))?;
        Ok(self.url(&name))
    }

    /// Makes a copy, under a new name, of a database of this cluster that nobody uses, and returns its URL.
    pub fn copy_database(&self, url: &str) -> anyhow::Result<String> {
        let (_, original) = url.rsplit_once('/').context("a URL without a database")?;
        let name = format!("stocktake_{}", random_word());
        self.sql(&self.url("postgres"), &format!("CREATE DATABASE {name} TEMPLATE {original}"))?;
        Ok(self.url(&name))
    }

    /// Runs one statement past the program, and returns the rows, columns parted by `|`.
    pub fn sql(&self, url: &str, statement: &str) -> anyhow::Result<String> {
        let mut command = self.binaries.command("psql");
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        let output = run(command.arg(url).arg("--command").arg(statement))?;
        Ok(output.trim_end().to_owned())
    }

    /// A command that runs one of `PostgreSQL`'s programs, for example `pgbench`.
    pub fn command(&self, program: &str) -> Command {
        self.binaries.command(program)
    }

    /// The private folder with the Unix socket and the `data` folder; `None` if the cluster is not ours.
    pub fn folder(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.folder.as_path())
    }

    /// Writes a file into the data folder, readable by the server only (a certificate's key, for example);
    /// settings name it relative to that folder.
    pub fn write_file(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let own = self.own()?;
        own.account.write(&own.folder.join("data").join(name), text)
    }

    /// Serves TLS from now on, with this certificate.
    pub fn enable_tls(&self, certificate: &Certificate) -> anyhow::Result<()> {
        for (name, file) in [("server.crt", &certificate.certificate), ("server.key", &certificate.key)] {
            self.write_file(name, &fs::read_to_string(file)?)?;
        }
        self.configure(&[("ssl", "on")])?;
        self.restart()
    }

    /// Adds settings, in force after the next [`PgCluster::restart`].
    pub fn configure(&self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        self.own()?.configure("extra.conf", settings)
    }

    /// Stops the server at once, cutting all connections; the data stays.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.own()?.pg_ctl(&self.binaries, &["stop", "--mode=fast"])
    }

    /// Starts the server after [`PgCluster::stop`], or stops and starts it; its port and data are as before.
    pub fn restart(&self) -> anyhow::Result<()> {
        let own = self.own()?;
        let log = own.log_option();
        own.pg_ctl(&self.binaries, &["restart", "--mode=fast", &log])
    }

    fn own(&self) -> anyhow::Result<&Own> {
        self.own
            .as_ref()
            .context("this cluster is shared with other processes; start one of your own for that")
    }
}

impl Own {
    fn initialise(&self, binaries: &PgBinaries, password: &str) -> anyhow::Result<()> {
        let secret = self.folder.join("password");
        self.account.write(&secret, password)?;
        let mut command = binaries.command("initdb");
        command
            .args([
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
            ])
            .arg(format!("--username={USER}"))
            .arg(format!("--pwfile={}", secret.display()))
            .arg(format!("--pgdata={}", self.folder.join("data").display()))
            .current_dir(&self.folder);
        run(self.account.apply(&mut command))?;
        let includes = "include_dir = 'conf.d'\n";
        let file = self.folder.join("data/postgresql.conf");
        let defaults = fs::read_to_string(&file)?;
        self.account.write(&file, &format!("{defaults}\n{includes}"))?;
        fs::create_dir(self.folder.join("data/conf.d"))?;
        self.account.give(&self.folder.join("data/conf.d"))
    }

    /// Starts the server for the first time and returns the port it got.
    fn first_start(&self, binaries: &PgBinaries, settings: &[(&str, &str)]) -> anyhow::Result<u16> {
        let mut last = None;
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port()?;
            let folder = self.folder.display().to_string();
            let number = port.to_string();
            let mut all = vec![
                ("listen_addresses", "127.0.0.1"),
                ("port", &number),
                ("unix_socket_directories", &folder),
                ("max_connections", "200"),
            ];
            all.extend_from_slice(settings);
            self.configure("base.conf", &all)?;
            match self.pg_ctl(binaries, &["start", &self.log_option()]) {
                Ok(()) => return Ok(port),
                Err(error) if self.log().contains("Address already in use") => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.context("no free port")?)
    }

    fn configure(&self, file: &str, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut text = String::new();
        for (name, value) in settings {
            writeln!(text, "{name} = '{}'", value.replace('\'', "''"))?;
        }
        self.account.write(&self.folder.join("data/conf.d").join(file), &text)
    }

    fn pg_ctl(&self, binaries: &PgBinaries, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = binaries.command("pg_ctl");
        command
            .args(arguments)
            .args(["--silent", "--wait"])
            .arg(format!("--pgdata={}", self.folder.join("data").display()))
            .current_dir(&self.folder);
        run(self.account.apply(&mut command))
            .with_context(|| format!("the server's log says:\n{}", self.log()))?;
        Ok(())
    }

    fn log_option(&self) -> String {
        format!("--log={}", self.folder.join("log").display())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// Runs the command to its end and returns what it printed; what it complained of is in the error, if it fails.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}", command.get_program().display(), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sixteen hexadecimal digits that no other call returns.
fn random_word() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
