//! Commands that only show what there is: `show`, `models`, `jobs`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{Finished, Installation, line};

fn json(finished: Finished) -> Value {
    let text = finished.success();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The lines that do not say how long ago something was.
fn without_times(sheet: &str) -> Vec<&str> {
    let of_times = ["state ", "verdict ", "good ", "next "];
    sheet.lines().filter(|line| !of_times.iter().any(|label| line.starts_with(label))).collect()
}

on_both_databases! {
    fn everything_is_shown_of_one_record(database) {
        let installation = Installation::new(database);
        let stored = installation.file("docs/[a] \u{202e}b", 1, 1_000);
        installation.import("uploads", &[stored.line(-7)]).success();
        installation.run(&["verify"]).success();
        let altered = installation.file("docs/[a] \u{202e}b", 2, 1_000);
        assert_eq!(installation.run(&["verify", "--all"]).code, 1);
        let by_key = installation.run(&["show", "uploads", "-7"]).success();
        assert!(by_key.starts_with("uploads -7\nplace    main:docs/[a] \\u{202e}b"), "{by_key}");
        assert!(by_key.contains("\nverdict  ALTERED ") && by_key.contains("\nsize     1,000 bytes recorded\n"), "{by_key}");
        assert!(by_key.contains(&format!("\nrecorded sha256:{}\n", stored.sha256)), "{by_key}");
        assert!(by_key.contains("\nto do    Changed on purpose: stocktake accept uploads -7."), "{by_key}");
        let file = installation.path("docs/[a] \u{202e}b");
        std::os::unix::fs::symlink(installation.path("docs"), installation.folder().join("link")).unwrap();
        for place in [
            "docs/[a] \u{202e}b",
            "main:docs/[a] \u{202e}b",
            file.to_str().unwrap(),
            // Seen from the folder in which the command runs.
            "main/docs/[a] \u{202e}b",
            "./main/docs/../docs/[a] \u{202e}b",
            "link/[a] \u{202e}b",
        ] {
            let by_path = installation.run(&["show", place]).success();
            assert_eq!(without_times(&by_path), without_times(&by_key), "{place}");
        }
        installation.run(&["accept", "uploads", "-7", "--yes", "--reason", "new scan"]).success();
        let shown = json(installation.run(&["show", "uploads", "-7", "--json"]));
        let record = &shown["records"][0];
        assert_eq!((&shown["version"], &record["checksum_state"]), (&1.into(), &"succeeded".into()));
        let acceptance = &record["acceptances"][0];
        assert_eq!(acceptance["reason"], "new scan");
        assert_eq!(acceptance["checksum"], format!("sha256:{}", altered.sha256));
        assert_eq!(acceptance["replaced"]["recorded_checksum"], format!("sha256:{}", stored.sha256));
        assert!(record["next_check_at"].is_string() && acceptance["by"].as_str().unwrap().contains('@'));
        let text = installation.run(&["show", "uploads", "-7"]).success();
        assert!(text.contains("\naccepted just now") || text.contains("\naccepted 1 second ago"), "{text}");
        assert!(text.contains(": new scan;\n"), "{text}");
        assert_eq!(installation.run(&["show", "uploads", "8"]).refusal(), "uploads has no record 8");
        let refusal = installation.run(&["show", "docs/nothing"]).refusal();
        assert!(refusal.starts_with("no record has the path \"docs/nothing\""), "{refusal}");
        let refusal = installation.run(&["show", "upload", "8"]).refusal();
        assert!(refusal.contains("did you mean \"uploads\"?"), "{refusal}");
    }

    fn a_record_is_found_by_the_name_of_its_file_which_need_not_be_a_text(database) {
        let installation = Installation::new(database);
        let name = OsStr::from_bytes(b"bad\xff");
        std::fs::write(installation.path("").join(name), "content").unwrap();
        installation.run(&["scan", "uploads", "main"]).success();
        let absolute = installation.path("").join(name);
        for file in [name, absolute.as_os_str(), Path::new("main").join(name).as_os_str()] {
            for place in [file.to_owned(), format!("{}\\xff", file.to_string_lossy().trim_end_matches('\u{fffd}')).into()] {
                let shown = Finished::from(installation.command(&["show"]).arg(&place).output().unwrap());
                assert!(shown.stdout.starts_with("uploads 1\nplace    main:bad\\xff"), "{}: {shown:?}", place.display());
            }
        }
        std::fs::remove_file(&absolute).unwrap();
        let missing = Finished::from(installation.command(&["show"]).arg(&absolute).output().unwrap());
        missing.success();
    }

    fn models_are_listed_with_their_storages(database) {
        let installation = Installation::new(database);
        let stored = installation.file("a", 1, 10);
        let elsewhere = line(2, "a", "").replace("\"main\"", "\"attic\"");
        installation.import("uploads", &[stored.line(1), elsewhere]).success();
        let text = installation.run(&["models"]).success();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["uploads", "Upload", "file", "attic,", "main", "2", "0"]);
        assert_eq!(lines[2], "19 models without records: stocktake models --all");
        let all = installation.run(&["models", "--all"]).success();
        assert!(all.contains("snippet_repositories") && !all.contains("without records"), "{all}");
        let models = json(installation.run(&["models", "--json"]));
        let uploads = models["models"].as_array().unwrap().iter().find(|model| model["model_name"] == "uploads");
        let uploads = uploads.unwrap();
        assert_eq!((&uploads["storages"], &uploads["content"]), (&serde_json::json!(["attic", "main"]), &"file".into()));
    }

    fn bulk_jobs_are_listed_and_cancelled(database) {
        let installation = Installation::new(database);
        let stored = installation.file("a", 1, 10);
        installation.import("uploads", &[stored.line(1)]).success();
        assert_eq!(installation.run(&["jobs", "list"]).success(), "There are no bulk jobs.\n");
        let (service, api) = installation.serve_with(&["--no-worker"]);
        api.put("/api/v4/admin/data_management/uploads/checksum");
        service.stop();
        let jobs = json(installation.run(&["jobs", "list", "--json"]));
        let id = jobs["jobs"][0]["id"].to_string();
        assert_eq!((&jobs["version"], &jobs["jobs"][0]["model_name"]), (&1.into(), &"uploads".into()));
        let list = installation.run(&["jobs", "list"]).success();
        assert!(list.lines().nth(1).unwrap().contains("  uploads  all records  "), "{list}");
        let first = installation.run(&["jobs", "cancel", &id]).success();
        let again = installation.run(&["jobs", "cancel", &id]).success();
        assert!(first.starts_with(&format!("Job {id} ")), "{first}");
        assert!(again.starts_with(&format!("Job {id} had ended already: ")), "{again}");
        let refusal = installation.run(&["jobs", "cancel", "99"]).refusal();
        assert_eq!(refusal, "there is no job 99; stocktake jobs lists them");
    }
}
