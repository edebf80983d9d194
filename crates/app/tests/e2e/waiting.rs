//! What is said while a verification waits for something.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::documents::check_line;
use crate::support::{Database, Finished, Installation, eventually, line};

/// Runs a command, and interrupts it once standard error has this.
fn interrupted_at(mut command: Command, folder: &std::path::Path, said: &str) -> Finished {
    let log = folder.join("stderr");
    command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
    let child = command.spawn().unwrap();
    let text = || std::fs::read_to_string(&log).unwrap();
    eventually(said, || text().contains(said).then_some(()));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let finished = Finished::from(child.wait_with_output().unwrap());
    Finished { stderr: text(), ..finished }
}

on_both_databases! {
    /// Long before it gives up on the storage, and without a log line among what is said.
    fn a_closed_storage_is_told_at_once_and_an_interrupt_ends_with_the_verdict(database) {
        let installation = Installation::with(database, "[verification]\ngive_up_after = \"1h\"");
        let files = installation.files(3);
        installation.import_files("uploads", &files);
        installation.run(&["verify"]).success();
        let root = installation.path("");
        std::fs::rename(&root, installation.folder().join("away")).unwrap();
        let command = installation.command(&["verify", "--all"]);
        let finished = interrupted_at(command, installation.folder(), "waiting for storage main, ");
        assert_eq!(finished.code, 130, "{finished:?}");
        let at = root.display().to_string();
        let sentence = format!("Storage main cannot be read: {} does not exist (", at.trim_end_matches('/'));
        let first = finished.stderr.lines().next().unwrap();
        assert!(first.starts_with(&sentence), "{finished:?}");
        assert!(
            first.ends_with(
                " Its records wait. If nothing else is left to read, it is tried again for 1 hour \
                 (verification.give_up_after); Ctrl-C ends it now."
            ),
            "{finished:?}"
        );
        assert!(finished.stderr.contains("0 of 3 records, waiting for storage main, "), "{finished:?}");
        assert!(!finished.stderr.contains("WARN") && !finished.stderr.contains('{'), "{finished:?}");
        assert!(finished.stdout.contains(&sentence) && finished.stdout.contains(" Its 3 records were left as they were."));
        assert!(
            finished.stdout.ends_with(
                "No record failed, but not all were read: Interrupted: 3 are still due, and stocktake verify goes on with \
                 them.\n"
            ),
            "{finished:?}"
        );
        // What was good before is not forgotten meanwhile.
        let status = installation.run(&["status"]);
        assert_eq!(status.code, 1, "{status:?}");
        assert!(
            status.stdout.contains("0 of 3 are good, 3 were good before and are to be read again."),
            "{status:?}"
        );
    }

    /// Whoever was killed holds its records until its lease is over.
    fn the_lease_of_a_worker_that_was_killed_is_told(database) {
        let settings = "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"1KB\"\n[worker]\nheartbeat_timeout = \"10s\"\n";
        let installation = Installation::with(database, settings);
        installation.file("large", 1, 10_000_000);
        installation.import("uploads", &[line(1, "large", "")]).success();
        let first = installation.start(&["verify"]);
        let started = || {
            let status = installation.run(&["status", "--json"]).stdout;
            serde_json::from_str::<Value>(&status).unwrap()["models"][0]["states"]["started"] == 1
        };
        eventually("it has begun", || started().then_some(()));
        let pid = first.pid();
        first.kill();
        let finished =
            interrupted_at(installation.command(&["verify"]), installation.folder(), "Another worker (process ");
        assert_eq!(finished.code, 130, "{finished:?}");
        let told = format!("Another worker (process {pid} on ");
        assert!(finished.stderr.contains(&told) && finished.stderr.contains(" seconds at most."), "{finished:?}");
    }
}

#[test]
fn a_program_is_told_how_far_it_is_line_by_line() {
    let installation = Installation::with(Database::Sqlite, "[verification]\ngive_up_after = \"1h\"");
    installation.import("uploads", &[line(1, "a", "")]).success();
    std::fs::rename(installation.path(""), installation.folder().join("away")).unwrap();
    let command = installation.command(&["verify", "--json"]);
    let finished = interrupted_at(command, installation.folder(), "waiting_for\":\"waiting for storage main");
    let told: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with('{')).collect();
    let progress = check_line("progress", told.last().unwrap());
    assert_eq!((&progress["progress"]["done"], &progress["progress"]["total"]), (&0.into(), &1.into()));
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["stopped"], &report["left"]), (&"Interrupted".into(), &1.into()));
}

/// Nothing is said of a run that is quick.
#[test]
fn what_gets_on_waits_for_nothing() {
    let installation = Installation::new(Database::Sqlite);
    let files = installation.files(20);
    installation.import_files("uploads", &files);
    let finished = installation.run(&["verify"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
}
