//! Ending on a signal.

use rustix::process::Signal;

use crate::support::{Installation, eventually, line};

const SLOW: &str = "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"1MB\"\n";

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
