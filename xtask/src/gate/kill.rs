//! Each record is finished exactly once, no matter how often the processes that work on it are killed.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;
use stocktake_testbed::{PgCluster, write_numbered};

use super::sql::Sql;
use crate::api::{Api, list_path};
use crate::installation::{Database, Installation};
use crate::machine;
use crate::process::{POLL_INTERVAL, Process};
use crate::project::{Profile, Project};
use crate::random::{Rng, new_seed};

const RECORDS: usize = 20_000;
const FILE_SIZE: u64 = 2_000;
const MODEL: &str = "lfs_objects";

/// Claims small enough that there is work during the kills, and leases that expire soon after one.
const SETTINGS: &str = r#"
[worker]
claim_size = 100
heartbeat_timeout = "2s"
poll = "1s"
"#;

/// How fast a process may read, so that the work lasts long enough.
const BYTES_PER_SECOND: &str = "1500KB";

/// The pause before each kill, in milliseconds.
const PAUSE: std::ops::Range<u64> = 100..700;

/// Enough kills to be evidence, and a limit, so that the test terminates on a slow machine.
const KILLS: std::ops::RangeInclusive<usize> = 10..=50;

/// How long the records may show no progress after the last kill.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A trigger of the database logs every write to a record in this table.
const AUDIT_TABLE: &str = "CREATE TABLE audit (key_text TEXT, state INTEGER, attempt BIGINT);;";
const AUDIT_SQLITE: &str = "CREATE TRIGGER audit AFTER UPDATE ON records BEGIN \
    INSERT INTO audit VALUES (hex(NEW.key), NEW.state, NEW.attempt); END;;";
const AUDIT_POSTGRES: &str = "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN INSERT INTO audit VALUES (encode(NEW.key, 'hex'), NEW.state, NEW.attempt); RETURN NULL; END $$;;\
    CREATE TRIGGER audit AFTER UPDATE ON records FOR EACH ROW EXECUTE FUNCTION audit();;";

/// Runs the test on both databases. Without a seed, one is chosen and printed.
pub(super) fn run(project: &Project, seed: Option<u64>) -> anyhow::Result<()> {
    let seed = seed.unwrap_or_else(new_seed);
    println!("To repeat these pauses and choices: cargo xtask test kill --seed {seed}");
    let mut rng = Rng::new(seed);
    let binary = project.build(Profile::Dev)?;
    let folder = tempfile::Builder::new().prefix("stocktake-kill-").tempdir()?;
    let root = folder.path().join("files");
    let files = write_numbered(&root, RECORDS, FILE_SIZE)?;

    let sqlite = Trial::new(&binary, &folder.path().join("sqlite"), Database::Sqlite, &root, &files)?;
    sqlite.run(&["serve"], &mut rng, &files).context("on SQLite")?;
    let cluster = machine::postgres(PgCluster::start)?;
    let postgres =
        Trial::new(&binary, &folder.path().join("postgres"), Database::Postgres(cluster), &root, &files)?;
    postgres.run(&["serve", "worker", "worker"], &mut rng, &files).context("on PostgreSQL")
}

/// An installation with all records imported, none of them checksummed.
struct Trial {
    installation: Installation,
    sql: Sql,
}

impl Trial {
    fn new(
        binary: &Path,
        folder: &Path,
        database: Database,
        root: &Path,
        files: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let storages = [("main", root.to_owned())];
        let settings = format!("bytes_per_second = \"{BYTES_PER_SECOND}\"\n{SETTINGS}");
        let installation = Installation::new(binary, folder, database, &storages, &settings)?;
        installation.run(&["migrate"])?;
        let line = |(number, (path, digest)): (usize, &(String, String))| {
            let number = number + 1;
            format!(
                r#"{{"record_identifier":{number},"storage":"main","path":"{path}","expected_checksum":"sha256:{digest}"}}"#
            ) + "\n"
        };
        installation.import(MODEL, &files.iter().enumerate().map(line).collect::<String>())?;
        let sql = Sql::new(&installation.database);
        let trigger = if sql.is_sqlite() { AUDIT_SQLITE } else { AUDIT_POSTGRES };
        sql.run(&format!("{AUDIT_TABLE}{trigger}"))?;
        Ok(Self { installation, sql })
    }

    fn run(&self, programs: &[&str], rng: &mut Rng, files: &[(String, String)]) -> anyhow::Result<()> {
        let api = self.installation.api()?;
        let mut processes = Vec::new();
        for (number, program) in programs.iter().enumerate() {
            processes.push((*program, number, self.start(program, number)?));
        }
        let begin = Instant::now();
        let kills = self.kill_until_done(&mut processes, rng)?;
        self.wait_until_done(&mut processes)?;
        if !KILLS.contains(&kills) {
            bail!("the records were finished after only {kills} kills, too few to prove anything");
        }
        self.check(&api, files)?;
        for (_, _, process) in &mut processes {
            process.terminate()?;
        }
        let names = programs.join(", ");
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{RECORDS} records were each finished once, despite {kills} kill -9 of {names}, in {seconds:.1} s"
        );
        Ok(())
    }

    fn start(&self, program: &str, number: usize) -> anyhow::Result<Process> {
        self.installation.start(&format!("{program}-{number}"), &[program])
    }

    /// Kills and restarts processes in random order. Returns the number of kills while there was work.
    fn kill_until_done(
        &self,
        processes: &mut [(&str, usize, Process)],
        rng: &mut Rng,
    ) -> anyhow::Result<usize> {
        for kills in 0..*KILLS.end() {
            sleep(Duration::from_millis(rng.next_in(PAUSE)));
            let victim = usize::try_from(rng.next_in(0..u64::try_from(processes.len())?))?;
            let (program, number, process) = processes.get_mut(victim).context("no process")?;
            if self.written()? == RECORDS {
                return Ok(kills);
            }
            process.check_runs()?;
            process.kill()?;
            *process = self.start(program, *number)?;
        }
        Ok(*KILLS.end())
    }

    fn wait_until_done(&self, processes: &mut [(&str, usize, Process)]) -> anyhow::Result<()> {
        let mut last = (Instant::now(), 0);
        while last.1 < RECORDS {
            for (_, _, process) in processes.iter_mut() {
                process.check_runs()?;
            }
            let written = self.written()?;
            if written != last.1 {
                last = (Instant::now(), written);
            } else if last.0.elapsed() > STALL_TIMEOUT {
                bail!(
                    "{written} of {RECORDS} records are finished, without progress for {} s",
                    STALL_TIMEOUT.as_secs()
                );
            }
            sleep(POLL_INTERVAL * 10);
        }
        Ok(())
    }

    fn written(&self) -> anyhow::Result<usize> {
        Ok(usize::try_from(self.sql.number("SELECT count(DISTINCT key_text) FROM audit")?)?)
    }

    /// Checks that every record was written once, in its first attempt, and has the digest of its file.
    fn check(&self, api: &Api, files: &[(String, String)]) -> anyhow::Result<()> {
        let all = u64::try_from(RECORDS)?;
        self.sql.expect("SELECT count(*) FROM audit", all)?;
        self.sql.expect("SELECT count(*) FROM audit WHERE state = 2", all)?;
        self.sql.expect("SELECT count(DISTINCT attempt) FROM audit", 1)?;
        self.sql.expect("SELECT count(*) FROM records WHERE state = 2 AND retry_count = 0", all)?;
        let mut path = format!("{}?pagination=keyset&per_page=100", list_path(MODEL));
        let mut expected = (1_u64..).zip(files);
        loop {
            let (page, cursor) = api.page(&path)?;
            for record in &page {
                let (identifier, (file, digest)) =
                    expected.next().context("there are more records than files")?;
                let information =
                    record.get("checksum_information").context("a record without checksum information")?;
                let good = record.get("record_identifier").and_then(Value::as_u64) == Some(identifier)
                    && information.get("checksum").and_then(Value::as_str) == Some(digest)
                    && information.get("checksum_state").and_then(Value::as_str) == Some("succeeded")
                    && information.get("checksum_retry_count").and_then(Value::as_u64) == Some(0);
                if !good {
                    bail!("the digest of {file} is {digest}, but its record is {record}");
                }
            }
            let Some(cursor) = cursor else { break };
            path = format!("{}?pagination=keyset&per_page=100&cursor={cursor}", list_path(MODEL));
        }
        match expected.next() {
            Some((_, (file, _))) => bail!("{file} has no record"),
            None => Ok(()),
        }
    }
}
