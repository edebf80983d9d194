//! Queries to a database that bypass the program.

use std::process::Command;

use anyhow::{Context as _, bail};
use stocktake_testbed::PgBinaries;

use crate::project::capture;

/// Runs the statements in its first argument on the file in its second, and prints the rows of the last statement.
const PYTHON: &str = "
import sqlite3, sys
with sqlite3.connect(sys.argv[2], timeout=60) as connection:
    statements = [s for s in sys.argv[1].split(';;') if s.strip()]
    for statement in statements:
        rows = connection.execute(statement).fetchall()
    for row in rows:
        print('|'.join(map(str, row)))
";

/// A database, by its URL.
#[derive(Debug)]
pub(super) struct Sql {
    url: String,
}

impl Sql {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    /// Whether the database is an SQLite file.
    pub(super) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// Runs statements, separated by `;;`, in one transaction. Returns the rows of the last one, with columns
    /// separated by `|`.
    pub(super) fn run(&self, statements: &str) -> anyhow::Result<String> {
        let output = if let Some(file) = self.url.strip_prefix("sqlite://") {
            capture(Command::new("python3").args(["-c", PYTHON, statements, file]))?
        } else {
            let mut command = PgBinaries::find()?.command("psql");
            let options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--single-transaction"];
            let stop = "--set=ON_ERROR_STOP=1";
            capture(command.arg(&self.url).args(options).arg(stop).arg("--command").arg(statements))?
        };
        Ok(output.trim().to_owned())
    }

    /// Runs a query that returns one number.
    pub(super) fn number(&self, query: &str) -> anyhow::Result<u64> {
        let text = self.run(query)?;
        text.parse().with_context(|| format!("{query} returned {text:?}"))
    }

    /// Fails unless the query returns this number.
    pub(super) fn expect(&self, query: &str, wanted: u64) -> anyhow::Result<()> {
        let found = self.number(query)?;
        if found != wanted {
            bail!("{query} returned {found} instead of {wanted}");
        }
        Ok(())
    }
}
