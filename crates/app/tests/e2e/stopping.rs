//! Processes that end on a signal, or are killed, while they work.

use rustix::process::Signal;
use stocktake_testbed::{postgres, write_numbered};

use crate::support::{Api, Database, Installation, eventually, line};

const RECORDS: u64 = 20_000;
const ROUNDS: usize = 4;
const MODEL: &str = "lfs_objects";

/// Short signs of life, so that what the killed leave behind is soon free again.
const SETTINGS: &str = "[worker]\nclaim_size = 200\nheartbeat_timeout = \"1s\"\npoll = \"200ms\"";

const SLOW: &str = "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"1MB\"\n";

fn succeeded(api: &Api) -> u64 {
    let summary = api.get("/api/v1/summary").ok();
    summary["models"][0]["states"]["succeeded"].as_u64().unwrap_or(0)
}

on_both_databases! {
    /// However often processes are killed, each record is recorded once and with its own digest.
    fn every_record_is_recorded_once_whoever_is_killed(database) {
        let installation = Installation::with(database, SETTINGS);
        let count = usize::try_from(RECORDS).unwrap();
        let files = write_numbered(&installation.path(""), count, 200).unwrap();
        let lines: Vec<String> = (1..).zip(&files).map(|(key, (path, _))| line(key, path, "")).collect();
        installation.import(MODEL, &lines).success();

        let mut done = 0;
        for _ in 0..ROUNDS {
            let worker = (database == Database::Postgres).then(|| installation.start(&["worker"]));
            let (service, api) = installation.serve();
            done = eventually("the work gets on", || Some(succeeded(&api)).filter(|now| *now > done || *now == RECORDS));
            service.kill();
            if let Some(worker) = worker {
                worker.kill();
            }
        }
        let (service, api) = installation.serve();
        eventually("all is done", || (succeeded(&api) == RECORDS).then_some(()));
        let mut next = Some(format!("/api/v4/admin/data_management/{MODEL}?pagination=keyset&per_page=100"));
        let mut digests = files.iter().map(|(_, digest)| digest.as_str());
        while let Some(url) = next {
            let answer = api.get(&url);
            for record in answer.ok().as_array().unwrap() {
                let checksum = &record["checksum_information"];
                assert_eq!(checksum["checksum"].as_str(), digests.next(), "{record}");
                assert_eq!(checksum["checksum_retry_count"], 0, "{record}");
            }
            next = answer.link("next");
        }
        assert_eq!(digests.next(), None);
        if database == Database::Postgres {
            let again = postgres().sql(installation.database_url(), "SELECT count(*) FROM records WHERE attempt <> 1");
            assert_eq!(again.unwrap(), "0");
        }
        service.stop();
    }

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
    let installation = Installation::with(Database::Sqlite, SLOW);
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
