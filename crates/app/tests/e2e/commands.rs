//! What every command has in common.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Database, Finished, Installation, bare, line};

const COMMANDS: [&[&str]; 17] = [
    &["check"],
    &["init"],
    &["doctor"],
    &["completions"],
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
        (&["token"][..], "a command is missing: create, list, revoke"),
        (&["polish"][..], "there is no command \"polish\"; there are: serve, "),
        (&["verfy"][..], "there is no command \"verfy\"; did you mean \"verify\"? There are: "),
        (
            &["token", "creat"][..],
            "there is no command \"creat\"; did you mean \"create\"? There are: create, list",
        ),
        (&["verify", "--al"][..], "there is no option \"--al\"; did you mean \"--all\"?"),
        (&["verify", "--all", "--state", "failed"][..], "cannot be used with"),
        (&["verify", "upload"][..], "there is no model \"upload\"; did you mean \"uploads\"? There are: "),
        (&["verify", "--state", "broken"][..], "there is no state \"broken\"; there are: pending, started"),
        (&["import", "uploads"][..], "required arguments were not provided: <FILE>"),
        (&["import", "UPLOADS", "-"][..], "there is no model \"UPLOADS\"; did you mean \"uploads\"?"),
        (&["import", "uploads", "missing.ndjson"][..], "missing.ndjson cannot be opened"),
        (&["verify", "--identifiers", "1"][..], "--identifiers needs exactly one model"),
        (
            &["verify", "uploads", "--identifiers", "1,x"][..],
            "an identifier is an integer, or the base64 form",
        ),
        (&["verify", "uploads", "--identifiers", "1"][..], "nothing to verify: there is no catalogue at /"),
        (&["token", "create", "x", "--expires-in", "0d"][..], "a token that ends at once is of no use"),
        (
            &["token", "create", "x", "--expires-in", "40000000d"][..],
            "a token cannot end after the year 9999",
        ),
        (
            &["token", "create", "x", "--expires-in", "99999999999d"][..],
            "a token cannot end after the year 9999",
        ),
        (&["status", "--log", "loud"][..], "log.level: must be error, warn, info, debug or trace"),
        (&["scan", "uploads", "attic"][..], "there is no storage \"attic\"; there are: main"),
        (&["token", "create", "x", "--expires-in", "soon"][..], "a duration is written like 30d"),
        (&["status"][..], "there is no catalogue at /"),
        (&["export"][..], "there is no catalogue at /"),
        (&["accept", "uploads", "1"][..], "there is no catalogue at /"),
        (&["token", "list"][..], "there is no catalogue at /"),
        (&["token", "revoke", "x"][..], "there is no catalogue at /"),
        (
            &["worker", "--storages", "attic"][..],
            "worker.storages: there is no storage \"attic\"; there are: main (option --storage)",
        ),
    ] {
        let sentence = installation.run(words).refusal();
        assert!(sentence.contains(part), "{words:?}: {sentence}");
    }
    assert!(!installation.folder().join("var").exists(), "a database was made");
}

#[test]
fn a_wrong_command_is_told_beside_words_that_are_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let no_text = OsStr::from_bytes(b"caf\xe9");
    for (words, part) in [
        (&[OsStr::new("chek"), no_text][..], "there is no command \"chek\"; did you mean \"check\"?"),
        (&[no_text][..], "there is no command \"caf\u{fffd}\"; there are: serve, "),
        (&[OsStr::new("help"), no_text][..], "there is no command \"caf\u{fffd}\""),
        (&[OsStr::new("token"), no_text][..], "there are: create, list, revoke"),
        (&[OsStr::new("--config"), no_text, OsStr::new("token")][..], "a command is missing: create, list"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stocktake"));
        let output = command.args(words).current_dir(folder.path()).env_clear().output().unwrap();
        let sentence = Finished::from(output).refusal();
        assert!(sentence.contains(part), "{words:?}: {sentence}");
    }
}

#[test]
fn the_program_alone_shows_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = bare(folder.path(), &[], &[]).success();
    assert!(text.contains("\nLook at the content:\n  verify "), "{text}");
    assert!(text.contains("\nFor the first time:\n  stocktake check FOLDER "), "{text}");
    // Neither needs a configuration that can be read.
    std::fs::write(folder.path().join("stocktake.toml"), "[").unwrap();
    assert!(bare(folder.path(), &["version"], &[]).success().starts_with("stocktake "));
    assert!(bare(folder.path(), &["completions", "bash"], &[]).success().contains("complete -F _stocktake"));
}

#[test]
fn init_writes_a_configuration_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| bare(folder.path(), words, &[]);
    assert!(run(&["init", "files"]).refusal().contains("files cannot be looked at"));
    assert!(run(&["doctor"]).success().ends_with("still to be done.\n"));
    std::fs::create_dir(folder.path().join("files")).unwrap();
    std::fs::write(folder.path().join("files/a"), "content").unwrap();
    let said = run(&["init", "files"]).success();
    assert!(said.contains("the storage main can be read") && said.contains("scan uploads main"), "{said}");
    assert!(run(&["init", "files"]).refusal().contains("stocktake.toml is there already"));
    run(&["scan", "uploads", "main"]).success();
    run(&["verify"]).success();
    let doctor = run(&["doctor"]).success();
    assert!(doctor.contains("good   storage main: can be read\n"), "{doctor}");
    assert!(doctor.contains("open   tokens: none; stocktake token create"), "{doctor}");
    std::fs::rename(folder.path().join("files"), folder.path().join("away")).unwrap();
    let doctor = run(&["doctor", "--json"]);
    assert_eq!(doctor.code, 1);
    let document: serde_json::Value = serde_json::from_str(&doctor.stdout).unwrap();
    let wrong =
        document["checks"].as_array().unwrap().iter().find(|check| check["state"] == "wrong").unwrap();
    assert_eq!(wrong["what"], "storage main");
    assert!(wrong["text"].as_str().unwrap().contains("stocktake.toml line "), "{wrong}");
}

#[test]
fn a_configuration_that_sets_nothing_is_there() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "# Nothing yet.\n"] {
        std::fs::write(folder.path().join("stocktake.toml"), text).unwrap();
        let doctor = bare(folder.path(), &["doctor"], &[]).success();
        assert!(
            doctor.starts_with("good   configuration: stocktake.toml (sets nothing that is in force)\n"),
            "{doctor}"
        );
    }
}

#[test]
fn init_writes_the_database_that_it_has_tried() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("files")).unwrap();
    std::fs::create_dir(path("etc")).unwrap();
    std::fs::write(path("files/a"), "content").unwrap();
    let run = |words: &[&str]| bare(folder.path(), words, &[]);
    // In the file, which lies elsewhere, it is the same database as on the command line.
    run(&["init", "--database", "sqlite://other.db", "--config", "etc/new.toml", "files"]).success();
    assert!(path("other.db").exists());
    run(&["--config", "etc/new.toml", "scan", "uploads", "main"]).success();
    assert!(run(&["status", "--database", "sqlite://other.db"]).ended(2).contains("0 of 1 is good"));
    assert_eq!(std::fs::read_dir(path("etc")).unwrap().count(), 1);
}

#[test]
fn init_writes_the_file_that_the_variable_names() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    std::fs::write(folder.path().join("files/a"), "content").unwrap();
    let said =
        bare(folder.path(), &["init", "files"], &[("STOCKTAKE_CONFIG", Path::new("new.toml"))]).success();
    assert!(!folder.path().join("stocktake.toml").exists());
    // Whether the variable is still set or not.
    let next = said.split_once("Next: stocktake ").unwrap().1.split_once(", then").unwrap().0;
    bare(folder.path(), &next.split(' ').collect::<Vec<_>>(), &[]).success();
}

#[test]
fn serve_says_how_to_make_the_first_token() {
    let installation = Installation::new(Database::Sqlite);
    let service = installation.start(&["serve", "--no-worker"]);
    service.address();
    let log = service.stop();
    assert!(log.iter().any(|line| line.contains("stocktake token create NAME --admin")), "{log:#?}");
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
