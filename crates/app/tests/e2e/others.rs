//! Whatever becomes of one host, the others get on within a minute, and nothing that is well is found to be bad: a network
//! that goes silent, a host that stops, clocks that differ.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stocktake_testbed::{PgCluster, Wire, postgres};

use crate::support::{Api, Database, Installation, eventually};

/// Within which the others must get on.
const A_MINUTE: Duration = Duration::from_secs(60);

const FILES: u64 = 1_500;

/// Waits until all files have succeeded; none may fail meanwhile.
fn all_succeed(api: &Api) {
    let began = Instant::now();
    eventually("all files succeed", || {
        assert_eq!(api.count("uploads", "failed"), 0, "good files failed");
        (api.count("uploads", "succeeded") == FILES).then_some(())
    });
    let elapsed = began.elapsed();
    assert!(elapsed < A_MINUTE, "the others got on after {elapsed:?} only");
}

/// The number that a statement returns.
fn number(url: &str, statement: &str) -> i64 {
    postgres().sql(url, statement).unwrap().trim().parse().unwrap()
}

#[test]
fn a_host_that_vanishes_within_a_transaction() {
    let installation = Installation::new(Database::Postgres);
    installation.import_files("uploads", &installation.files(FILES));
    let url = installation.database_url();
    // It holds its queue by now, and is about to ask which of its ranges are leased.
    let (before, rest) = url.split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let server: SocketAddr = server.parse().unwrap();
    let wire = Wire::start(server, b"\"leases\".\"first_key\"").unwrap();
    let through = format!("{before}@{}/{name}", wire.address());
    let lost = installation.start(&["worker", "--database", &through]);
    eventually("the wire is cut", || wire.is_cut().then_some(()));
    lost.kill();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND state = 'idle in transaction'";
    // Another of its connections may have been within a transaction as well.
    assert!(number(url, open) >= 1);
    let (service, api) = installation.serve();
    let began = Instant::now();
    all_succeed(&api);
    api.put("/api/v4/admin/data_management/uploads/1/checksum").ok();
    assert!(began.elapsed() < A_MINUTE);
    service.stop();
}

#[test]
fn a_host_that_stops_and_goes_on() {
    let installation = Installation::with(Database::Postgres, "[worker]\nclaim_size = 50");
    installation.import_files("uploads", &installation.files(FILES));
    let stopped = installation.start(&["worker"]);
    let url = installation.database_url();
    eventually("a lease is held", || {
        stopped.signal(Signal::STOP);
        let leased = number(url, "SELECT count(*) FROM leases") > 0;
        if !leased {
            stopped.signal(Signal::CONT);
        }
        leased.then_some(())
    });
    let (service, api) = installation.serve();
    all_succeed(&api);
    // Its results come too late, and are of no harm.
    stopped.signal(Signal::CONT);
    stopped.stop();
    assert_eq!(api.count("uploads", "succeeded"), FILES);
    service.stop();
}

#[test]
fn hosts_whose_clocks_differ() {
    let installation = Installation::with(Database::Postgres, "[worker]\nclaim_size = 20");
    let url = installation.database_url();
    let (service, api) = installation.serve();
    let wrong: Vec<_> = ["+60s", "+9h", "-9h", "+74y"]
        .into_iter()
        .map(|offset| installation.start_at(offset, &["worker"]))
        .collect();
    installation.import_files("uploads", &installation.files(FILES));
    all_succeed(&api);
    for worker in wrong {
        let log = worker.stop().join("\n");
        assert!(log.contains("this host's clock is"), "{log}");
    }
    // All that was written is of the database's time.
    let wrong =
        "SELECT count(*) FROM records WHERE abs(baseline_at - extract(epoch FROM now()) * 1000) > 300000";
    assert_eq!(number(url, wrong), 0);
    let metrics = api.get("/metrics").text;
    let skew = metrics.lines().find_map(|line| line.strip_prefix("stocktake_clock_skew_seconds "));
    assert!(skew.unwrap().parse::<f64>().unwrap().abs() < 5.0, "{skew:?}");
    service.stop();
}

on_both_databases! {
    fn a_failure_recorded_by_a_clock_that_was_ahead_is_tried_again(database) {
        let installation = Installation::new(database);
        let files = installation.files(1);
        installation.import_files("uploads", &files);
        let (here, away) = (installation.path(&files[0].path), installation.folder().join("away"));
        std::fs::rename(&here, &away).unwrap();
        assert_eq!(installation.run_at("+200d", &["verify"]).code, 1);
        std::fs::rename(&away, &here).unwrap();
        // On PostgreSQL the clock was never ahead, so that the usual wait is still on.
        if database == Database::Sqlite {
            installation.run(&["verify"]).success();
        }
        installation.run(&["verify", "--all"]).success();
    }
}

#[test]
fn a_worker_waits_for_a_database_that_takes_no_connection() {
    // More than the service keeps for itself, so that some are left for this test to look.
    const MOST: usize = 16;
    let settings = [("max_connections", &*MOST.to_string()), ("superuser_reserved_connections", "0")];
    let cluster = PgCluster::start_with(&settings).unwrap();
    let url = cluster.create_database().unwrap();
    let installation = Installation::at(Some(&url), "");
    let files = installation.files(3);
    installation.import_files("uploads", &files);
    let idle = || cluster.command("psql").arg(&url).stdin(Stdio::piped()).spawn().unwrap();
    let mut occupied: Vec<_> = (0..MOST).map(|_| idle()).collect();
    // In the foreground it is one sentence.
    let mut refused = 0;
    let refusal = eventually("all connections are taken", || {
        // One that came while the command had a connection, or an ended one was not yet gone, was refused itself.
        occupied.push(idle());
        std::thread::sleep(Duration::from_millis(200));
        let finished = installation.run(&["status"]);
        refused = if finished.stderr.contains("unreachable") { refused + 1 } else { 0 };
        (refused == 3).then(|| finished.refusal())
    });
    assert!(refusal.starts_with("the database is unreachable: "), "{refusal}");
    let worker = installation.start(&["worker"]);
    std::thread::sleep(Duration::from_secs(3));
    for client in &mut occupied {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    eventually("the worker works", || {
        let count = cluster.sql(&url, "SELECT count(*) FROM records WHERE state = 2").ok()?;
        (count.trim() == "3").then_some(())
    });
    let log = worker.stop().join("\n");
    assert!(log.contains("the database takes no connection now"), "{log}");
}
