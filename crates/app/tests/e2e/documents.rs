//! The JSON documents of all commands: each is as its schema in `docs/schemas` says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

use crate::support::{Database, Finished, Installation, StoredFile, bare};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas")
}

/// The schema of this name, which here also refuses a field that it does not name.
fn schema(name: &str) -> Validator {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let mut schema = serde_json::from_str(&text).unwrap();
    close(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.entry("additionalProperties").or_insert(false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// The document that a command printed, which its schema describes.
pub(crate) fn document(name: &str, finished: &Finished) -> Value {
    let document: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    let schema = schema(name);
    let errors: Vec<String> =
        schema.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:?} {document:#}");
    // What it requires, it misses.
    let Value::Object(mut fields) = document.clone() else { panic!("{document}") };
    fields.remove("version");
    assert!(!schema.is_valid(&Value::Object(fields)), "{name}");
    document
}

/// The same of one line among others.
pub(crate) fn check_line(name: &str, line: &str) -> Value {
    document(name, &Finished { code: 0, stdout: line.to_owned(), stderr: String::new() })
}

/// The commands of which no GitLab is needed; what they print is checked here.
const CHECKED_HERE: [&str; 22] = [
    "accept",
    "accept-undo",
    "check",
    "config",
    "doctor",
    "export",
    "grants",
    "import",
    "init",
    "jobs",
    "jobs-cancel",
    "migrate",
    "models",
    "scan",
    "show",
    "status",
    "token-create",
    "token-list",
    "token-revoke",
    "verify",
    "verify-dry-run",
    "version",
];

/// Those of the others are checked where there is a GitLab.
const CHECKED_WITH_GITLAB: [&str; 3] = ["orphans", "sync", "sync-check"];

/// That of the lines of progress is checked where something takes long, and that of reports where there is a bucket.
const CHECKED_ELSEWHERE: [&str; 2] = ["import-report", "progress"];

#[test]
fn each_document_has_a_schema_and_a_place_in_the_manual() {
    let manual = std::fs::read_to_string(folder().join("../json.md")).unwrap();
    let names: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let known: BTreeSet<String> = CHECKED_HERE
        .iter()
        .chain(&CHECKED_WITH_GITLAB)
        .chain(&CHECKED_ELSEWHERE)
        .map(|name| (*name).to_owned())
        .collect();
    assert_eq!(names, known);
    for name in names {
        assert!(manual.contains(&format!("(schemas/{name}.json)")), "{name}");
        schema(&name);
    }
}

#[test]
fn each_document_is_as_its_schema_says() {
    let installation = Installation::new(Database::Sqlite);
    let files = installation.files(6);
    std::fs::write(installation.folder().join("lines"), files[0].line(1)).unwrap();
    let mut seen = BTreeSet::new();
    let mut run = |name: &'static str, words: &[&str]| {
        seen.insert(name.to_owned());
        let finished = installation.run(words);
        document(name, &finished)
    };
    run("version", &["version", "--json"]);
    run("grants", &["grants", "reader", "--json"]);
    run("config", &["config", "--json"]);
    run("migrate", &["migrate", "--json"]);
    run("import", &["import", "uploads", "lines", "--json"]);
    installation.import_files("uploads", &files);
    run("verify-dry-run", &["verify", "--dry-run", "--json"]);
    run("verify", &["verify", "--json"]);
    installation.file(&files[2].path, 99, 200);
    std::fs::remove_file(installation.path(&files[3].path)).unwrap();
    run("verify", &["verify", "--all", "--json"]);
    scanned(&installation, &files, &mut run);
    run("show", &["show", "uploads", "3", "--json"]);
    run("accept", &["accept", "uploads", "3", "5", "--yes", "--reason", "why not", "--json"]);
    let retired = run("accept", &["accept", "uploads", "4", "--yes", "--json"]);
    assert_eq!(retired["accepted"][0]["new"]["retired"], true);
    run("show", &["show", "uploads", "4", "--json"]);
    run("accept-undo", &["accept", "--undo", "uploads", "4", "--reason", "it is there", "--json"]);
    run("show", &["show", "uploads", "4", "--json"]);
    run("show", &["show", "uploads", "3", "--json"]);
    run("accept-undo", &["accept", "--undo", "uploads", "3", "6", "--json"]);
    run("show", &["show", &files[2].path, "--json"]);
    run("export", &["export", "--json"]);
    run("export", &["export", "--json", "--kind", "timed_out"]);
    exported_lists(&installation);
    run("doctor", &["doctor", "--json"]);
    run("models", &["models", "--json"]);
    run("jobs", &["jobs", "--json"]);
    let (service, api) = installation.serve_with(&["--no-worker"]);
    api.put("/api/v4/admin/data_management/uploads/checksum?checksum_state=failed");
    service.stop();
    run("token-create", &["token", "create", "one", "--expires-in", "1d", "--json"]);
    run("token-revoke", &["token", "revoke", "one", "--json"]);
    run("token-list", &["token", "list", "--json"]);
    let jobs = run("jobs", &["jobs", "list", "--json"]);
    run("jobs-cancel", &["jobs", "--json", "cancel", &jobs["jobs"][0]["id"].to_string()]);
    // A storage that is not there is a condition.
    std::fs::rename(installation.path(""), installation.folder().join("away")).unwrap();
    let config = std::fs::read_to_string(installation.config_file()).unwrap();
    std::fs::write(installation.config_file(), config + "[verification]\ngive_up_after = \"1s\"\n").unwrap();
    run("verify", &["verify", "--all", "--json"]);
    run("status", &["status", "--json"]);
    checked_folder();
    seen.extend(["check", "init"].map(str::to_owned));
    assert_eq!(seen, CHECKED_HERE.iter().map(|name| (*name).to_owned()).collect());
}

/// What a scan says of files that are gone, and of what took their place.
fn scanned(
    installation: &Installation,
    files: &[StoredFile],
    run: &mut dyn FnMut(&'static str, &[&str]) -> Value,
) {
    std::fs::remove_file(installation.path(&files[4].path)).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(installation.path(&files[4].path)).unwrap();
    let scan = run("scan", &["scan", "uploads", "main", "--json"]);
    assert_eq!(scan["paths_gone"], serde_json::json!([files[3].path]));
    assert_eq!(scan["paths_replaced"], serde_json::json!([{ "path": files[4].path, "what": "socket" }]));
    drop(socket);
    std::fs::remove_file(installation.path(&files[4].path)).unwrap();
    installation.file(&files[4].path, 5, files[4].size);
    installation.run(&["verify", "--state", "failed"]);
}

/// `export --format json` is the list that is in the document of `export --json`.
fn exported_lists(installation: &Installation) {
    for (kind, count) in [("missing", 1), ("timed_out", 0)] {
        let words = ["export", "--kind", kind];
        let list = installation.run(&[&words[..], &["--format", "json"]].concat()).success();
        let document = installation.run(&[&words[..], &["--json"]].concat()).success();
        let (list, document): (Value, Value) =
            (serde_json::from_str(&list).unwrap(), serde_json::from_str(&document).unwrap());
        assert_eq!((list.as_array().unwrap().len(), &list), (count, &document["findings"]));
    }
}

/// `check` and `init` need no installation.
fn checked_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (photos, state) = (folder.path().join("photos"), folder.path().join("state"));
    std::fs::create_dir(&photos).unwrap();
    let write = |name: &str, text: &str| std::fs::write(photos.join(name), text).unwrap();
    let check = || bare(folder.path(), &["check", "photos", "--json"], &[("XDG_STATE_HOME", &state)]);
    for name in ["a", "b", "c", "d"] {
        write(name, &name.repeat(10));
    }
    document("init", &bare(folder.path(), &["init", "photos", "--json"], &[]));
    document("check", &check());
    write("a", "longer than before");
    std::fs::remove_file(photos.join("b")).unwrap();
    std::fs::rename(photos.join("c"), photos.join("e")).unwrap();
    write("new", "new");
    let changes = document("check", &check());
    assert_eq!(changes["changes"].as_array().map(Vec::len), Some(4), "{changes}");
}
