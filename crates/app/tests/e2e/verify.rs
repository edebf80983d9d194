//! Verifying in the foreground.

use rustix::process::Signal;
use serde_json::Value;

use crate::documents::document;
use crate::support::{Installation, eventually, line};

on_both_databases! {
    fn the_exit_status_tells_what_was_found(database) {
        let installation = Installation::new(database);
        let files = installation.files(30);
        installation.import_files("lfs_objects", &files);
        let text = installation.run(&["verify"]).success();
        assert!(text.contains("checked 30 records") && text.contains("30 good, 0 failed"), "{text}");
        assert!(text.contains("\nAll is well: all 30 records were read within 90 days (oldest "), "{text}");
        // Nothing is due any more.
        let text = installation.run(&["verify"]).success();
        assert!(text.contains("checked 0 records"), "{text}");
        assert!(text.contains("\nNothing was due: all 30 records were read within 90 days (oldest "), "{text}");

        std::fs::remove_file(installation.path(&files[2].path)).unwrap();
        installation.run(&["verify"]).success();
        installation.run(&["verify", "lfs_objects", "--identifiers", "1,2"]).success();
        let found = installation.run(&["verify", "lfs_objects", "--identifiers", "2,3", "--json"]);
        assert_eq!(found.code, 1);
        let report: Value = serde_json::from_str(&found.stdout).unwrap();
        assert_eq!(report["checked"]["succeeded"], 1);
        assert_eq!(report["checked"]["failed"], 1);
        assert_eq!(report["checked"]["failures"]["missing"], 1);
        assert_eq!(report["checked"]["bytes"], files[1].size);
        assert_eq!(report["failed"], 1);
        assert_eq!(report["failed_records"][0]["record_identifier"], 3);
        assert_eq!(report["failed_records"][0]["path"], files[2].path.as_str());
        assert_eq!(report["failed_records_left_out"], 0);
        assert_eq!(report["models"][0]["states"]["succeeded"], 29);
        // Good records alone are good, whatever else failed before; all together are not.
        installation.run(&["verify", "lfs_objects", "--identifiers", "1,2"]).success();
        let found = installation.run(&["verify"]);
        assert_eq!(found.code, 1);
        let line = format!("MISSING  main:{}  (lfs_objects 3)  nothing there, good on ", files[2].path);
        assert!(found.stdout.starts_with(&line), "{found:?}");
        let verdict = "\n1 of 30 records needs attention: 1 missing. All others were read within 90 days.\n";
        assert!(found.stdout.ends_with(verdict), "{found:?}");
        let status = installation.run(&["status"]).ended(1);
        assert!(status.ends_with(verdict), "{status}");

        installation.file(&files[2].path, 3, files[2].size);
        let report = installation.run(&["verify", "lfs_objects", "--state", "failed", "--json"]).success();
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["checked"]["succeeded"], 1);
        let text = installation.run(&["verify", "lfs_objects", "--all"]).success();
        assert!(text.contains("checked 30 records"), "{text}");
    }

    /// The storage is told as closed, to everybody, and its records stay as they were.
    fn a_storage_that_is_not_there_fails_no_record(database) {
        let installation = Installation::with(database, "[verification]\ngive_up_after = \"1s\"");
        let files = installation.files(20);
        installation.import_files("uploads", &files);
        installation.run(&["verify"]).success();
        let (root, away) = (installation.path(""), installation.folder().join("away"));
        let status = || -> Value {
            serde_json::from_str(&installation.run(&["status", "--json"]).stdout).unwrap()
        };

        std::fs::rename(&root, &away).unwrap();
        // Nothing is due, and all is not well.
        let idle = installation.run(&["verify"]);
        assert_eq!(idle.code, 2, "{idle:?}");
        assert!(idle.stdout.contains("Storage main cannot be read: "), "{idle:?}");
        let found = installation.run(&["verify", "--all"]);
        assert_eq!(found.code, 2, "{found:?}");
        let sentence = format!(
            "Storage main cannot be read: {} does not exist (storages.main.root, ",
            root.display().to_string().trim_end_matches('/'),
        );
        assert!(found.stdout.contains(&sentence), "{found:?}");
        assert!(found.stdout.contains(&installation.config_file().display().to_string()), "{found:?}");
        assert!(found.stdout.contains("). Is it mounted? Its 20 records were left as they were.\n"), "{found:?}");
        assert!(installation.run(&["status"]).ended(1).contains(&sentence));
        let shown = status();
        assert_eq!(shown["models"][0]["states"]["failed"], 0);
        assert_eq!(shown["conditions"][0]["storage"], "main");

        // The folder that a disk was mounted on: empty, and another one.
        std::fs::create_dir(&root).unwrap();
        let found = installation.run(&["verify"]);
        assert_eq!(found.code, 2, "{found:?}");
        assert!(found.stdout.contains("Storage main is another one than before: its root is another folder or file system ("), "{found:?}");
        let believed = installation.run(&["verify", "--believe-missing"]);
        assert_eq!(believed.code, 1, "{believed:?}");
        assert!(believed.stdout.contains("0 good, 20 failed"), "{believed:?}");
        let line = "MISSING  main: all 20 records  (uploads)  nothing there\n";
        assert!(believed.stdout.starts_with(line), "{believed:?}");

        std::fs::remove_dir(&root).unwrap();
        std::fs::rename(&away, &root).unwrap();
        installation.run(&["verify", "--all"]).success();
        assert_eq!(status()["conditions"], serde_json::json!([]));
    }

    fn a_run_that_leaves_out_what_was_asked_for_is_no_good_one(database) {
        let installation = Installation::new(database);
        installation.import_files("uploads", &installation.files(5));
        installation.run(&["verify"]).success();
        let refused = installation.run(&["verify", "uploads", "lfs_objects"]).refusal();
        assert!(refused.ends_with(" has no records of lfs_objects"), "{refused}");
        let drawn = installation.run(&["verify", "--sample", "0.0001%"]).ended(2);
        assert!(drawn.contains("No record was read: chance drew none."), "{drawn}");
    }

    fn without_a_record_nothing_is_good(database) {
        let installation = Installation::with(database, "[storages.other]\nroot = \"/nowhere\"");
        installation.run(&["migrate"]).success();
        let refused = |words: &[&str]| {
            let sentence = installation.run(&[&["verify"][..], words].concat()).refusal();
            let rest = sentence.strip_prefix("nothing to verify: ");
            rest.unwrap_or_else(|| panic!("{words:?}: {sentence}")).to_owned()
        };
        assert!(refused(&[]).ends_with(" has no records"));
        installation.import("uploads", &[line(1, "a", ",\"disabled\":true")]).success();
        assert_eq!(refused(&[]), "all records of any model are disabled");
        assert_eq!(refused(&["--all"]), "all records of any model are disabled");
        installation.file("b", 1, 1);
        installation.import("uploads", &[line(2, "b", "")]).success();
        assert!(refused(&["lfs_objects", "--all"]).ends_with(" has no records of lfs_objects"));
        assert_eq!(refused(&["uploads", "--identifiers", "3"]), "uploads has no record 3");
        assert_eq!(refused(&["--state", "failed"]), "no record of any model is failed");
        // Both names of the option mean the same.
        for option in ["--storage", "--storages"] {
            assert_eq!(refused(&["uploads", option, "other"]), "no record of uploads matches the filters");
        }
        let text = installation.run(&["verify"]).success();
        assert!(text.contains("All is well: the only record was read"), "{text}");
        assert!(text.contains("; 1 is switched off."), "{text}");
    }

    fn an_old_success_is_checked_again(database) {
        let installation = Installation::with(database, "[verification]\nreverify_after = \"1s\"");
        let files = installation.files(3);
        installation.import_files("uploads", &files);
        installation.run(&["verify"]).success();
        let text = eventually("the success is old", || {
            let text = installation.run(&["verify"]).success();
            text.contains("checked 3 records").then_some(text)
        });
        assert!(text.contains("3 good, 0 failed"), "{text}");
    }

    /// What failed before counts until it was read again.
    fn an_interrupted_run_loses_no_finding(database) {
        let limits = "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"10MB\"\n";
        let installation = Installation::with(database, limits);
        installation.file("large", 1, 60_000_000);
        installation.import("uploads", &[line(1, "gone", ""), line(2, "large", "")]).success();
        assert_eq!(installation.run(&["verify", "uploads", "--identifiers", "1"]).code, 1);
        let run = installation.start(&["verify", "--all"]);
        let status = || installation.run(&["status"]).ended(1);
        eventually("the record is started", || status().contains("started").then_some(()));
        run.signal(Signal::INT);
        assert_eq!(run.wait().0.code(), Some(130));
        // Asked for again, and not read as yet.
        installation.import("uploads", &[line(1, "gone-too", "")]).success();
        let text = status();
        assert!(text.contains("1 of 2 records needs attention: 1 missing. 1 failed before and is being read again."), "{text}");
        let export = installation.run(&["export"]).success();
        assert!(export.contains("\nuploads,1,missing,") && export.contains(",pending,main,gone-too,"), "{export}");
        let json: Value = serde_json::from_str(&installation.run(&["status", "--json"]).ended(1)).unwrap();
        let uploads = &json["models"][0];
        assert_eq!((&uploads["states"]["failed"], &uploads["rereading"]["missing"]), (&0.into(), &1.into()));
        assert!(installation.run(&["export", "--state", "failed"]).success().lines().count() == 1);
        let (_service, api) = installation.serve_with(&["--no-worker"]);
        let checksum = api.record("uploads", 1)["checksum_information"].clone();
        assert_eq!((&checksum["checksum_state"], &checksum["checksum_failure"]), (&"pending".into(), &Value::Null));
        let found = api.get("/api/v1/findings").text;
        assert!(found.contains("\"checksum_state\":\"pending\"") && found.contains("gone-too"), "{found}");
    }

    /// What an interrupted run holds is given back at once.
    fn an_interrupted_run_gives_back_what_it_holds(database) {
        let limits = "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"1MB\"\n";
        let installation = Installation::with(database, limits);
        installation.file("large", 1, 60_000_000);
        installation.import("uploads", &[line(1, "large", "")]).success();
        let run = installation.start(&["verify"]);
        let states = || -> Value {
            serde_json::from_str(&installation.run(&["status", "--json"]).stdout).unwrap()
        };
        eventually("the record is started", || (states()["models"][0]["states"]["started"] == 1).then_some(()));
        // Somebody else can watch it.
        let watched = document("status", &installation.run(&["status", "--json"]));
        let worker = &watched["activity"]["workers"][0];
        assert!(worker["process"].as_str().unwrap().starts_with(&format!("process {} on ", run.pid())), "{watched}");
        assert_eq!(worker["reads"], serde_json::json!([{ "model_name": "uploads", "storage": "main" }]));
        assert_eq!(watched["activity"]["left"], 1);
        let watched = installation.run(&["status"]).stdout;
        assert!(watched.contains("\nBeing read by process ") && watched.contains("\n1 is still to be read"), "{watched}");
        run.signal(Signal::INT);
        let (end, log) = run.wait();
        assert_eq!(end.code(), Some(130), "{log:#?}");
        assert_eq!(
            log,
            [
                "stocktake: interrupted after 0 of 1 record; what was not finished is still due, and stocktake verify goes \
                 on with it"
            ]
        );
        assert_eq!(states()["models"][0]["states"]["pending"], 1);
    }
}
