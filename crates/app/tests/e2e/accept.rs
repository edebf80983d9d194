//! Taking altered content for good, and taking that back.

use std::fs::File;
use std::io::{Read as _, Write as _};

use serde_json::Value;

use crate::screens::terminal;
use crate::support::{Database, Finished, Installation, StoredFile};

/// Files that were verified, and then altered but for those of no model.
fn altered(installation: &Installation, paths: &[&str]) -> Vec<StoredFile> {
    let stored: Vec<StoredFile> =
        (1..).zip(paths).map(|(seed, path)| installation.file(path, seed, 1_000)).collect();
    installation.import_files("uploads", &stored);
    installation.run(&["verify"]).success();
    for (seed, file) in (100..).zip(&stored) {
        installation.file(&file.path, seed, 1_001);
    }
    assert_eq!(installation.run(&["verify", "--all"]).code, 1);
    stored
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn states(installation: &Installation) -> Value {
    json(&installation.run(&["status", "--json"]))["models"][0]["states"].clone()
}

/// What the command shows on a terminal of 60 columns to somebody who types this, and its exit status.
fn answered(installation: &Installation, answer: &str) -> (String, i32) {
    let (terminal, end) = terminal(60);
    let mut command = installation.command(&["accept", "uploads", "1"]);
    command.env("TERM", "dumb").stdin(end()).stdout(end()).stderr(end());
    let mut child = command.spawn().unwrap();
    // The ends that this process has would keep the terminal open.
    drop(command);
    let mut terminal = File::from(terminal);
    writeln!(terminal, "{answer}").unwrap();
    let mut shown = Vec::new();
    // So ends a terminal that nobody has open any more.
    let _ = terminal.read_to_end(&mut shown);
    (String::from_utf8(shown).unwrap().replace("\r\n", "\n"), child.wait().unwrap().code().unwrap())
}

#[test]
fn on_a_terminal_it_asks() {
    let installation = Installation::new(Database::Sqlite);
    altered(&installation, &["a/folder/with/a/long/name/and/a/file/of/a/longer/one.bin"]);
    for (answer, code, verdict) in [
        ("no", 2, "Nothing was accepted.\n"),
        ("", 2, "Nothing was accepted.\n"),
        ("y", 0, "Accepted 1 record as shown on the right.\n"),
    ] {
        let (shown, status) = answered(&installation, answer);
        assert_eq!(status, code, "{shown}");
        assert!(shown.contains("Accept 1 record as shown on the right? [y/N] "), "{shown}");
        assert!(
            shown.contains("\n  1,000 bytes, sha256 ") && shown.contains("\n  →  1,001 bytes, sha256 "),
            "{shown}"
        );
        assert!(shown.contains(verdict), "{shown}");
        // The answer was typed ahead, so that no line break of its own ends the question.
        let mut lines = shown.lines().filter(|line| !line.contains("[y/N]"));
        assert!(lines.all(|line| line.chars().count() <= 60), "{shown}");
    }
    assert_eq!(states(&installation)["succeeded"], 1);
}

on_both_databases! {
    fn accepted_content_is_good_from_then_on_until_that_is_taken_back(database) {
        let installation = Installation::new(database);
        let stored = installation.file("doc", 1, 1_000);
        installation.import("uploads", &[stored.line(1)]).success();
        installation.run(&["verify"]).success();
        let altered = installation.file("doc", 2, 1_001);
        let found = installation.run(&["verify", "--all"]);
        assert_eq!(found.code, 1);
        let (was, is) = (&stored.sha256[..8], &altered.sha256[..8]);
        let line = format!(
            "ALTERED  main:doc  (uploads 1)  1,000 bytes before, 1,001 now; sha256 {was}… as recorded, {is}… now; \
             written "
        );
        assert!(found.stdout.starts_with(&line), "{found:?}");

        let words = ["accept", "uploads", "1", "--yes", "--reason", "re-encoded"];
        let accepted = installation.run(&words).success();
        let lines: Vec<&str> = accepted.lines().collect();
        assert_eq!(lines[0], "uploads 1  main:doc");
        assert!(lines[1].starts_with(&format!("  1,000 bytes, sha256 {was}…, ")), "{accepted}");
        assert!(lines[1].ends_with(&format!("  →  1,001 bytes, sha256 {is}…, now")), "{accepted}");
        assert_eq!(lines[2], "Accepted 1 record as shown on the right.");
        assert_eq!(lines[3], "To take it back: stocktake accept --undo uploads 1");
        installation.run(&["verify", "--all"]).success();

        // Not a licence for any content.
        installation.file("doc", 3, 1_001);
        let found = installation.run(&["verify", "--all"]);
        assert_eq!(found.code, 1);
        let was = format!("; sha256 {is}… on ");
        assert!(found.stdout.starts_with("ALTERED  main:doc  (uploads 1)  "), "{found:?}");
        assert!(found.stdout.contains(&was), "{found:?}");

        // What was recorded counts again, and only the content that it was recorded of is good.
        installation.file("doc", 2, 1_001);
        installation.run(&["verify", "--all"]).success();
        let undone = installation.run(&["accept", "--undo", "uploads", "1", "1", "--json"]);
        assert_eq!(undone.code, 0, "{undone:?}");
        let back = json(&undone);
        let new = &back["taken_back"][0]["new"];
        assert_eq!(new["checksum"], format!("sha256:{}", stored.sha256));
        assert_eq!(new["size"], 1_000);
        let found = installation.run(&["verify"]);
        assert_eq!(found.code, 1);
        assert!(found.stdout.starts_with(&line), "{found:?}");
        installation.file("doc", 1, 1_000);
        installation.run(&["verify", "--all"]).success();
        let again = installation.run(&["accept", "--undo", "uploads", "1"]);
        assert_eq!((again.code, again.stdout.as_str()), (2, "Nothing was taken back.\n"));
        assert!(again.stderr.contains("its content is not an accepted one"), "{again:?}");
    }

    fn a_filter_chooses_what_is_accepted(database) {
        let installation = Installation::new(database);
        let stored = altered(&installation, &["docs/a", "docs/b/c", "other", "docs/[a]"]);
        let words = ["accept", "--kind", "altered", "--storage", "main", "--path", "docs/*", "--yes", "--json"];
        let dry = json(&installation.run(&[&words[..], &["--dry-run"]].concat()));
        assert_eq!(states(&installation)["failed"], 4);
        let accepted = json(&installation.run(&words));
        let paths: Vec<&str> =
            accepted["accepted"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["docs/a", "docs/[a]"]);
        assert_eq!(accepted["accepted"][0]["old"]["checksum"], format!("sha256:{}", stored[0].sha256));
        assert_eq!(dry["accepted"].as_array().unwrap().len(), 2);
        assert_eq!((&dry["dry_run"], &accepted["dry_run"]), (&Value::Bool(true), &Value::Bool(false)));
        assert_eq!((&dry["version"], &accepted["version"]), (&Value::from(1), &Value::from(1)));
        assert_eq!((&states(&installation)["failed"], &states(&installation)["succeeded"]), (&2.into(), &2.into()));
        // And what is taken back, also by what it was found to be before.
        let undo = |more: &[&str]| installation.run(&[&["accept", "--undo", "--json", "--yes"], more].concat());
        let none = undo(&["--kind", "missing"]).refusal();
        assert_eq!(none, "nothing to take back: no accepted record matches");
        let both = undo(&["uploads", "1", "--path", "docs/a"]).refusal();
        assert_eq!(both, "either identifiers or filters choose the records");
        let dry = json(&undo(&["--storage", "main", "--dry-run"]));
        assert_eq!(dry["taken_back"].as_array().unwrap().len(), 2);
        let undone = json(&undo(&["--kind", "altered", "--path", "docs/a"]));
        assert_eq!((undone["taken_back"].as_array().unwrap().len(), &undone["taken_back"][0]["path"]), (1, &"docs/a".into()));
        installation.run(&["verify"]);
        assert_eq!(states(&installation)["failed"], 3);
        installation.run(&words).success();
        let none = installation.run(&["accept", "--path", "nowhere/**", "--yes"]).refusal();
        assert_eq!(none, "nothing to accept: no record that was found altered matches");
    }

    fn what_is_more_likely_a_mistake_needs_force(database) {
        let installation = Installation::new(database);
        altered(&installation, &["emptied", "gone", "altered"]);
        let good = installation.file("good", 9, 10);
        installation.import("uploads", &[good.line(4)]).success();
        installation.run(&["verify"]);
        installation.file("emptied", 1, 0);
        std::fs::remove_file(installation.path("gone")).unwrap();
        let finished = installation.run(&["accept", "uploads", "1", "2", "3", "4", "5", "--yes"]);
        assert_eq!(finished.code, 2);
        let verdict = "Accepted 1 record as shown on the right. 4 records were not accepted.\nTo take it back: stocktake accept --undo \
                       uploads 3\n";
        assert!(finished.stdout.ends_with(verdict), "{finished:?}");
        let refusals: Vec<&str> = finished.stderr.lines().collect();
        let beginning = |key: u8| format!("stocktake: uploads {key} was not accepted: ");
        assert_eq!(refusals[0], beginning(1) + "the file has 0 bytes; --force accepts it all the same");
        assert!(refusals[1].starts_with(&(beginning(2) + "nothing is there, and no verification has found it missing yet")), "{finished:?}");
        assert_eq!(refusals[2], beginning(4) + "it was not found altered; --force accepts it all the same");
        assert_eq!(refusals[3], beginning(5) + "there is no such record");
        assert_eq!(states(&installation)["failed"], 2);
        installation.run(&["accept", "uploads", "1", "4", "--yes", "--force"]).success();
        assert_eq!(states(&installation)["failed"], 1);
    }

    fn nothing_is_accepted_where_nobody_is_asked(database) {
        let installation = Installation::new(database);
        altered(&installation, &["doc"]);
        let refusal = installation.run(&["accept", "uploads", "1"]).refusal();
        assert!(refusal.starts_with("there is no terminal to ask on: --yes accepts"), "{refusal}");
        let refusal = installation.run(&["accept", "uploads"]).refusal();
        assert!(refusal.starts_with("accept needs the identifiers of records, or a filter"), "{refusal}");
        let refusal = installation.run(&["accept", "--kind", "changed", "--yes"]).refusal();
        assert!(refusal.contains("there is no kind of failure \"changed\""), "{refusal}");
        let shown = installation.run(&["accept", "uploads", "1", "--dry-run"]).success();
        assert!(shown.ends_with("Would accept 1 record as shown on the right; nothing was changed.\n"), "{shown}");
        assert_eq!(states(&installation)["failed"], 1);
    }

    /// A file that was deleted on purpose is no finding for ever, and nobody has to edit a catalogue for that.
    fn a_missing_record_is_retired_and_taken_back(database) {
        let installation = Installation::new(database);
        let files = installation.files(3);
        installation.import_files("uploads", &files);
        installation.run(&["verify"]).success();
        std::fs::remove_file(installation.path(&files[1].path)).unwrap();
        assert_eq!(installation.run(&["verify", "--all"]).code, 1);
        let dry = installation.run(&["accept", "uploads", "2", "--dry-run"]).success();
        assert!(dry.contains("137 bytes, sha256 ") && dry.contains("  →  nothing is there: retired, no longer verified"), "{dry}");
        let words = ["accept", "--kind", "missing", "--yes", "--reason", "cleaned up"];
        let accepted = installation.run(&words).success();
        assert!(
            accepted.ends_with(
                "Accepted 1 record as shown on the right. 1 record was retired: the file was deleted on purpose, and is no \
                 longer looked for.\nTo take it back: stocktake accept --undo uploads 2\n"
            ),
            "{accepted}"
        );
        // Neither a verification nor a scan looks for it.
        installation.run(&["verify", "--all"]).success();
        assert_eq!(states(&installation)["disabled"], 1);
        let scanned = installation.run(&["scan", "uploads", "main"]).success();
        assert!(scanned.starts_with("found 2, new 0, gone 0, skipped 0\n"), "{scanned}");
        let shown = json(&installation.run(&["show", "uploads", "2", "--json"]));
        assert_eq!(shown["records"][0]["acceptances"][0]["reason"], "cleaned up", "{shown}");
        let advice = "If the file is to be there: restore it and scan the storage, or stocktake accept --undo uploads 2";
        assert_eq!(shown["records"][0]["what_to_do"], format!("Nothing. {advice}"));
        let shown = installation.run(&["show", "uploads", "2"]).success();
        assert!(shown.contains(": cleaned up; retired, nothing was there in place of"), "{shown}");

        let undone = installation.run(&["accept", "--undo", "uploads", "2", "--reason", "it was not"]).success();
        assert!(undone.contains("1 record was taken back: the right side counts again."), "{undone}");
        assert!(installation.run(&["show", "uploads", "2"]).success().contains(" (it was not)"));
        assert_eq!(installation.run(&["verify"]).code, 1);
        let again = installation.run(&["accept", "--undo", "uploads", "2"]);
        assert_eq!(again.code, 2, "{again:?}");

        // A file that is back is looked at again.
        installation.run(&["accept", "uploads", "2", "--yes"]).success();
        installation.file(&files[1].path, 2, files[1].size);
        let scanned = installation.run(&["scan", "uploads", "main"]).success();
        assert!(
            scanned.contains("\n1 record was retired before, and the file is there again: it is verified from now on.\n"),
            "{scanned}"
        );
        installation.run(&["verify"]).success();
        assert_eq!(states(&installation)["succeeded"], 3);
    }

    fn nothing_is_retired_in_a_storage_that_is_away(database) {
        let installation = Installation::new(database);
        let files = installation.files(2);
        installation.import_files("uploads", &files);
        installation.run(&["verify"]).success();
        std::fs::remove_file(installation.path(&files[0].path)).unwrap();
        assert_eq!(installation.run(&["verify", "--all"]).code, 1);
        let refused = || installation.run(&["accept", "--kind", "missing", "--yes", "--force"]);
        std::fs::rename(installation.path(""), installation.folder().join("away")).unwrap();
        let away = refused();
        assert!(away.code == 2 && away.stderr.contains(" does not exist"), "{away:?}");
        // The folder that a disk was mounted on is another one.
        std::fs::create_dir(installation.path("")).unwrap();
        let empty = refused();
        assert!(empty.code == 2 && empty.stderr.contains("is another one than before"), "{empty:?}");
        assert_eq!(states(&installation)["failed"], 1);
    }
}
