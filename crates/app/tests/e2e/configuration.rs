//! The configuration as the program takes it from files, variables and options.

use std::process::Command;

use crate::support::{Database, Finished, Installation};

fn with_config(text: &str, words: &[&str]) -> Finished {
    let installation = Installation::new(Database::Sqlite);
    std::fs::write(installation.config_file(), text).unwrap();
    installation.run(words)
}

#[test]
fn a_mistake_is_one_sentence_and_exit_status_2() {
    let cases = [
        ("[http]\nlissten = 1", "unknown configuration key http.lissten (file "),
        (
            "[http]\nlisten = \"here\"",
            "http.listen: must be an IP address and a port such as 127.0.0.1:8080 (file ",
        ),
        ("[http", "the configuration in file "),
        ("[storages.x]\nkind = \"tape\"", "storages.x.kind: must be one of \"directory\", \"git\", \"s3\""),
        ("[storages.x]\nkind = \"s3\"", "storages.x.bucket is not set"),
        ("[database]\nurl = \"mysql://somewhere/x\"", ""),
        ("[database]\nurl = \"postgres://user:hush@127.0.0.1:1/x\"", "the database is unreachable"),
    ];
    for (text, beginning) in cases {
        let sentence = with_config(text, &["status"]).refusal();
        assert!(sentence.starts_with(beginning), "{text}: {sentence}");
        assert!(!sentence.contains("hush"), "{sentence}");
    }
}

#[test]
fn the_layers_apply_in_their_order_and_are_shown_with_secrets_masked() {
    let installation = Installation::new(Database::Sqlite);
    let folder = installation.folder().join("config");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("default.toml"), "[worker]\nreaders = 5\nclaim_size = 5\n").unwrap();
    std::fs::write(folder.join("test.toml"), "[worker]\nclaim_size = 6\n").unwrap();
    let mut command = installation.command(&["config", "--database", "postgres://me:hush@host/db"]);
    command.env("STOCKTAKE_ENV", "test").env("STOCKTAKE__WORKER__POLL", "7s");
    let shown = Finished::from(command.output().unwrap()).success();
    for (key, value, origin) in [
        ("worker.readers", "5", "file config/default.toml"),
        ("worker.claim_size", "6", "file config/test.toml"),
        ("worker.poll", "\"7s\"", "variable STOCKTAKE__WORKER__POLL"),
        ("worker.enabled", "true", "default"),
        ("http.listen", "\"127.0.0.1:0\"", &format!("file {}", installation.config_file().display())),
        ("database.url", "\"postgres://me:***@host/db\"", "option --database"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(&format!("{key} = {value} ")));
        assert!(
            line.unwrap_or_else(|| panic!("{key}: {shown}")).ends_with(&format!("# {origin}")),
            "{shown}"
        );
    }
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn the_program_needs_no_configuration_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("var/stocktake.db");
    let run = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_stocktake"))
            .arg(command)
            .current_dir(folder.path())
            .env_remove("STOCKTAKE_ENV")
            .output();
        Finished::from(output.unwrap())
    };
    // A command that only reads makes no database, and says where it looked.
    let sentence = run("status").refusal();
    assert!(sentence.contains(database.to_str().unwrap()), "{sentence}");
    assert!(!database.exists());
    run("migrate").success();
    assert_eq!(run("status").success(), "no records; `stocktake import` or `stocktake scan` adds some\n");
}
