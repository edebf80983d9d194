//! Ending on a signal.

use rustix::process::Signal;

use crate::support::{Installation, eventually, line};

const SLOW: &str = "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"1MB\"\n";

/// Reloads what is logged, and goes on.
#[test]
fn a_hangup_reloads_the_log_level_of_a_service_and_stops_a_command() {
    let installation = Installation::with(crate::support::Database::Sqlite, SLOW);
    let (service, api) = installation.serve_with(&["--no-worker"]);
    let config = std::fs::read_to_string(installation.config_file()).unwrap();
    std::fs::write(installation.config_file(), format!("{config}[log]\nlevel = \"debug\"\n")).unwrap();
    service.signal(Signal::HUP);
    // Lines of the level debug are written for each request.
    for _ in 0..50 {
        assert_eq!(api.get("/api/v4/version").status, 200);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let log = service.stop();
    assert!(log.iter().any(|line| line.contains("reloaded the configuration: log.level is")), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("\"DEBUG\"")), "{log:#?}");

    std::fs::write(installation.config_file(), config).unwrap();
    installation.file("large", 1, 60_000_000);
    installation.import("uploads", &[line(1, "large", "")]).success();
    let run = installation.start(&["verify"]);
    let states = || installation.run(&["status", "--json"]).stdout;
    eventually("the record is started", || states().contains("\"started\": 1").then_some(()));
    run.signal(Signal::HUP);
    assert_eq!(run.wait().0.code(), Some(130));
}

/// An import that waits for its standard input.
#[test]
fn every_command_ends_with_130_when_it_is_interrupted() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let installation = Installation::new(crate::support::Database::Sqlite);
        let mut command = installation.command(&["import", "uploads", "-", "--log", "info"]);
        command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let database = installation.folder().join("var/stocktake.db");
        eventually("it runs", || database.exists().then_some(()));
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        drop(stdin);
    }
}

on_both_databases! {
    /// A service that reads a file for minutes ends within the time that it promises, and gives the record back.
    fn a_service_stops_in_the_middle_of_a_large_file(database) {
        let installation = Installation::with(database, SLOW);
        installation.file("large", 1, 60_000_000);
        installation.import("uploads", &[line(1, "large", "")]).success();
        let (service, api) = installation.serve();
        eventually("the record is started", || (api.count("uploads", "started") == 1).then_some(()));
        service.stop();
        let (service, api) = installation.serve_with(&["--no-worker"]);
        let record = api.record("uploads", 1);
        assert_eq!(record["checksum_information"]["checksum_state"], "pending");
        assert_eq!(record["checksum_information"]["checksum_retry_count"], 0);
        service.stop();
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let installation = Installation::with(crate::support::Database::Sqlite, SLOW);
    installation.file("large", 1, 60_000_000);
    installation.import("uploads", &[line(1, "large", "")]).success();
    let (service, api) = installation.serve();
    eventually("the record is started", || (api.count("uploads", "started") == 1).then_some(()));
    service.signal(Signal::TERM);
    service.signal(Signal::TERM);
    let (status, log) = service.wait();
    // The first may have done its work before the second came.
    assert!(matches!(status.code(), Some(0 | 130)), "{status}: {log:#?}");
}
