//! Commands that only read, where nothing can be written.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use rustix::process::getuid;
use stocktake_testbed::postgres;

use crate::support::{Database, Finished, Installation};

/// The commands, each with a piece of what it says.
const READING: [(&[&str], &str); 7] = [
    (&["status"], "All is well: all 3 records were read within 90 days"),
    (&["export", "--state", "succeeded"], "uploads,3,,,succeeded,main,"),
    (&["show", "uploads", "1"], "Nothing. To read it now: "),
    (&["models"], "uploads"),
    (&["jobs"], "There are no bulk jobs."),
    (&["token", "list"], "name"),
    (&["config"], "database.url = "),
];

fn with_records(database: Database) -> Installation {
    let installation = Installation::new(database);
    let files = installation.files(3);
    installation.import_files("uploads", &files);
    installation.run(&["verify"]).success();
    installation
}

fn all_read(run: impl Fn(&[&str]) -> Finished) {
    for (words, sentence) in READING {
        let finished = run(words);
        assert_eq!(finished.code, 0, "{words:?}: {finished:?}");
        assert!(finished.stdout.contains(sentence), "{words:?}: {finished:?}");
    }
}

/// The permissions stand for a file system that is read-only; for root, for whom they do not count, somebody else reads.
#[test]
fn a_folder_in_which_nothing_can_be_written_is_enough() {
    let installation = with_records(Database::Sqlite);
    let folder = installation.folder().join("var");
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&folder.join("stocktake.db"), 0o444);
    set(&folder, 0o555);
    set(installation.folder(), 0o755);
    let before: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    let run = |words: &[&str]| -> Finished {
        let command = installation.command(words);
        if !getuid().is_root() {
            return { command }.output().unwrap().into();
        }
        let mut as_nobody = Command::new("setpriv");
        as_nobody.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        as_nobody.arg(command.get_program()).args(command.get_args()).current_dir(installation.folder());
        as_nobody.output().unwrap().into()
    };
    all_read(run);
    let after: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(before, after);
    let refused = run(&["verify", "--all"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    set(&folder, 0o755);
}

/// As on a standby, by a role that can only read.
#[test]
fn a_role_that_may_only_select_is_enough() {
    let installation = with_records(Database::Postgres);
    let url = installation.database_url();
    let name = url.rsplit_once('/').unwrap().1;
    let role = format!("reader_{name}");
    postgres()
        .sql(
            url,
            &format!(
                "CREATE ROLE {role} LOGIN PASSWORD 'reading'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; \
                 ALTER ROLE {role} SET default_transaction_read_only = on"
            ),
        )
        .unwrap();
    let server = url.rsplit_once('@').unwrap().1;
    let reader = format!("postgres://{role}:reading@{server}");
    all_read(|words| installation.run(&[words, &["--database", &reader]].concat()));
    let refused = installation.run(&["verify", "--all", "--database", &reader]);
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn an_older_and_a_newer_schema_are_told_and_left_alone() {
    let installation = with_records(Database::Postgres);
    let sql = |text: &str| postgres().sql(installation.database_url(), text).unwrap();
    let migrations = || sql("SELECT count(*), max(version) FROM __diesel_schema_migrations");
    let whole = migrations();
    sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999')");
    let newer = installation.run(&["status"]).refusal();
    assert!(newer.contains("migration 99999999 is of a newer version of this program"), "{newer}");
    sql("DELETE FROM __diesel_schema_migrations WHERE version = '99999999'");
    assert_eq!(migrations(), whole);
    sql(
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    );
    let without = migrations();
    for words in [&["status"][..], &["export"], &["show", "uploads", "1"], &["models"], &["jobs"]] {
        let older = installation.run(words).refusal();
        assert!(
            older.contains("it is older than this program, migration ")
                && older.ends_with(" is pending: stocktake migrate applies it"),
            "{older}"
        );
    }
    assert_eq!(migrations(), without);
}
