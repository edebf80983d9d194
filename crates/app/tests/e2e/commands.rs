//! What every command has in common.

use std::process::Stdio;

use crate::support::{Database, Installation, line};

const COMMANDS: [&[&str]; 13] = [
    &["serve"],
    &["worker"],
    &["verify"],
    &["status"],
    &["import"],
    &["scan"],
    &["accept"],
    &["token"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
    &["migrate"],
    &["config"],
];

#[test]
fn every_command_explains_itself() {
    let installation = Installation::new(Database::Sqlite);
    for words in COMMANDS {
        let words: Vec<&str> = words.iter().copied().chain(["--help"]).collect();
        let help = installation.run(&words).success();
        assert!(help.contains("Usage: stocktake ") && help.contains("Example"), "{words:?}: {help}");
        assert!(help.contains("--config <FILE>"), "{words:?}: {help}");
    }
    assert!(installation.run(&["--version"]).success().starts_with("stocktake "));
}

#[test]
fn wrong_arguments_are_one_sentence_and_exit_status_2() {
    let installation = Installation::new(Database::Sqlite);
    for (words, part) in [
        (&[][..], "a command is missing"),
        (&["token"][..], "a command is missing"),
        (&["polish"][..], "unrecognized subcommand 'polish'"),
        (&["import", "uploads"][..], "required arguments were not provided: <FILE>"),
        (&["import", "UPLOADS", "-"][..], "\"UPLOADS\" is not the name of a model"),
        (&["import", "uploads", "missing.ndjson"][..], "missing.ndjson cannot be opened"),
        (&["verify", "--identifiers", "1"][..], "--identifiers needs exactly one model"),
        (
            &["verify", "uploads", "--identifiers", "1,x"][..],
            "an identifier is an integer, or the base64 form",
        ),
        (&["verify", "uploads", "--identifiers", "1"][..], "nothing to verify: there is no catalogue at /"),
        (&["token", "create", "x", "--expires-in", "0d"][..], "a token that ends at once is of no use"),
        (&["status", "--log", "loud"][..], "log.level: must be error, warn, info, debug or trace"),
        (&["scan", "uploads", "attic"][..], "there is no storage \"attic\" in the configuration"),
        (&["token", "create", "x", "--expires-in", "soon"][..], "a duration is written like 30d"),
        (&["status"][..], "there is no catalogue at /"),
        (&["export"][..], "there is no catalogue at /"),
        (&["accept", "uploads", "1"][..], "there is no catalogue at /"),
        (&["token", "list"][..], "there is no catalogue at /"),
        (&["token", "revoke", "x"][..], "there is no catalogue at /"),
        (&["worker", "--storages", "attic"][..], "worker.storages: names the storage \"attic\""),
    ] {
        let sentence = installation.run(words).refusal();
        assert!(sentence.contains(part), "{words:?}: {sentence}");
    }
    assert!(!installation.folder().join("var").exists(), "a database was made");
}

on_both_databases! {
    fn migrations_are_applied_once_and_named(database) {
        let installation = Installation::new(database);
        let first = installation.run(&["migrate"]).success();
        assert!(first.lines().all(|line| line.starts_with("applied ")) && !first.is_empty(), "{first}");
        assert_eq!(installation.run(&["migrate"]).success(), "the schema is current\n");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_trouble() {
    let installation = Installation::new(Database::Sqlite);
    let lines: Vec<String> = (1..=200).map(|key| line(key, &format!("missing-{key}"), "")).collect();
    installation.import("uploads", &lines).success();
    let mut command = installation.command(&["verify"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    // The exit status still tells what was found.
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
