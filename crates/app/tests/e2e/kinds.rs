//! All models, each on its own kind of content: everything is found good, and then exactly what was damaged bad.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use stocktake_testbed::{Asked, Fault, FaultProxy, GitRepository, Outcome, Registry, Sample, Served};

use crate::support::{Database, Finished, Installation};

/// The bucket of the sample, and the object that nobody may read once it is told.
const BUCKET: &str = "stocktake-sample";
const FORBIDDEN: &str = "dependency_proxy_blobs/03/";

/// What is expected of a record: the kind of failure, and what its text holds.
type Expected = (&'static str, String);

/// Failed records by model and identifier: kind and text.
type Failures = BTreeMap<(String, String), (String, String)>;

struct Fixture {
    sample: Sample,
    served: Served,
    installation: Installation,
    _proxy: FaultProxy,
    _folder: tempfile::TempDir,
}

impl Fixture {
    /// A catalogue of the sample, whose object storage is reached through a proxy.
    fn new(database: Database, fault: impl Fn(&Asked) -> Fault + Send + Sync + 'static) -> Self {
        Registry::install().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::write(folder.path()).unwrap();
        let served = sample.serve().unwrap();
        assert!(served.registry.is_some());
        let proxy = FaultProxy::start(&served.s3.address().to_string(), fault).unwrap();
        let configuration = served.configuration.replace(&served.s3.endpoint(), &proxy.url());
        let configuration = match database {
            Database::Postgres => configuration,
            // The registry's own directory, which both kinds of storage see alike.
            Database::Sqlite => in_directory(&configuration, &sample.root("registry")),
        };
        let installation = Installation::with(database, &configuration);
        for model in sample.models() {
            let lines: Vec<String> = sample.of(model).map(|record| record.line.clone()).collect();
            installation.import(model, &lines).success();
        }
        Self { sample, served, installation, _proxy: proxy, _folder: folder }
    }

    fn file(&self, path: &str) -> std::path::PathBuf {
        self.sample.root("main").join(path)
    }

    fn repository(&self, name: &str) -> GitRepository {
        GitRepository::at(&self.sample.root("repositories").join("group").join(name))
    }

    fn object(&self, key: &str) -> std::path::PathBuf {
        self.served.s3.path(BUCKET, key)
    }

    fn registry(&self) -> &Registry {
        self.served.registry.as_ref().unwrap()
    }

    /// The layer that only this image of the sample has.
    fn own_layer(&self, image: u64) -> (std::path::PathBuf, String) {
        use sha2::Digest as _;
        let content = format!("files of image {image} ").repeat(1_000);
        let digest = format!("sha256:{}", hex::encode(sha2::Sha256::digest(content)));
        (self.registry().data(&digest), digest)
    }
}

/// The configuration with the registry's directory instead of its API.
fn in_directory(configuration: &str, root: &Path) -> String {
    let (before, section) = configuration.split_once("[storages.registry]").unwrap();
    let (_, after) = section.split_once("\n\n").unwrap();
    let root = root.display().to_string();
    format!("{before}[storages.registry]\nkind = \"registry-directory\"\nroot = {root:?}\n\n{after}")
}

/// Gitaly's checksum of these lines of `git show-ref --head`, all of which it looks at.
fn gitaly(refs: &str) -> String {
    use sha1::Digest as _;
    let mut sum = [0; 20];
    for line in refs.lines() {
        let digest = sha1::Sha1::digest(line);
        sum.iter_mut().zip(digest).for_each(|(byte, other)| *byte ^= other);
    }
    let text = hex::encode(sum);
    if refs.is_empty() { text } else { text.trim_start_matches("00").to_owned() }
}

/// Changes one byte in the middle.
fn flip(file: &Path) {
    let mut content = fs::read(file).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    // Packs are read-only.
    fs::remove_file(file).unwrap();
    fs::write(file, content).unwrap();
}

fn failures(verified: &Finished) -> Failures {
    assert_eq!(verified.code, 1, "{verified:?}");
    let report: Value = serde_json::from_str(&verified.stdout).unwrap();
    let failed = report["failed_records"].as_array().unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    failed
        .iter()
        .map(|record| {
            let key = (text(&record["model_name"]), text(&record["record_identifier"]));
            (key, (text(&record["kind"]), text(&record["checksum_failure"])))
        })
        .collect()
}

on_both_databases! {
    fn everything_is_good_and_then_exactly_what_was_damaged_is_bad(database) {
        let damaged = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let forbidden = std::sync::Arc::clone(&damaged);
        let fixture = Fixture::new(database, move |asked| {
            let is_forbidden = forbidden.load(std::sync::atomic::Ordering::Relaxed);
            if is_forbidden && asked.target.contains(FORBIDDEN) {
                let body = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
                Fault::Answer { status: 403, headers: vec![], body: body.to_owned() }
            } else {
                Fault::None
            }
        });
        assert_eq!(fixture.sample.models().len(), 20);
        let before = failures(&fixture.installation.run(&["verify", "--json"]));
        let wrong = fixture.sample.records.iter().filter_map(|record| match &record.outcome {
            Outcome::Succeeded(_) => None,
            Outcome::Failed { kind, text } => {
                Some(((record.model.to_owned(), record.identifier.clone()), ((*kind).to_owned(), text.clone())))
            }
        });
        let expected: Failures = wrong.collect();
        assert_eq!(before, expected);

        let expected = damage(&fixture);
        damaged.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut after = failures(&fixture.installation.run(&["verify", "--all", "--json"]));
        after.retain(|key, _| !before.contains_key(key));
        for ((model, identifier), (kind, part)) in &expected {
            let (found, text) = after
                .remove(&((*model).to_owned(), (*identifier).to_owned()))
                .unwrap_or_else(|| panic!("{model} {identifier} was not found"));
            assert!(found == *kind && text.contains(part), "{model} {identifier}: {found}: {text} instead of {kind}: {part}");
        }
        assert_eq!(after, Failures::new());
    }

    fn git_repositories_have_gitalys_own_checksum_where_that_is_asked_for(database) {
        let fixture = Fixture::new(database, |_| Fault::None);
        let config = fs::read_to_string(fixture.installation.config_file()).unwrap();
        let config = format!("{config}\n[verification]\nrepository_checksum = \"gitaly\"\n");
        fs::write(fixture.installation.config_file(), config).unwrap();
        fixture.installation.run(&["verify", "projects"]).success();
        let (_service, api) = fixture.installation.serve_with(&[]);
        for number in 1..=8 {
            let shown = api.get(&format!("/api/v4/admin/data_management/projects/{number}")).json();
            let expected = gitaly(&fixture.repository(&format!("projects-{number}.git")).show_ref().unwrap());
            assert_eq!(shown["checksum_information"]["checksum"], expected, "{number}");
        }
    }

    fn what_a_store_says_is_no_content_check_and_is_counted_apart(database) {
        let fixture = Fixture::new(database, |asked| {
            // A look at the storage as a whole lists a few objects.
            assert!(asked.method == "HEAD" || asked.target.contains("list-type=2"), "{}", asked.target);
            Fault::None
        });
        let config = fs::read_to_string(fixture.installation.config_file()).unwrap();
        let config = config.replace("plain_http = true", "plain_http = true\ncontent = \"metadata\"");
        fs::write(fixture.installation.config_file(), config).unwrap();
        // The store does not know that the bytes are others; that there are fewer it knows.
        let key = |number: u64| format!("pages_deployments/{number:02}/artifacts.zip");
        flip(&fixture.object(&key(1)));
        let content = fs::read(fixture.object(&key(2))).unwrap();
        fs::write(fixture.object(&key(2)), &content[1..]).unwrap();
        let report = fixture.installation.run(&["verify", "pages_deployments", "ci_pipeline_artifacts", "--json"]);
        let failed = failures(&report);
        let altered = ("pages_deployments".to_owned(), "2".to_owned());
        assert_eq!(failed.keys().collect::<Vec<_>>(), [&altered], "{failed:?}");
        assert!(failed[&altered].1.contains(&format!("Size mismatch: expected {} bytes", content.len())));
        let report: Value = serde_json::from_str(&report.stdout).unwrap();
        assert_eq!(report["checked"]["metadata_only"], 15);
        assert_eq!(report["checked"]["bytes"], 0);
        let models = report["models"].as_array().unwrap();
        let counts: Vec<_> = models.iter().map(|model| &model["metadata_only"]).collect();
        assert_eq!(counts, [8, 7]);
        let text = fixture.installation.run(&["verify", "pages_deployments", "--identifiers", "1"]).success();
        assert!(text.contains("of 1 good ones only what their object store says was looked at"), "{text}");
    }

    fn what_each_kind_of_storage_holds_is_found(database) {
        let fixture = Fixture::new(database, |_| Fault::None);
        for (model, storage, count) in [
            ("projects", "repositories", 19),
            ("dependency_proxy_blobs", "objects", 48),
            ("container_repositories", "registry", 4),
        ] {
            let known = fixture.sample.of(model).count();
            let text = fixture.installation.run(&["scan", model, storage]).success();
            assert!(text.contains(&format!("new {}, gone 0", count - known)), "{model}: {text}");
            let text = fixture.installation.run(&["scan", model, storage]).success();
            assert!(text.contains("new 0, gone 0"), "{model}: {text}");
        }
    }
}

/// Alters, removes and makes unreadable one thing of each kind of content.
fn damage(fixture: &Fixture) -> BTreeMap<(&'static str, &'static str), Expected> {
    let mut expected = BTreeMap::new();
    expected.extend(damage_files(fixture));
    expected.extend(damage_special_files(fixture));
    expected.extend(damage_repositories(fixture));
    expected.extend(damage_objects(fixture));
    expected.extend(damage_images(fixture));
    expected
}

fn damage_files(fixture: &Fixture) -> [((&'static str, &'static str), Expected); 3] {
    let file = |number: u64| fixture.file(&format!("lfs-objects/{:02x}/{number:06x}", number % 16));
    flip(&file(1));
    fs::remove_file(file(2)).unwrap();
    fs::remove_file(file(3)).unwrap();
    fs::create_dir(file(3)).unwrap();
    [
        (("lfs_objects", "1"), ("altered", "Checksum mismatch: expected sha256 ".to_owned())),
        (("lfs_objects", "2"), ("missing", file(2).display().to_string())),
        (("lfs_objects", "3"), ("unreadable", "not a regular file".to_owned())),
    ]
}

fn damage_special_files(fixture: &Fixture) -> [((&'static str, &'static str), Expected); 6] {
    let secure = |number: u64| fixture.file(&format!("secure_files/{number}/signing.key"));
    flip(&secure(1));
    fs::remove_file(secure(2)).unwrap();
    // Another key than the file was encrypted with.
    let line = fixture.sample.of("ci_secure_files").nth(2).unwrap().line.clone();
    let line = line.replacen("secure_file:", "secure_file:00", 1);
    fixture.installation.import("ci_secure_files", &[line]).success();
    flip(&fixture.file("symbols/1/library.pdb"));
    let diff = fixture.file("merge_request_diffs/mr-1/diff-1");
    let content = fs::read(&diff).unwrap();
    fs::write(&diff, &content[1..]).unwrap();
    flip(&fixture.file("terraform_state/1.tfstate"));
    [
        (("ci_secure_files", "1"), ("altered", "Content changed since".to_owned())),
        (("ci_secure_files", "2"), ("missing", secure(2).display().to_string())),
        (("ci_secure_files", "3"), ("unreadable", "the key is wrong".to_owned())),
        (("packages_nuget_symbols", "1"), ("altered", "Checksum mismatch".to_owned())),
        (("merge_request_diffs", "1"), ("altered", format!("expected {} bytes", content.len()))),
        (("terraform_state_versions", "1"), ("altered", "Content changed since".to_owned())),
    ]
}

fn damage_repositories(fixture: &Fixture) -> [((&'static str, &'static str), Expected); 4] {
    let packs = fs::read_dir(fixture.repository("projects-1.git").path().join("objects/pack")).unwrap();
    let pack =
        packs.map(|entry| entry.unwrap().path()).find(|path| path.extension() == Some("pack".as_ref()));
    let pack = pack.unwrap();
    flip(&pack);
    fs::remove_dir_all(fixture.repository("projects-2.git").path()).unwrap();
    fs::write(fixture.repository("projects-4.git").path().join("refs/heads/topic"), "").unwrap();
    fs::remove_dir_all(fixture.repository("snippet_repositories-1.snippet.git").path()).unwrap();
    let name = pack.file_name().unwrap().to_str().unwrap().to_owned();
    [
        (("projects", "1"), ("unreadable", name)),
        (("projects", "2"), ("missing", "Repository does not exist".to_owned())),
        (("projects", "4"), ("unreadable", "refs/heads/topic".to_owned())),
        (("snippet_repositories", "1"), ("missing", "Repository does not exist".to_owned())),
    ]
}

fn damage_objects(fixture: &Fixture) -> [((&'static str, &'static str), Expected); 4] {
    let key = |number: u64| format!("dependency_proxy_blobs/{number:02}/layer.gz");
    flip(&fixture.object(&key(1)));
    fs::remove_file(fixture.object(&key(2))).unwrap();
    flip(&fixture.object("pipelines/1/variables.json"));
    [
        (("dependency_proxy_blobs", "1"), ("altered", "Checksum mismatch: expected sha256 ".to_owned())),
        (("dependency_proxy_blobs", "2"), ("missing", key(2))),
        (
            ("dependency_proxy_blobs", "3"),
            ("unreadable", format!("forbids access (AccessDenied): s3://{BUCKET}")),
        ),
        (("ci_pipeline_artifacts", "1"), ("altered", "Content changed since".to_owned())),
    ]
}

fn damage_images(fixture: &Fixture) -> [((&'static str, &'static str), Expected); 3] {
    let (layer, digest) = fixture.own_layer(1);
    flip(&layer);
    fs::remove_dir_all(fixture.registry().repository("group/image-2")).unwrap();
    fs::remove_file(fixture.own_layer(3).0).unwrap();
    let lost = fixture.own_layer(3).1;
    [
        (("container_repositories", "1"), ("altered", digest.trim_start_matches("sha256:").to_owned())),
        (("container_repositories", "2"), ("missing", "Repository does not exist".to_owned())),
        (("container_repositories", "3"), ("unreadable", lost)),
    ]
}
