//! Object storages and registries that go away, or are taken for another server, under a running verification of healthy
//! data: no record fails, and the storage is told as closed.

use std::fs;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stocktake_testbed::{Fault, FaultProxy, Registry, RegistrySetup, S3Server};

use crate::support::{Database, Installation};

const BUCKET: &str = "content";

/// So many answers are passed on before a server fails.
const BEFORE: usize = 20;

/// What a server answers, once so many requests were passed on.
type Failing = Arc<Mutex<Option<(usize, Fault)>>>;

/// A proxy of this server, and what it is to answer instead.
fn proxy(upstream: &str) -> (FaultProxy, Failing) {
    let failing = Failing::default();
    let plan = Arc::clone(&failing);
    let proxy = FaultProxy::start(upstream, move |_| match &mut *plan.lock().unwrap() {
        None => Fault::None,
        Some((0, fault)) => fault.clone(),
        Some((left, _)) => {
            *left -= 1;
            Fault::None
        }
    });
    (proxy.unwrap(), failing)
}

fn web_server(status: u16, body: &str) -> Fault {
    let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
    Fault::Answer { status, headers, body: body.to_owned() }
}

/// A storage whose records are all good, at an address that can be made another one.
struct Lab {
    installation: Installation,
    model: &'static str,
    url: String,
    failing: Failing,
    _proxy: FaultProxy,
}

impl Lab {
    fn new(model: &'static str, upstream: &str, storage: impl Fn(&str) -> String, paths: &[String]) -> Self {
        let (proxy, failing) = proxy(upstream);
        let more =
            format!("[verification]\ngive_up_after = \"1s\"\n[storages.far]\n{}", storage(&proxy.url()));
        let installation = Installation::with(Database::Sqlite, &more);
        let line = |(key, path)| format!(r#"{{"record_identifier":{key},"storage":"far","path":"{path}"}}"#);
        let lines: Vec<String> = (1..).zip(paths).map(line).collect();
        installation.import(model, &lines).success();
        installation.run(&["verify"]).success();
        Self { installation, model, url: proxy.url(), failing, _proxy: proxy }
    }

    /// Everything is read again while the server fails so: nothing is found, and the storage is told as closed.
    fn assert_closed(&self, told: &str) {
        let begin = Instant::now();
        let found = self.installation.run(&["verify", "--all", "--json"]);
        assert_eq!(found.code, 2, "{found:?}");
        let report: Value = serde_json::from_str(&found.stdout).unwrap();
        assert_eq!(report["failed"], 0, "{found:?}");
        let closed = report["closed_storages"].to_string();
        assert!(closed.contains("far") && closed.contains(told), "{told}: {closed}");
        assert!(begin.elapsed() < Duration::from_secs(60), "{told}: {:?}", begin.elapsed());
        let status = self.installation.run(&["status", "--json"]).stdout;
        let status: Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["models"][0]["states"]["failed"], 0, "{told}");
        assert_eq!(status["conditions"][0]["storage"], "far", "{told}");
    }

    /// Nothing is told as gone.
    fn assert_scan_gives_up(&self) {
        let scanned = self.installation.run(&["scan", self.model, "far"]);
        assert_eq!(scanned.code, 2, "{scanned:?}");
        assert!(
            scanned.stderr.contains("the scan of \"far\" was given up, nothing was added"),
            "{scanned:?}"
        );
        assert!(!scanned.stdout.contains("gone"), "{scanned:?}");
    }

    fn fails(&self, fault: Option<(usize, Fault)>) {
        *self.failing.lock().unwrap() = fault;
    }

    /// The same with another server at the configured address.
    fn assert_closed_at(&self, url: &str, told: &str) {
        let file = self.installation.config_file();
        let config = fs::read_to_string(&file).unwrap();
        fs::write(&file, config.replace(&self.url, url)).unwrap();
        self.assert_closed(told);
        fs::write(&file, config).unwrap();
    }

    /// Every way in which the server as a whole can fail.
    fn assert_nothing_is_found_while_it_fails(&self, other_server: &str, page: &str) {
        for (status, told) in [(404, other_server), (403, "403"), (200, page)] {
            // Under the reading, and from the beginning.
            for before in [BEFORE, 0] {
                self.fails(Some((before, web_server(status, "<html>Welcome</html>"))));
                self.assert_closed(told);
            }
            self.assert_scan_gives_up();
        }
        self.fails(None);
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        self.assert_closed_at(&format!("http://{nobody}"), "Connection refused");
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        self.assert_closed_at(
            &format!("http://{}", silent.local_addr().unwrap()),
            "does not answer within 8s",
        );
    }

    /// What was really deleted, and nothing else, is missing.
    fn assert_missing(&self, identifier: u64) {
        let found = self.installation.run(&["verify", "--all", "--json"]);
        assert_eq!(found.code, 1, "{found:?}");
        let report: Value = serde_json::from_str(&found.stdout).unwrap();
        assert_eq!(report["checked"]["failures"]["missing"], 1, "{found:?}");
        assert_eq!((&report["failed"], &report["closed_storages"]), (&json!(1), &json!([])));
        assert_eq!(report["failed_records"][0]["record_identifier"], identifier, "{found:?}");
    }
}

#[test]
fn an_object_storage_that_fails_as_a_whole_fails_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path()).unwrap();
    server.create_bucket(BUCKET).unwrap();
    let keys: Vec<String> = (0..100).map(|number| format!("{number:03}/file")).collect();
    for key in &keys {
        server.put(BUCKET, key, key.as_bytes()).unwrap();
    }
    let storage = |url: &str| {
        let (access_key, secret_key) = (S3Server::ACCESS_KEY, S3Server::SECRET_KEY);
        format!(
            "kind = \"s3\"\nbucket = \"{BUCKET}\"\nendpoint = \"{url}\"\nplain_http = true\n\
             access_key_id = \"{access_key}\"\nsecret_access_key = \"{secret_key}\"\n"
        )
    };
    let lab = Lab::new("uploads", &server.address().to_string(), storage, &keys);
    lab.assert_nothing_is_found_while_it_fails("no code of S3", "cannot be read: ");
    // Keys that are not valid any more, and a bucket that is gone.
    for (code, told) in
        [("InvalidAccessKeyId", "does not know the access key"), ("NoSuchBucket", "no bucket")]
    {
        lab.fails(Some((BEFORE, web_server(403, &format!("<Error><Code>{code}</Code></Error>")))));
        lab.assert_closed(told);
    }
    lab.fails(None);
    // Another bucket of the same name, with other objects.
    let bucket = server.path(BUCKET, "");
    let away = folder.path().join("away");
    fs::rename(&bucket, &away).unwrap();
    server.create_bucket(BUCKET).unwrap();
    server.put(BUCKET, "other", b"other").unwrap();
    lab.assert_closed("none of 22 of its records seen before can be found");
    fs::remove_dir_all(&bucket).unwrap();
    fs::rename(&away, &bucket).unwrap();
    fs::remove_file(server.path(BUCKET, &keys[6])).unwrap();
    lab.assert_missing(7);
}

#[test]
fn a_registry_that_fails_as_a_whole_fails_no_record() {
    Registry::install().unwrap();
    let registry = Registry::start(&RegistrySetup::default()).unwrap();
    let names: Vec<String> = (0..12).map(|number| format!("group/image-{number:02}")).collect();
    for name in &names {
        registry.push_image(name, "1.0", true, &[name.as_bytes()]).unwrap();
    }
    let storage = |url: &str| format!("kind = \"registry\"\nurl = \"{url}\"\n");
    let lab = Lab::new("container_repositories", &registry.address().to_string(), storage, &names);
    lab.assert_nothing_is_found_while_it_fails("no code of a registry", "as a registry");
    // Emptied.
    let repositories = registry.folder().join("docker/registry/v2/repositories");
    fs::rename(repositories.join("group"), registry.folder().join("away")).unwrap();
    lab.assert_closed("none of 12 of its records seen before can be found");
    fs::rename(registry.folder().join("away"), repositories.join("group")).unwrap();
    fs::remove_dir_all(repositories.join(&names[6])).unwrap();
    lab.assert_missing(7);
}
