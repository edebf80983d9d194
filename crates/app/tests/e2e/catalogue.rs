//! From files to records to checksums to answers.

use std::os::unix::fs::symlink;

use crate::support::{Installation, line};

/// What `status` says of the damaged records.
fn assert_status(installation: &Installation) {
    let status: serde_json::Value =
        serde_json::from_str(&installation.run(&["status", "--json"]).ended(1)).unwrap();
    let uploads = status["models"].as_array().unwrap().iter().find(|model| model["model_name"] == "uploads");
    let uploads = uploads.unwrap();
    assert_eq!(uploads["states"]["failed"], 6);
    assert_eq!(uploads["states"]["disabled"], 1);
    assert_eq!(uploads["failures"]["altered"], 2);
    assert_eq!(uploads["failures"]["invalid"], 3);
    assert_eq!(uploads["failures"]["missing"], 1);
    let text = installation.run(&["status"]).ended(1);
    assert!(text.lines().any(|line| line.starts_with("lfs_objects ")), "{text}");
}

#[test]
fn what_is_made_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let installation = Installation::new(crate::support::Database::Sqlite);
    installation.import("uploads", &[line(1, "a", "")]).success();
    let (service, _) = installation.serve_with(&["--no-worker"]);
    let files = || std::fs::read_dir(installation.folder().join("var")).unwrap().map(|file| file.unwrap());
    assert!(files().count() >= 3);
    for file in files() {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }
    service.stop();
    let database = installation.folder().join("var/stocktake.db");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let finished = installation.run(&["status"]);
    assert!(finished.stderr.contains("can be opened by others than its owner (mode 0644)"), "{finished:?}");
}

on_both_databases! {
    /// Digests are those of the files, and each kind of damage is told.
    fn every_record_tells_the_truth_about_its_file(database) {
        let installation = Installation::new(database);
        let files = installation.files(40);
        installation.import_files("lfs_objects", &files);

        let altered = installation.file("damaged/altered", 1_000, 500);
        let now = installation.file("damaged/altered", 1_001, 500);
        let shrunk = installation.file("damaged/shrunk", 1_002, 10);
        std::fs::write(installation.folder().join("outside.txt"), "secret").unwrap();
        symlink("../../outside.txt", installation.path("damaged/link")).unwrap();
        let lines = [
            altered.line(1),
            line(2, "damaged/shrunk", r#","file_size":11"#),
            line(3, "damaged/missing", ""),
            line(4, "../outside.txt", ""),
            line(5, "damaged/link", ""),
            line(6, "damaged/shrunk", r#","disabled":true"#),
            line(7, "damaged/shrunk", "").replace("\"main\"", "\"elsewhere\""),
        ];
        let imported = installation.import("uploads", &lines);
        assert!(imported.stderr.contains("\"elsewhere\" is not configured here"), "{imported:?}");
        assert!(imported.success().starts_with("added 7, changed 0, unchanged 0\n"));

        let (service, api) = installation.serve();
        api.settled("lfs_objects");
        api.settled("uploads");
        for (key, file) in (1..).zip(&files) {
            let record = api.record("lfs_objects", key);
            let checksum = &record["checksum_information"];
            assert_eq!(record["record_identifier"], key);
            assert_eq!(record["model_class"], "LfsObject");
            assert_eq!(record["file_size"], file.size);
            assert_eq!(checksum["checksum"], file.sha256.as_str(), "{record}");
            assert_eq!(checksum["checksum_state"], "succeeded");
            assert!(checksum["checksum_failure"].is_null());
        }
        let missing = installation.path("damaged/missing").display().to_string();
        let failures = [
            format!("Checksum mismatch: expected sha256 {}, calculated {}", altered.sha256, now.sha256),
            "Size mismatch: expected 11 bytes, found 10".to_owned(),
            format!("File is not checksummable - file does not exist at: {missing}"),
            "the path contains `..`: ../outside.txt".to_owned(),
            "the path leaves its storage through a link: damaged/link".to_owned(),
        ];
        for (key, failure) in (1..).zip(&failures) {
            let record = api.record("uploads", key);
            let checksum = &record["checksum_information"];
            assert_eq!(checksum["checksum_state"], "failed", "{record}");
            assert_eq!(checksum["checksum_failure"], format!("Error during verification: {failure}"));
            assert!(checksum["checksum"].is_null() && checksum["last_checksum"].is_string(), "{record}");
            assert_eq!(checksum["checksum_retry_count"], 1);
        }
        assert_eq!(api.record("uploads", 6)["checksum_information"]["checksum_state"], "disabled");
        let unknown = api.record("uploads", 7);
        let text = unknown["checksum_information"]["checksum_failure"].as_str().unwrap();
        assert!(text.starts_with("Error during verification: ") && text.contains("elsewhere"), "{text}");
        assert_eq!(shrunk.size, 10);
        service.stop();
        assert_status(&installation);
    }

    /// A model with an algorithm of its own shows that one.
    fn a_model_may_have_an_algorithm_of_its_own(database) {
        let installation = Installation::with(database, "[verification.models.uploads]\nalgorithm = \"md5\"");
        std::fs::write(installation.path("abc"), "abc").unwrap();
        installation.import("uploads", &[line(1, "abc", "")]).success();
        installation.import("lfs_objects", &[line(1, "abc", "")]).success();
        installation.run(&["verify"]).success();
        let (service, api) = installation.serve();
        let checksum = |model: &str| api.record(model, 1)["checksum_information"]["checksum"].clone();
        assert_eq!(checksum("uploads"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(checksum("lfs_objects"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        service.stop();
    }
}
