//! The filters, which mean the same for every command, and what ends a verification early.

use serde_json::Value;

use crate::support::{Database, Finished, Installation};

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// Records 1 to 6, all good: three below `docs`.
fn six(installation: &Installation) {
    let paths = ["docs/a", "docs/b", "docs/deep/c", "d", "e", "f"];
    let lines: Vec<String> = (1_u32..)
        .zip(paths)
        .map(|(key, path)| installation.file(path, key.into(), 100).line(key.into()))
        .collect();
    installation.import("uploads", &lines).success();
    installation.run(&["verify"]).success();
}

/// How many records a verification checked.
fn checked(finished: &Finished) -> u64 {
    let checked = &json(finished)["checked"];
    checked["succeeded"].as_u64().unwrap() + checked["failed"].as_u64().unwrap()
}

on_both_databases! {
    fn a_filter_means_the_same_records_for_every_command(database) {
        let installation = Installation::new(database);
        six(&installation);
        for path in ["docs/a", "docs/deep/c", "f"] {
            installation.file(path, 99, 100);
        }
        for (filter, number, failed) in [
            (&["--path", "docs/*"][..], 2, 1),
            (&["--path", "docs/**", "--storage", "main"], 3, 2),
            (&["--path", "**", "--older-than", "0s"], 6, 3),
        ] {
            let verified = installation.run(&[&["verify", "--json"][..], filter].concat());
            assert_eq!((verified.code, checked(&verified)), (1, number), "{verified:?}");
            let status = json(&installation.run(&[&["status", "--json"][..], filter].concat()));
            assert_eq!(status["models"][0]["records"], number);
            let export = installation.run(&[&["export", "--json"][..], filter].concat());
            assert_eq!(json(&export)["findings"].as_array().map(Vec::len), Some(failed), "{export:?}");
        }
        let export = |filter: &[&str]| installation.run(&[&["export"], filter].concat()).success().lines().count() - 1;
        assert_eq!(export(&["--kind", "altered", "--since", "1d"]), 3);
        assert_eq!(export(&["--kind", "missing,unreadable"]), 0);
        assert_eq!(export(&["--older-than", "1d"]), 0);
        assert_eq!(export(&["--state", "succeeded", "--path", "docs/*"]), 1);
        for command in [&["verify"][..], &["status"], &["export"], &["accept", "--yes"]] {
            let none = installation.run(&[command, &["--storage", "mian"]].concat()).refusal();
            assert_eq!(none, "there is no storage \"mian\"; did you mean \"main\"? There are: main", "{command:?}");
        }
        let none = installation.run(&["verify", "--owner", "nobody"]).refusal();
        assert_eq!(none, "nothing to verify: no record of any model matches the filters");
        assert_eq!(installation.run(&["status", "--owner", "nobody"]).refusal(), "no record matches the filters");
        let wrong = installation.run(&["export", "--path", "a["]).refusal();
        assert!(wrong.contains("a [ without a ]"), "{wrong}");
    }

    fn a_dry_run_tells_how_much_there_is_and_changes_nothing(database) {
        let installation = Installation::new(database);
        six(&installation);
        let nothing = installation.run(&["verify", "--dry-run"]).success();
        assert_eq!(nothing, "Would read nothing: no record is due. Nothing was changed.\n");
        let models = || json(&installation.run(&["status", "--json"]))["models"].clone();
        let before = models();
        let text = installation.run(&["verify", "--dry-run", "--path", "docs/**"]).success();
        assert!(text.starts_with("Would read 3 records, 300 B, which takes about "), "{text}");
        let half = json(&installation.run(&["verify", "--dry-run", "--all", "--sample", "50%", "--json"]));
        assert_eq!((&half["records"], &half["bytes"]), (&3.into(), &300.into()));
        assert!(half["seconds"].as_f64().unwrap() > 0.0);
        assert_eq!(models(), before);
        installation.import("lfs_objects", &[crate::support::line(1, "docs/a", "")]).success();
        let due = json(&installation.run(&["verify", "--dry-run", "--json"]));
        assert_eq!((&due["records"], &due["of_unknown_size"], &due["version"]), (&1.into(), &1.into(), &1.into()));
        assert_eq!(due["models"][0]["model_name"], "lfs_objects");
    }
}

#[test]
fn a_verification_ends_at_its_limits_and_goes_on_later() {
    let installation =
        Installation::with(Database::Sqlite, "[worker]\nclaim_size = 1\nleases_per_storage = 1");
    six(&installation);
    for path in ["docs/a", "docs/b", "docs/deep/c", "d", "e", "f"] {
        installation.file(path, 99, 101);
    }
    let stopped = installation.run(&["verify", "--all", "--max-failures", "1", "--json"]);
    let summary = json(&stopped);
    assert_eq!(stopped.code, 1);
    let left = summary["left"].as_u64().unwrap();
    assert!((1..=5).contains(&left), "{stopped:?}");
    assert!(summary["stopped"].as_str().unwrap().starts_with("Stopped after "), "{stopped:?}");
    let rest = installation.run(&["verify", "--json"]);
    assert_eq!((rest.code, checked(&rest)), (1, left));
    let stopped = installation.run(&["verify", "--all", "--stop-after", "0s"]);
    assert!(stopped.stdout.contains(" Stopped after 0s: "), "{stopped:?}");
    assert!(stopped.stdout.ends_with(" still due, and stocktake verify goes on with them.\n"), "{stopped:?}");
}

#[test]
fn a_sample_is_a_part() {
    let installation = Installation::new(Database::Sqlite);
    let files = installation.files(200);
    installation.import_files("uploads", &files);
    installation.run(&["verify"]).success();
    let sample = installation.run(&["verify", "--sample", "50%", "--json"]);
    // Thirteen standard deviations.
    assert!((10..190).contains(&checked(&sample)), "{sample:?}");
    let refusal = installation.run(&["verify", "--sample", "5"]).refusal();
    assert!(refusal.contains("a sample is written like 5%"), "{refusal}");
}
