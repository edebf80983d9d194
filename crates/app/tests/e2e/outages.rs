//! A database that goes away and comes back, and what tells about a service's health.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use stocktake_testbed::PgCluster;

use crate::support::{Api, Finished, Installation, eventually};

const UPLOADS: &str = "/api/v4/admin/data_management/uploads";

#[test]
fn a_service_outlives_its_database() {
    let cluster = PgCluster::start().unwrap();
    let url = cluster.create_database().unwrap();
    let installation = Installation::at(Some(&url), "");
    let files = installation.files(10);
    installation.import_files("uploads", &files);
    let (service, api) = installation.serve();
    api.settled("uploads");
    assert_eq!(api.get("/-/readiness").status, 200);

    cluster.stop().unwrap();
    eventually("the service is not ready", || (api.get("/-/readiness").status == 503).then_some(()));
    let answer = api.get(UPLOADS);
    assert_eq!((answer.status, answer.text.as_str()), (503, r#"{"message":"503 Service Unavailable"}"#));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(api.get("/-/liveness").status, 200);
    let refused = installation.run(&["status"]).refusal();
    assert!(refused.starts_with("the database is unreachable"), "{refused}");

    cluster.restart().unwrap();
    eventually("the service is ready again", || (api.get("/-/readiness").status == 200).then_some(()));
    let record = api.put(&format!("{UPLOADS}/1/checksum")).ok();
    assert_eq!(record["checksum_information"]["checksum_state"], "succeeded");
    // The worker has come back as well.
    let before = api.record("uploads", 2)["checksum_information"]["last_checksum"].clone();
    api.put(&format!("{UPLOADS}/checksum?identifiers=2")).ok();
    eventually("the worker works again", || {
        let checksum = api.record("uploads", 2)["checksum_information"].clone();
        (checksum["checksum_state"] == "succeeded" && checksum["last_checksum"] != before).then_some(())
    });
    service.stop();
}

/// As while a server is started anew, or another one takes over.
#[test]
fn a_verification_outlives_a_database_that_is_away_for_some_seconds() {
    let cluster = PgCluster::start().unwrap();
    let url = cluster.create_database().unwrap();
    let limits = "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"100kB\"\n";
    let installation = Installation::at(Some(&url), limits);
    installation.import_files("uploads", &installation.files(30));
    let verification =
        installation.command(&["verify"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let verification = verification.unwrap();
    let leases = || cluster.sql(&url, "SELECT count(*) FROM leases").unwrap();
    eventually("it has begun", || (leases().trim() != "0").then_some(()));
    let name = url.rsplit('/').next().unwrap();
    for setting in ["SET default_transaction_read_only = on", "RESET default_transaction_read_only"] {
        cluster.sql(&cluster.url("postgres"), &format!("ALTER DATABASE {name} {setting}")).unwrap();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
        cluster.sql(&cluster.url("postgres"), end).unwrap();
        thread::sleep(Duration::from_secs(6));
    }
    cluster.stop().unwrap();
    thread::sleep(Duration::from_secs(6));
    cluster.restart().unwrap();
    let found = Finished::from(verification.wait_with_output().unwrap());
    assert!(found.success().contains("All is well"), "");
}

/// As with `synchronous_standby_names` and no standby: statements are answered, commits are not.
#[test]
fn commits_that_get_no_answer_are_told_and_may_be_repeated() {
    let cluster = PgCluster::start().unwrap();
    let url = cluster.create_database().unwrap();
    let installation = Installation::at(Some(&url), "");
    let files = installation.files(3);
    let lines: Vec<String> = (1..).zip(&files).map(|(key, file)| file.line(key)).collect();
    std::fs::write(installation.folder().join("list"), lines.join("\n")).unwrap();
    installation.token(&["someone"]);
    let standbys = |names| {
        let settings = [("synchronous_commit", "on"), ("synchronous_standby_names", names)];
        cluster.configure(&settings).unwrap();
        cluster.sql(&url, "SELECT pg_reload_conf()").unwrap();
    };
    standbys("nobody");
    for words in [&["import", "uploads", "list"], &["scan", "ci_secure_files", "main"]] {
        let mut command = installation.command(words);
        let refused = Finished::from(command.env("STOCKTAKE__DATABASE__TIMEOUT", "500ms").output().unwrap());
        assert_eq!(refused.code, 2, "{refused:?}");
        let sentence = "does not answer in time: a commit takes longer than 6s";
        assert!(refused.stderr.contains(sentence), "{refused:?}");
        assert!(!refused.stderr.contains("nothing was imported"), "{refused:?}");
    }
    standbys("");
    let imported = installation.run(&["import", "uploads", "list"]).success();
    assert!(imported.contains('3'), "{imported}");
    assert_eq!(installation.run(&["verify"]).code, 0);
}

on_both_databases! {
    fn health_and_metrics_need_no_token(database) {
        let installation = Installation::new(database);
        let files = installation.files(5);
        installation.import_files("uploads", &files);
        let (service, api) = installation.serve();
        api.settled("uploads");
        let anybody = api.with(None);
        for path in ["/-/health", "/-/liveness", "/-/readiness"] {
            assert_eq!(anybody.get(path).status, 200, "{path}");
        }
        let metrics = anybody.get("/metrics");
        assert_eq!(metrics.status, 200);
        let verified = r#"stocktake_verifications_total{model="uploads",result="succeeded"} 5"#;
        assert!(metrics.text.lines().any(|line| line == verified), "{}", metrics.text);
        service.stop();
    }

    fn metrics_can_have_an_address_of_their_own(database) {
        let installation = Installation::new(database);
        installation.configure_http("metrics_listen = \"127.0.0.1:0\"");
        let (service, api) = installation.serve();
        assert_eq!(api.get("/metrics").status, 404);
        let log = service.stop();
        let address = log.iter().find_map(|line| line.split("metrics on ").nth(1)?.split('"').next());
        assert!(address.unwrap().ends_with("/metrics"), "{log:#?}");
    }
}

#[test]
fn two_services_on_one_port_do_not_start() {
    let installation = Installation::new(crate::support::Database::Sqlite);
    let (service, _) = installation.serve();
    let address = service.address();
    let port = address.rsplit_once(':').unwrap().1.to_owned();
    let refused = installation.run(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
    assert_eq!(refused.code, 2, "{refused:?}");
    let sentence = format!("stocktake: cannot listen on 127.0.0.1:{port} (http.listen)");
    assert!(refused.stderr.lines().last().unwrap().starts_with(&sentence), "{refused:?}");
    assert_eq!(Api::new(&address, None).get("/-/health").status, 200);
    service.stop();
}
