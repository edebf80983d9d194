//! `import-report`: reports of Amazon S3, in the form in which it writes them, against a bucket.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sha2::Sha256;
use stocktake_testbed::S3Server;
use tempfile::TempDir;

use crate::documents::document;
use crate::support::{Database, Finished, Installation};

const BUCKET: &str = "content";

const INVENTORY: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, \
    IsMultipartUploaded, EncryptionStatus";

const CHECKSUMS: &str = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage";

/// A bucket whose objects are those of records, and reports of it.
struct Lab {
    installation: Installation,
    server: S3Server,
    _folder: TempDir,
}

/// The content of the object with this number.
fn content(number: usize) -> Vec<u8> {
    format!("content of object {number}").into_bytes()
}

/// Its key, with what has to be escaped in a report and in a URL.
fn key(number: usize) -> String {
    format!("docs/{number:03} a+b%c ä.bin")
}

/// The key as a report has it.
fn escaped(key: &str) -> String {
    let escape = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    key.bytes().map(escape).collect()
}

impl Lab {
    /// Records of `objects` objects, the sizes and digests of which are recorded. None was read.
    fn new(database: Database, objects: usize, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = S3Server::start(folder.path()).unwrap();
        server.create_bucket(BUCKET).unwrap();
        let (endpoint, access_key) = (server.endpoint(), S3Server::ACCESS_KEY);
        let storage = format!(
            "[storages.far]\nkind = \"s3\"\nbucket = \"{BUCKET}\"\nendpoint = \"{endpoint}\"\nplain_http = true\n\
             prefix = \"docs\"\naccess_key_id = \"{access_key}\"\nsecret_access_key = \"{}\"\n{more}",
            S3Server::SECRET_KEY
        );
        let installation = Installation::with(database, &storage);
        let mut lines = Vec::new();
        for number in 1..=objects {
            server.put(BUCKET, &key(number), &content(number)).unwrap();
            let path = key(number).strip_prefix("docs/").unwrap().to_owned();
            let (size, digest) = (content(number).len(), hex::encode(Sha256::digest(content(number))));
            lines.push(
                json!({
                    "record_identifier": number, "storage": "far", "path": path, "file_size": size,
                    "expected_checksum": format!("sha256:{digest}"),
                })
                .to_string(),
            );
        }
        installation.import("uploads", &lines).success();
        Self { installation, server, _folder: folder }
    }

    /// The row of an inventory for this object, of this size.
    fn listed(number: usize, size: usize) -> String {
        let (key, etag) = (escaped(&key(number)), hex::encode(Md5::digest(content(number))));
        format!(
            "\"{BUCKET}\",\"{key}\",\"\",\"true\",\"false\",\"{size}\",\"2026-11-01T00:00:00.000Z\",\"{etag}\",\"false\",\
             \"SSE-S3\"\n"
        )
    }

    /// The row of a job's report for this object, whose content is said to be this.
    fn computed(number: usize, content: &[u8]) -> String {
        let (key, digest) = (escaped(&key(number)), Sha256::digest(content));
        let message = json!({
            "checksum_hex": hex::encode_upper(digest), "etag": "3c3c1813042989094598e4b57ecbdc82",
            "checksumAlgorithm": "SHA256", "checksumType": "FULL_OBJECT",
        });
        let message = message.to_string().replace('"', "\"\"");
        format!("\"{BUCKET}\",\"{key}\",\"null\",\"succeeded\",\"\",\"200\",\"{message}\"\n")
    }

    fn refused(number: usize) -> String {
        format!(
            "\"{BUCKET}\",\"{}\",\"null\",\"failed\",\"AccessDenied\",\"403\",\"no\"\n",
            escaped(&key(number))
        )
    }

    /// Writes an inventory as it lies in its bucket; returns its manifest.
    fn inventory(&self, rows: &[String], age: i64) -> PathBuf {
        let folder = self.installation.folder().join("lists").join(BUCKET).join("daily");
        fs::create_dir_all(folder.join("data")).unwrap();
        fs::create_dir_all(folder.join("2026-11-27T01-00Z")).unwrap();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(rows.concat().as_bytes()).unwrap();
        let data = encoder.finish().unwrap();
        fs::write(folder.join("data/part-1.csv.gz"), &data).unwrap();
        let manifest = json!({
            "sourceBucket": BUCKET, "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30",
            "creationTimestamp": self.ago(age).to_string(), "fileFormat": "CSV", "fileSchema": INVENTORY,
            "files": [{ "key": format!("{BUCKET}/daily/data/part-1.csv.gz"), "size": data.len(),
                        "MD5checksum": hex::encode(Md5::digest(&data)) }],
        });
        let file = folder.join("2026-11-27T01-00Z/manifest.json");
        fs::write(&file, manifest.to_string()).unwrap();
        file
    }

    /// Writes a job's report; returns its manifest.
    fn job(&self, rows: &[String], age: i64) -> PathBuf {
        let folder = self.installation.folder().join("job-1");
        fs::create_dir_all(folder.join("results")).unwrap();
        let data = rows.concat();
        fs::write(folder.join("results/a.csv"), &data).unwrap();
        let created = String::from_utf8(
            std::process::Command::new("date")
                .args(["-u", "-d", &format!("@{}", self.ago(age) / 1000), "+%Y-%m-%dT%H:%M:%S.000Z"])
                .output()
                .unwrap()
                .stdout,
        );
        let manifest = json!({
            "Format": "Report_CSV_20180820", "ReportCreationDate": created.unwrap().trim(),
            "Results": [{ "TaskExecutionStatus": "succeeded", "Bucket": "reports", "Key": "job-1/results/a.csv",
                          "MD5Checksum": hex::encode(Md5::digest(&data)) }],
            "ReportSchema": CHECKSUMS,
        });
        fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        folder.join("manifest.json")
    }

    /// So many seconds ago, in milliseconds since 1970.
    fn ago(&self, seconds: i64) -> i64 {
        let now = self.installation.folder().join("now");
        File::create(&now).unwrap();
        let now: Duration =
            fs::metadata(&now).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(now.as_millis()).unwrap() - seconds * 1000
    }

    fn import(&self, report: &Path, more: &[&str]) -> Finished {
        let report = report.to_str().unwrap();
        self.installation.run(&[&["import-report", "uploads", "far", report][..], more].concat())
    }

    fn import_json(&self, report: &Path, more: &[&str]) -> (i32, Value) {
        let finished = self.import(report, &[&["--json"][..], more].concat());
        (finished.code, document("import-report", &finished))
    }

    fn shown(&self, number: usize) -> Value {
        let shown = self.installation.run(&["show", "uploads", &number.to_string(), "--json"]).success();
        serde_json::from_str(&shown).unwrap()
    }
}

on_both_databases! {
    fn an_inventory_is_compared_and_what_it_does_not_name_is_read(database) {
        let lab = Lab::new(database, 6, "");
        let listed = |number| Lab::listed(number, content(number).len());
        // 2 has another size, 3 is gone, 4 was only forgotten, 5 is not the current version.
        fs::remove_file(lab.server.path(BUCKET, &key(3))).unwrap();
        let old = listed(5).replace("\"true\",\"false\"", "\"false\",\"false\"");
        let rows = [listed(1), Lab::listed(2, 999), old, listed(5), listed(6)];
        let report = lab.inventory(&rows, 3_600);

        let (code, planned) = lab.import_json(&report, &["--dry-run"]);
        assert_eq!((code, &planned["failures"]["altered"], &planned["read"]), (1, &json!(1), &Value::Null));
        assert_eq!(lab.installation.run(&["status", "--json"]).code, 2);

        let (code, told) = lab.import_json(&report, &[]);
        assert_eq!(code, 1, "{told:#}");
        assert_eq!(
            [&told["records"], &told["named"], &told["agreeing"], &told["good"], &told["absent"], &told["missing"]],
            [6, 4, 3, 0, 2, 1],
            "{told:#}"
        );
        assert_eq!((&told["failures"]["altered"], &told["read"]["succeeded"]), (&json!(1), &json!(1)));
        assert_eq!((&told["report"]["rows"], &told["report"]["objects"]), (&json!(5), &json!(4)));
        let verdict = told["verdict"].as_str().unwrap();
        assert!(
            verdict.starts_with("Storage far needs attention: of uploads, 1 is altered by the inventory of ")
                && verdict.ends_with(", 1 is missing."),
            "{verdict}"
        );
        // A size makes nothing good: what was not read is still to be read, and by then the altered one is looked at again.
        let status = lab.installation.run(&["status", "--json"]);
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!(status["models"][0]["states"]["succeeded"], 1, "{status:#}");
        let failure = lab.shown(2)["records"][0]["checksum_failure"].clone();
        let size = content(2).len();
        let text = format!("Error during verification: Size mismatch: expected {size} bytes, found 999");
        assert_eq!(failure, json!(text), "{:#}", lab.shown(2));

        // All was read since: the report is too old to say anything.
        lab.installation.run(&["verify", "--all"]);
        let (code, later) = lab.import_json(&report, &[]);
        assert_eq!((code, &later["newer"], &later["agreeing"]), (0, &json!(6), &json!(0)), "{later:#}");
    }

    fn checksums_that_the_store_computed_make_records_good_or_altered(database) {
        let lab = Lab::new(database, 6, "");
        // 5 is gone, and the store could compute nothing; 6 is not in the report.
        fs::remove_file(lab.server.path(BUCKET, &key(5))).unwrap();
        let rows = [
            Lab::computed(1, &content(1)), Lab::computed(2, &content(2)), Lab::computed(3, b"other"),
            Lab::computed(4, &content(4)), Lab::refused(5),
        ];
        // 4 was read before, and is as good as it can be.
        lab.installation.run(&["verify", "uploads", "--identifiers", "4"]).success();
        let report = lab.job(&rows, -20);
        let (code, told) = lab.import_json(&report, &[]);
        assert_eq!(code, 1, "{told:#}");
        let told_of = ["named", "agreeing", "good", "doubtful", "absent", "beside", "missing"];
        assert_eq!(told_of.map(|name| &told[name]), [5, 1, 2, 1, 0, 1, 1], "{told:#}");
        assert_eq!(told["failures"]["altered"], 1, "{told:#}");
        let states = lab.installation.run(&["status", "--json"]);
        let states: Value = serde_json::from_str(&states.stdout).unwrap();
        assert_eq!(states["models"][0]["states"]["succeeded"], 3, "{states:#}");
        assert_eq!(states["models"][0]["metadata_only"], 2, "{states:#}");
        let digest = hex::encode(Sha256::digest(content(1)));
        assert_eq!(lab.shown(1)["records"][0]["checksum"], json!(digest), "{:#}", lab.shown(1));
        // Reading finds that it is as it should be after all, and nothing of the report is left.
        let all = lab.installation.run(&["verify", "--all", "--json"]);
        let all: Value = serde_json::from_str(&all.stdout).unwrap();
        assert_eq!((&all["checked"]["succeeded"], &all["checked"]["failures"]["missing"]), (&json!(5), &json!(1)));
    }
}

#[test]
fn a_storage_that_is_checked_by_metadata_is_judged_by_an_inventory() {
    let lab = Lab::new(Database::Sqlite, 3, "content = \"metadata\"\n");
    let rows: Vec<String> = (1..=3).map(|number| Lab::listed(number, content(number).len())).collect();
    let (code, told) = lab.import_json(&lab.inventory(&rows, 60), &[]);
    assert_eq!((code, &told["good"], &told["agreeing"]), (0, &json!(3), &json!(0)), "{told:#}");
    let verdict = told["verdict"].as_str().unwrap();
    assert!(
        verdict.starts_with("All 3 records of uploads in storage far agree with the inventory of "),
        "{verdict}"
    );
    assert!(
        verdict
            .ends_with(" It proves that the objects are there and how large they are, not what is in them.")
    );
}

#[test]
fn what_cannot_be_right_is_refused_before_anything_is_judged() {
    let lab = Lab::new(Database::Sqlite, 24, "");
    let rows = |numbers: std::ops::RangeInclusive<usize>, size: usize| -> Vec<String> {
        numbers.map(|number| Lab::listed(number, size)).collect()
    };
    let refused = |report: &Path, more: &[&str], told: &str| {
        let finished = lab.import(report, more);
        assert_eq!(finished.code, 2, "{finished:?}");
        assert!(finished.stderr.contains(told), "{told}: {finished:?}");
    };
    let most = lab.inventory(&rows(1..=24, 5), 60);
    refused(
        &most,
        &[],
        "24 of 24 records are another object by the report, and 0 are not in it: that is more than half",
    );
    let few = lab.inventory(&rows(1..=2, 5), 60);
    refused(&few, &[], "2 of 24 records are another object by the report, and 22 are not in it");
    refused(&few, &["--columns", "Key, Size", "--as-of", "1d"], "leave out --columns and --as-of");
    let future = lab.inventory(&rows(1..=24, 5), -3_600);
    refused(&future, &[], "in the future: is the clock of this host right?");
    let nothing = lab.inventory(&[], 60);
    refused(&nothing, &[], "the report names none of the 24 records of uploads in storage far");
    let mut wrong = rows(1..=24, 5);
    wrong[4] = "\"content\",\"a\"\n".to_owned();
    refused(&lab.inventory(&wrong, 60), &[], "part-1.csv.gz, row 5: 2 fields, not 10");
    wrong[4] = Lab::listed(5, 5).replace("\"content\"", "\"another\"");
    refused(&lab.inventory(&wrong, 60), &[], "row 5: it is of bucket another, and not of bucket content");
    let report = lab.inventory(&rows(1..=24, 5), 60);
    let data = lab.installation.folder().join("lists/content/daily/data/part-1.csv.gz");
    let mut bytes = fs::read(&data).unwrap();
    bytes[20] ^= 1;
    fs::write(&data, bytes).unwrap();
    refused(&report, &[], "it is not what its manifest says (its MD5 is ");
    fs::remove_file(&data).unwrap();
    refused(&report, &[], "is neither there nor given: download it as well");
    refused(&data, &[], "files without their manifest.json need --columns and --as-of");
    let mut text = fs::read_to_string(&report).unwrap();
    text = text.replace("\"sourceBucket\":\"content\"", "\"sourceBucket\":\"another\"");
    fs::write(&report, text).unwrap();
    lab.inventory(&rows(1..=24, 5), 60);
    let elsewhere = lab.installation.run(&["import-report", "uploads", "main", report.to_str().unwrap()]);
    assert!(
        elsewhere.stderr.contains("storage main is no bucket of S3 (storages.main.kind, "),
        "{elsewhere:?}"
    );
    let other_model = lab.installation.run(&["import-report", "projects", "far", report.to_str().unwrap()]);
    assert!(other_model.stderr.contains("there is no record of projects in storage far"), "{other_model:?}");
    // Nothing was judged by all that.
    let status = lab.installation.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["models"][0]["states"]["pending"], 24, "{status:#}");
    // Those who know better say so.
    let (code, told) = lab.import_json(&lab.inventory(&rows(1..=24, 5), 60), &["--force"]);
    assert_eq!((code, &told["failures"]["altered"]), (1, &json!(24)), "{told:#}");
    let (code, told) =
        lab.import_json(&lab.inventory(&[Lab::listed(1, content(1).len())], -20), &["--partial"]);
    assert_eq!((code, &told["beside"], &told["read"]["succeeded"]), (0, &json!(23), &json!(1)), "{told:#}");
}

#[test]
fn files_alone_are_read_by_the_columns_given() {
    let lab = Lab::new(Database::Sqlite, 3, "");
    let mut text = String::new();
    for (number, size) in [(1, content(1).len()), (2, 7)] {
        writeln!(text, "{},{size}", escaped(&key(number))).unwrap();
    }
    writeln!(text, "elsewhere/x,5").unwrap();
    let file = lab.installation.folder().join("list.csv");
    fs::write(&file, text).unwrap();
    let (code, told) = lab.import_json(&file, &["--columns", "Key, Size", "--as-of", "1h"]);
    assert_eq!((code, &told["agreeing"], &told["beside"]), (1, &json!(1), &json!(1)), "{told:#}");
    assert_eq!((&told["report"]["outside"], &told["report"]["complete"]), (&json!(1), &json!(false)));
}
