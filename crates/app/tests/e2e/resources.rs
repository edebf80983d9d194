//! What is taken away from a service while it verifies healthy content, and given back, leaves no finding: the content's
//! storage, the database, space for it, threads. Each is told as what it is. Of the other resources, descriptors, memory
//! and the log are in `shortages`, clocks and the network in `others`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use stocktake_testbed::PgCluster;

use crate::support::{Api, Installation, Service, eventually};

const FILES: u64 = 600;

/// A storage that takes some seconds to read, so that something can be taken away meanwhile.
const SLOW: &str = "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"8MB\"";

/// Imports healthy files, which are not yet verified.
fn with_files(installation: Installation) -> Installation {
    installation.import_files("uploads", &installation.files(FILES));
    installation
}

/// Waits until the verification is well under way.
fn under_way(api: &Api) {
    eventually("the verification is under way", || {
        let succeeded = api.count("uploads", "succeeded");
        assert!(succeeded < FILES, "the verification was over before anything could be taken away");
        (succeeded > 0).then_some(())
    });
}

/// Waits until this condition is told, and sees to it that no file is found to be bad meanwhile.
fn is_told(api: &Api, kind: &str, storage: Option<&str>) -> String {
    eventually("the condition is told", || {
        assert_eq!(api.count("uploads", "failed"), 0, "healthy files failed");
        let health = api.get("/api/v1/health").ok();
        let conditions = health["conditions"].as_array().unwrap();
        let is_it = |condition: &&serde_json::Value| {
            condition["kind"] == kind && condition["storage"].as_str() == storage
        };
        conditions.iter().find(is_it).map(|condition| condition["reason"].as_str().unwrap().to_owned())
    })
}

/// Waits until all files have succeeded, with none that failed meanwhile, and nothing left that is told.
fn all_succeed(service: Service, api: &Api) -> Vec<String> {
    eventually("all files succeed", || {
        assert_eq!(api.count("uploads", "failed"), 0, "healthy files failed");
        (api.count("uploads", "succeeded") == FILES).then_some(())
    });
    let failures = r#"stocktake_verifications_total{model="uploads",result="failed"}"#;
    let metrics = api.get("/metrics").text;
    assert!(!metrics.contains(failures), "{metrics}");
    eventually("nothing is told any more", || {
        (api.get("/api/v1/health").ok()["status"] == "ok").then_some(())
    });
    service.stop()
}

on_both_databases! {
    fn the_folder_of_a_storage(database) {
        let installation = with_files(Installation::with(database, SLOW));
        let (root, away) = (installation.folder().join("main"), installation.folder().join("away"));
        let (service, api) = installation.serve();
        under_way(&api);
        fs::rename(&root, &away).unwrap();
        let reason = is_told(&api, "storage", Some("main"));
        assert!(reason.contains(&root.display().to_string()), "{reason}");
        fs::rename(&away, &root).unwrap();
        all_succeed(service, &api);
    }

    fn what_is_mounted_at_a_folder(database) {
        let installation = with_files(Installation::with(database, SLOW));
        let (root, away) = (installation.folder().join("main"), installation.folder().join("away"));
        let (service, api) = installation.serve();
        under_way(&api);
        fs::rename(&root, &away).unwrap();
        fs::create_dir(&root).unwrap();
        is_told(&api, "storage", Some("main"));
        fs::remove_dir(&root).unwrap();
        fs::rename(&away, &root).unwrap();
        all_succeed(service, &api);
    }
}

#[test]
fn the_database() {
    let cluster = PgCluster::start().unwrap();
    let url = cluster.create_database().unwrap();
    let installation = with_files(Installation::at(Some(&url), SLOW));
    let (service, api) = installation.serve();
    under_way(&api);
    cluster.stop().unwrap();
    eventually("the service is not ready", || (api.get("/-/readiness").status == 503).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    cluster.restart().unwrap();
    eventually("the service is ready again", || (api.get("/-/readiness").status == 200).then_some(()));
    all_succeed(service, &api);
}

/// A user with no other processes: the limit on threads is for all that a user has.
const USER: &str = "54321";

#[test]
fn threads() {
    let installation = Installation::at(None, SLOW);
    let token = installation.token(&["test", "--admin"]);
    let as_user = format!("setpriv --reuid {USER} --regid {USER} --clear-groups");
    // Others than their owner may not reach the folders of the program and of the test.
    let script =
        format!("cp \"$2\" program && chown -R {USER} . && shift 2 && exec {as_user} ./program \"$@\"");
    let service = installation.start_in_shell(&script, &["serve"]);
    let api = Api::new(&service.address(), Some(&token));
    let limit = |threads: &str| {
        let command = format!("exec {as_user} prlimit --pid {} --nproc={threads}:", service.pid());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    };
    // No more than it has, before it needs any for reading.
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap();
    limit(threads.trim());
    installation.import_files("uploads", &installation.files(FILES));
    under_way(&api);
    limit("1000");
    let log = all_succeed(service, &api).join("\n");
    assert!(log.contains("the system starts no more threads"), "{log}");
}

/// Makes a file system of 16 MiB with a copy of the database, which is filled while a file `fill` exists.
const SMALL_DISK: &str = r#"
    mkdir small && mount -t tmpfs -o size=16m none small && cp var/* small/ || exit 3
    while kill -0 $$; do
        sleep 0.1
        if test -e fill; then cat /dev/zero >small/filling; else rm -f small/filling; fi
    done >/dev/null 2>&1 </dev/null &
    exec "$0" "$@""#;

#[test]
fn space_for_the_database() {
    let installation = with_files(Installation::at(None, SLOW));
    let token = installation.token(&["test", "--admin"]);
    let url = format!("sqlite://{}", installation.folder().join("small/stocktake.db").display());
    // In a mount namespace of its own, which ends with it.
    let script = format!("exec unshare --map-root-user --mount sh -c '{SMALL_DISK}' \"$0\" \"$@\"");
    let service = installation.start_in_shell(&script, &["serve", "--database", &url]);
    let api = Api::new(&service.address(), Some(&token));
    under_way(&api);
    fs::write(installation.folder().join("fill"), "").unwrap();
    eventually("the service is not ready", || (api.get("/-/readiness").status == 503).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    fs::remove_file(installation.folder().join("fill")).unwrap();
    eventually("the service is ready again", || (api.get("/-/readiness").status == 200).then_some(()));
    all_succeed(service, &api);
}
