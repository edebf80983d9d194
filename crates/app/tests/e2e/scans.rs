//! Scanning a storage into the catalogue.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Database, Finished, Installation, line};

on_both_databases! {
    fn a_scan_adds_what_is_new_and_names_what_is_gone(database) {
        let installation = Installation::new(database);
        let files = installation.files(1_200);
        installation.import("uploads", &[line(10, "gone/before", "")]).success();
        let scan = || installation.run(&["scan", "uploads", "main"]);
        let incomplete = |finished: Finished| {
            assert_eq!(finished.code, 1, "{finished:?}");
            finished.stdout
        };
        let first = incomplete(scan());
        let verdict = "Storage main needs attention: 1 record of uploads lost its file. Read what is due: stocktake verify uploads";
        let hint = "Deleted on purpose: stocktake accept uploads --kind missing --storage main";
        assert_eq!(first, format!("gone: gone/before\nfound 1200, new 1200, gone 1, skipped 0\n{hint}\n{verdict}\n"));
        let second = incomplete(scan());
        assert_eq!(second, format!("gone: gone/before\nfound 1200, new 0, gone 1, skipped 0\n{hint}\n{verdict}\n"));

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
        let third = incomplete(scan());
        let moved = files.iter().filter(|file| file.path.starts_with("03/")).count();
        let gone: Vec<&str> = third.lines().filter(|line| line.starts_with("gone: 03/")).collect();
        assert_eq!(gone.len(), moved);
        assert!(third.contains(&format!("\nfound 1200, new {moved}, gone {}, skipped 0\n", moved + 1)), "{third}");
        // What is gone was judged at once, and what is new waits.
        let status = installation.run(&["status"]).ended(1);
        assert!(status.contains(&format!(" records need attention: {} missing.", moved + 1)), "{status}");
        let verified = installation.run(&["verify", "uploads"]);
        assert_eq!(verified.code, 1, "{verified:?}");
        assert!(verified.stdout.contains(&format!("{} missing", moved + 1)), "{verified:?}");
    }

    fn a_storage_that_is_not_there_tells_nothing_about_files(database) {
        let installation = Installation::new(database);
        installation.import("uploads", &[line(1, "a", ""), line(2, "b", "")]).success();
        fs::remove_dir_all(installation.folder().join("main")).unwrap();
        let sentence = installation.run(&["scan", "uploads", "main"]).refusal();
        assert!(sentence.starts_with("the scan of \"main\" was given up, nothing was added: "), "{sentence}");
    }

    fn scans_of_one_data_type_at_the_same_time_lose_nothing(database) {
        let names = ["one", "two"];
        let storage = |name| format!("[storages.{name}]\nkind = \"directory\"\nroot = \"{name}\"\n");
        let installation = Installation::with(database, &names.map(storage).concat());
        for name in names {
            let folder = installation.folder().join(name);
            fs::create_dir(&folder).unwrap();
            (0..1_500).for_each(|number| fs::write(folder.join(format!("{number:04}")), name).unwrap());
        }
        let scans =
            names.map(|name| installation.command(&["scan", "uploads", name, "-q"]).spawn().unwrap());
        for mut scan in scans {
            assert!(scan.wait().unwrap().success());
        }
        let verified = installation.run(&["verify", "uploads"]).success();
        assert!(verified.contains("3,000 records"), "{verified}");
        for name in names {
            let again = installation.run(&["scan", "uploads", name]).success();
            assert!(again.contains("knew all 1,500 files"), "{again}");
        }
    }

    fn a_scan_wants_a_storage_of_what_the_data_type_is_of(database) {
        let installation = Installation::new(database);
        installation.files(2);
        for model in ["projects", "container_repositories"] {
            let sentence = installation.run(&["scan", model, "main"]).refusal();
            assert!(sentence.starts_with("storage \"main\" holds files by its `kind`"), "{sentence}");
        }
        installation.run(&["scan", "uploads", "main"]).success();
    }

    fn however_much_is_gone_is_judged_at_once_if_it_is_believed(database) {
        let installation = Installation::with(database, "[verification]\ngive_up_after = \"1s\"\n");
        installation.files(1_300);
        installation.run(&["scan", "uploads", "main"]).success();
        installation.run(&["verify"]).success();
        fs::rename(installation.path("00"), installation.folder().join("kept")).unwrap();
        fs::remove_dir_all(installation.path("")).unwrap();
        fs::create_dir(installation.path("")).unwrap();
        fs::rename(installation.folder().join("kept"), installation.path("00")).unwrap();
        // Most of it is gone, and nobody said that this is right.
        let words = ["scan", "uploads", "main"];
        installation.run(&words).refusal();
        let status = |code| installation.run(&["status"]).ended(code);
        assert!(!status(1).contains("missing"), "{}", status(1));
        let believed = installation.run(&[&words[..], &["--believe-missing"]].concat()).ended(1);
        let gone = 1_300 - 1_300 / 7;
        assert!(believed.contains(&format!("\nfound {}, new 0, gone {gone}, skipped 0\n", 1_300 / 7)), "{believed}");
        let found = "1,115 of 1,300 records need attention: 1,115 missing.";
        assert!(status(1).contains(found), "{}", status(1));
        assert_eq!(installation.run(&["export"]).success().lines().count(), gone + 1);
    }

    fn what_took_the_place_of_a_file_is_told_as_what_it_is(database) {
        let installation = Installation::new(database);
        for (seed, path) in (1..).zip(["a", "b", "c"]) {
            installation.file(path, seed, 10);
        }
        installation.run(&["scan", "uploads", "main"]).success();
        installation.run(&["verify"]).success();
        fs::remove_file(installation.path("a")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(installation.path("a")).status().unwrap().success());
        // One that leads to the same content is as good as that.
        fs::rename(installation.path("b"), installation.path("d")).unwrap();
        std::os::unix::fs::symlink("d", installation.path("b")).unwrap();
        let told = installation.run(&["scan", "uploads", "main"]).ended(1);
        assert!(told.starts_with("replaced: a (a pipe is there)\nfound 2, new 1, gone 0, skipped 0, replaced 1\n"), "{told}");
        let verdict = "1 record of uploads has something else than a file in its place. Read what is due: stocktake verify";
        assert!(told.contains(verdict), "{told}");
        let status = installation.run(&["status"]).ended(1);
        assert!(status.contains("1 of 4 records needs attention: 1 unreadable."), "{status}");
        let shown = installation.run(&["show", "main:a"]).success();
        assert!(shown.contains("find out what put it there"), "{shown}");
    }

    fn names_that_are_no_text_are_records_like_others(database) {
        let installation = Installation::new(database);
        installation.file("good", 1, 10);
        let bad = installation.path("").join(OsStr::from_bytes(b"bad-\xff"));
        fs::write(&bad, "x").unwrap();
        let text = installation.run(&["scan", "uploads", "main"]).success();
        let verdict = "The catalogue knows all 2 files of storage main now. Read what is due: stocktake verify uploads";
        assert_eq!(text, format!("found 2, new 2, gone 0, skipped 0\n{verdict}\n"));
        let text = installation.run(&["scan", "uploads", "main"]).success();
        assert!(text.ends_with("\nThe catalogue knew all 2 files of storage main.\n"), "{text}");
        installation.run(&["verify"]).success();
        fs::write(&bad, "y").unwrap();
        assert_eq!(installation.run(&["verify", "--all"]).code, 1);
        let export = installation.run(&["export"]).success();
        assert!(export.contains("uploads,1,altered,") && export.contains(",main,bad-\\xff,1,"), "{export}");
        // What was exported can be imported.
        let same = line(1, "bad-\\\\xff", ",\"file_size\":1");
        installation.import("uploads", &[same]).success();
        fs::write(&bad, "x").unwrap();
        installation.run(&["verify", "--all"]).success();
    }

    /// Nothing of it can be seen by a user for whom permissions do not count.
    fn a_folder_that_cannot_be_listed_is_a_record_until_it_can(database) {
        let installation = Installation::new(database);
        installation.file("closed/file", 1, 10);
        installation.file("open/file", 2, 10);
        let scan = || installation.run(&["scan", "uploads", "main"]);
        let broken = installation.path("closed");
        fs::set_permissions(&broken, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read_dir(&broken).is_ok() {
            return;
        }
        let finished = scan();
        assert_eq!(finished.code, 1);
        assert!(finished.stdout.starts_with("found 1, new 2, gone 0, skipped 1\n"), "{finished:?}");
        assert!(finished.stdout.contains(": 1 file or folder could not be looked at."), "{finished:?}");
        assert!(finished.stderr.contains("skipped closed/: Permission denied"), "{finished:?}");
        assert_eq!(installation.run(&["verify"]).code, 1);
        let export = installation.run(&["export"]).success();
        assert!(export.contains("unreadable") && export.contains("Permission denied") && export.contains("closed/"));
        fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(scan().success().starts_with("found 2, new 1, gone 0, skipped 0\n"));
        installation.run(&["verify"]).success();
    }

    /// As a disk that is not mounted leaves it. Neither is everything gone then, nor is all well.
    fn an_empty_folder_with_records_is_no_answer(database) {
        let installation = Installation::new(database);
        let files = installation.files(4);
        installation.run(&["scan", "uploads", "main"]).success();
        for file in &files {
            fs::remove_file(installation.path(&file.path)).unwrap();
        }
        for folder in fs::read_dir(installation.path("")).unwrap() {
            fs::remove_dir(folder.unwrap().path()).unwrap();
        }
        let sentence = installation.run(&["scan", "uploads", "main"]).refusal();
        let beginning = "the scan of \"main\" was given up, nothing was added: Storage main is empty (storages.main.root, ";
        assert!(sentence.starts_with(beginning), "{sentence}");
        let end = "Is it mounted? Its 4 records were left as they were. If that is right: stocktake scan uploads main --believe-missing";
        assert!(sentence.ends_with(end), "{sentence}");
        let believed = installation.run(&["scan", "uploads", "main", "--believe-missing"]).ended(1);
        assert!(believed.contains("\nfound 0, new 0, gone 4, skipped 0\n"), "{believed}");
    }

    fn what_is_no_file_is_counted(database) {
        let installation = Installation::new(database);
        installation.file("file", 1, 10);
        std::os::unix::fs::symlink("file", installation.path("link")).unwrap();
        let text = installation.run(&["scan", "uploads", "main"]).success();
        let told = "1 symbolic link, pipe or device was passed over: only regular files have content that can be compared.";
        assert!(text.starts_with(&format!("found 1, new 1, gone 0, skipped 0\n{told}\n")), "{text}");
    }

    /// The size that a file has while it is written would be a false alarm for ever.
    fn a_file_that_is_written_during_a_scan_is_no_finding(database) {
        let installation = Installation::new(database);
        let path = installation.path("upload");
        let (stop, stopped) = std::sync::mpsc::channel();
        let mut upload = fs::File::create(&path).unwrap();
        let writer = std::thread::spawn(move || {
            while stopped.recv_timeout(std::time::Duration::from_millis(50)).is_err() {
                std::io::Write::write_all(&mut upload, b"more").unwrap();
            }
        });
        installation.run(&["scan", "uploads", "main"]).success();
        stop.send(()).unwrap();
        writer.join().unwrap();
        installation.run(&["verify"]).success();
    }
}

#[test]
fn names_that_are_digests_are_compared_with_the_content() {
    let installation = Installation::new(Database::Sqlite);
    let good = installation.file("x", 1, 10);
    let (start, rest) = good.sha256.split_at(4);
    let (first, second) = start.split_at(2);
    let place = format!("{first}/{second}/{rest}");
    installation.file(&place, 1, 10);
    fs::remove_file(installation.path("x")).unwrap();
    installation.file(&format!("aa/bb/{}", "cd".repeat(30)), 2, 0);
    installation.run(&["scan", "lfs_objects", "main", "--layout", "none"]).success();
    installation.run(&["verify"]).success();
    installation.run(&["scan", "lfs_objects", "main", "--layout", "lfs"]).success();
    assert_eq!(installation.run(&["verify"]).code, 1);
    let export = installation.run(&["export"]).success();
    assert_eq!(export.lines().count(), 2, "{export}");
    assert!(export.contains("Checksum mismatch: expected sha256 aabbcdcd"), "{export}");
}
