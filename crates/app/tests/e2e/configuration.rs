//! The configuration as the program takes it from files, variables and options.

use crate::support::{Database, Finished, Installation, bare};

fn with_config(text: &str, words: &[&str]) -> Finished {
    let installation = Installation::new(Database::Sqlite);
    std::fs::write(installation.config_file(), text).unwrap();
    installation.run(words)
}

#[test]
fn a_mistake_is_one_sentence_and_exit_status_2() {
    let cases = [
        ("[http]\nlissten = 1", "unknown configuration key http.lissten ("),
        (
            "[http]\nlisten = \"here\"",
            "http.listen: must be an IP address and a port such as 127.0.0.1:8080 (",
        ),
        ("[http", "the configuration in "),
        (
            "[storages.x]\nkind = \"tape\"",
            "storages.x.kind: must be one of \"directory\", \"git\", \"gitaly-cluster\", \"s3\"",
        ),
        ("[storages.x]\nkind = \"s3\"", "storages.x.bucket is not set"),
        ("[database]\nurl = \"mysql://somewhere/x\"", ""),
        (
            "[database]\nurl = \"postgres://user:hush@127.0.0.1:1/x\"",
            "the database is unreachable: 127.0.0.1:1/x: ",
        ),
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
        ("worker.readers", "5", "config/default.toml line 2"),
        ("worker.claim_size", "6", "config/test.toml line 2"),
        ("worker.poll", "\"7s\"", "variable STOCKTAKE__WORKER__POLL"),
        ("worker.enabled", "true", "default"),
        ("http.listen", "\"127.0.0.1:0\"", &format!("{} line 4", installation.config_file().display())),
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
fn a_mistake_is_told_with_its_place() {
    let installation = Installation::new(Database::Sqlite);
    for (text, place) in [
        ("[http]\n\nlissten = 1", "line 3"),
        ("[http]\nlisten = \"here\"", "line 2"),
        ("[http", "line 1"),
        ("[storages.x]\nkind = \"s3\"", "line 2"),
        ("\n[storages.x]\nkind = \"s3\"\nbucket = \"b\"\nendpoint = \"http://h\"", "line 4"),
    ] {
        std::fs::write(installation.config_file(), text).unwrap();
        let sentence = installation.run(&["scan", "uploads", "x"]).refusal();
        let place = format!("{} {place}", installation.config_file().display());
        assert!(sentence.contains(&place), "{text}: {sentence}");
    }
    let mut command = installation.command(&["status"]);
    std::fs::remove_file(installation.config_file()).unwrap();
    let sentence = Finished::from(command.output().unwrap()).refusal();
    assert!(sentence.contains("stocktake.toml (option --config) cannot be read: "), "{sentence}");
}

#[test]
fn the_program_needs_no_configuration_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("var/stocktake.db");
    let run = |word: &str| bare(folder.path(), &[word], &[]);
    // A command that only reads makes no database, and says where it looked.
    let sentence = run("status").refusal();
    assert!(sentence.contains(database.to_str().unwrap()), "{sentence}");
    assert!(!database.exists());
    run("migrate").success();
    assert_eq!(
        run("status").ended(2),
        "There are no records: stocktake import or stocktake scan adds some.\n"
    );
    let sentence = bare(folder.path(), &["scan", "uploads", "main"], &[]).refusal();
    assert!(
        sentence.contains("there is no storage \"main\", nor any other: stocktake init FOLDER"),
        "{sentence}"
    );
}

#[test]
fn the_configuration_is_found_and_its_paths_are_relative_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home/.config/stocktake");
    std::fs::create_dir_all(home.join("data")).unwrap();
    std::fs::write(home.join("data/file"), "content").unwrap();
    let text = "[database]\nurl = \"sqlite://catalogue.db\"\n[storages.main]\nroot = \"data\"\n";
    std::fs::write(home.join("stocktake.toml"), text).unwrap();
    // Another program's.
    std::fs::create_dir_all(folder.path().join("work/config")).unwrap();
    std::fs::write(folder.path().join("work/config/default.toml"), "theirs = [").unwrap();
    let variables = [("HOME", &*folder.path().join("home"))];
    let run = |words: &[&str]| bare(&folder.path().join("work"), words, &variables);
    run(&["scan", "uploads", "main"]).success();
    assert!(home.join("catalogue.db").exists());
    let file = home.join("stocktake.toml");
    let named = bare(folder.path(), &["models"], &[("STOCKTAKE_CONFIG", &file)]);
    assert!(named.success().contains("uploads"));
}
