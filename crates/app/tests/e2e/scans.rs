//! Scanning a storage into the catalogue.

use std::collections::BTreeMap;
use std::fs;

use crate::support::{Installation, line};

on_both_databases! {
    fn a_scan_adds_what_is_new_and_names_what_is_gone(database) {
        let installation = Installation::new(database);
        let files = installation.files(1_200);
        installation.import("uploads", &[line(10, "gone/before", "")]).success();
        let first = installation.run(&["scan", "uploads", "main"]).success();
        assert_eq!(first, "gone: gone/before\nfound 1200, new 1200, gone 1, skipped 0\n");
        let second = installation.run(&["scan", "uploads", "main"]).success();
        assert_eq!(second, "gone: gone/before\nfound 1200, new 0, gone 1, skipped 0\n");

        // Numbered in the order of the paths' bytes, after the largest identifier.
        let mut digests: BTreeMap<&str, &str> = BTreeMap::new();
        digests.extend(files.iter().map(|file| (file.path.as_str(), file.sha256.as_str())));
        let (service, api) = installation.serve();
        api.settled("uploads");
        for (key, (path, sha256)) in (11..).zip(&digests).step_by(97) {
            let record = api.record("uploads", key);
            assert_eq!(record["checksum_information"]["checksum"], *sha256, "{path}");
            assert_eq!(record["file_size"], fs::metadata(installation.path(path)).unwrap().len());
            assert!(record["created_at"].is_string());
        }
        assert_eq!(api.count("uploads", "succeeded"), 1_200);
        service.stop();

        fs::rename(installation.path("03"), installation.path("03-renamed")).unwrap();
        let third = installation.run(&["scan", "uploads", "main"]).success();
        let moved = files.iter().filter(|file| file.path.starts_with("03/")).count();
        let gone: Vec<&str> = third.lines().filter(|line| line.starts_with("gone: 03/")).collect();
        assert_eq!(gone.len(), moved);
        assert!(third.ends_with(&format!("found 1200, new {moved}, gone {}, skipped 0\n", moved + 1)), "{third}");
    }

    fn a_storage_that_is_not_there_tells_nothing_about_files(database) {
        let installation = Installation::new(database);
        installation.import("uploads", &[line(1, "a", ""), line(2, "b", "")]).success();
        fs::remove_dir_all(installation.folder().join("main")).unwrap();
        let sentence = installation.run(&["scan", "uploads", "main"]).refusal();
        assert!(sentence.starts_with("the scan of \"main\" was given up, nothing was added: "), "{sentence}");
    }

    fn names_that_are_no_text_are_skipped(database) {
        use std::os::unix::ffi::OsStrExt as _;
        let installation = Installation::new(database);
        installation.file("good", 1, 10);
        fs::write(installation.path("").join(std::ffi::OsStr::from_bytes(b"bad-\xff")), "x").unwrap();
        let finished = installation.run(&["scan", "uploads", "main"]);
        assert!(finished.stderr.contains("skipped bad-"), "{finished:?}");
        assert_eq!(finished.success(), "found 1, new 1, gone 0, skipped 1\n");
    }
}
