//! Several processes on one PostgreSQL.

use std::collections::BTreeMap;

use crate::support::{Api, Database, Installation, eventually};

/// How many records a service says it verified.
fn verified(api: &Api) -> u64 {
    let metrics = api.get("/metrics").text;
    let line =
        metrics.lines().find(|line| line.starts_with("stocktake_verifications_total{model=\"uploads\""));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |count| count.parse().unwrap())
}

#[test]
fn many_workers_share_the_work_and_do_nothing_twice() {
    let installation = Installation::with(Database::Postgres, "[worker]\nclaim_size = 20");
    let files = installation.files(1_500);
    // Three services, because a service tells what it did.
    let services: Vec<_> = (0..3).map(|_| installation.start(&["serve"])).collect();
    let addresses: Vec<String> = services.iter().map(crate::support::Service::address).collect();
    let workers: Vec<_> = (0..2).map(|_| installation.start(&["worker"])).collect();
    let token = installation.token(&["administrator", "--admin"]);
    let apis: Vec<Api> = addresses.iter().map(|address| Api::new(address, Some(&token))).collect();
    installation.import_files("uploads", &files);
    apis[0].settled("uploads");
    assert_eq!(apis[0].count("uploads", "succeeded"), 1_500);
    for (key, file) in (1..).zip(&files).step_by(50) {
        let record = apis[1].record("uploads", key);
        assert_eq!(record["checksum_information"]["checksum"], file.sha256.as_str());
    }
    for worker in workers {
        worker.stop();
    }
    // With the workers gone the services alone do a second round, each record once.
    let before: u64 = apis.iter().map(verified).sum();
    apis[2].put("/api/v4/admin/data_management/uploads/checksum").ok();
    eventually("the second round is done", || {
        (apis.iter().map(verified).sum::<u64>() >= before + 1_500).then_some(())
    });
    apis[0].settled("uploads");
    assert_eq!(apis.iter().map(verified).sum::<u64>(), before + 1_500);
    for service in services {
        service.stop();
    }
}

#[test]
fn a_worker_beside_its_disk_leaves_other_storages_alone() {
    let more = "[storages.other]\nroot = \"{root}\"";
    let installation = Installation::with(Database::Postgres, more);
    let files = installation.files(20);
    installation.import_files("uploads", &files);
    let lines: Vec<String> =
        (1..).zip(&files).map(|(key, file)| file.line(key).replace("\"main\"", "\"other\"")).collect();
    installation.import("lfs_objects", &lines).success();
    let (service, api) = installation.serve_with(&["--storages", "other"]);
    api.settled("lfs_objects");
    let counts: BTreeMap<&str, u64> =
        ["uploads", "lfs_objects"].into_iter().map(|model| (model, api.count(model, "succeeded"))).collect();
    assert_eq!(counts, BTreeMap::from([("uploads", 0), ("lfs_objects", 20)]));
    assert_eq!(api.count("uploads", "pending"), 20);
    service.stop();
}
