//! The first reports: what is found, over all ways of asking for it.

use stocktake_testbed::GitlabOutcome;

use crate::documents::document;

use super::{Fixture, ending, key, orphans};

/// Verifies all, and asserts that just the records are found wrong that are, with what is wrong with them.
pub(super) fn assert_verified(fixture: &Fixture) {
    assert_eq!(fixture.installation.run(&["verify"]).code, 1);

    let failed = fixture.export(&[]);
    for record in ending(fixture, |outcome| matches!(outcome, GitlabOutcome::Failed { .. })) {
        let GitlabOutcome::Failed { kind, text } = &record.outcome else { continue };
        let found =
            failed.get(&key(record)).unwrap_or_else(|| panic!("{} {}: not found", record.model, record.id));
        assert_eq!(found["kind"], *kind, "{} {}: {found}", record.model, record.id);
        let told = found["checksum_failure"].as_str().unwrap();
        assert!(told.contains(text), "{} {}: {told:?} instead of {text:?}", record.model, record.id);
        assert_eq!(found["owner"].as_str(), record.owner, "{found}");
        assert_eq!(
            found["expected_checksum"].is_null(),
            record.expected.is_none() && !told.contains("Content changed")
        );
    }
    let expected = ending(fixture, |outcome| matches!(outcome, GitlabOutcome::Failed { .. })).len();
    assert_eq!(failed.len(), expected, "{:?}", failed.keys());

    let good = fixture.export(&["--state", "succeeded"]);
    for record in ending(fixture, |outcome| *outcome == GitlabOutcome::Succeeded) {
        let found =
            good.get(&key(record)).unwrap_or_else(|| panic!("{} {}: not good", record.model, record.id));
        assert_eq!(found["checksum"].as_str(), record.checksum.as_deref(), "{found}");
        assert_eq!(found["gitlab_checksum"].as_str(), record.source_checksum.as_deref(), "{found}");
        assert_eq!(found["gitlab_checksum_agrees"].as_bool(), record.matches_source, "{found}");
    }
    let disabled = fixture.export(&["--state", "disabled"]);
    let expected = ending(fixture, |outcome| *outcome == GitlabOutcome::Disabled);
    assert_eq!(
        disabled.keys().cloned().collect::<Vec<_>>(),
        expected.into_iter().map(key).collect::<Vec<_>>()
    );

    let mismatched = fixture.export(&["--mismatched"]);
    let expected =
        fixture.gitlab.records.iter().filter(|record| record.matches_source == Some(false)).map(key);
    assert_eq!(mismatched.into_keys().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

on_both_databases! {
    fn the_same_is_told_over_http(database) {
        let fixture = Fixture::new(database);
        fixture.sync(&[]);
        fixture.installation.run(&["verify"]);
        let (_service, api) = fixture.installation.serve_with(&["--no-worker"]);
        let exported = fixture.installation.run(&["export", "--format", "csv"]).success();
        let answer = api.get("/api/v1/findings?format=csv&per_page=1000");
        assert_eq!((answer.status, answer.text), (200, exported.clone()));
        assert_eq!(exported.lines().count(), 1 + fixture.export(&[]).len());

        let mut found = Vec::new();
        let mut path = "/api/v1/findings?per_page=7".to_owned();
        loop {
            let answer = api.get(&path);
            let next = answer.link("next");
            found.extend(answer.ok().as_array().unwrap().clone());
            match next {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!(found, fixture.export(&[]).into_values().collect::<Vec<_>>());

        let sync = api.get("/api/v1/sync").ok();
        assert_eq!(sync.as_array().or(sync["models"].as_array()).unwrap().len(), 20, "{sync}");
    }

    fn what_would_be_read_is_told_before_it_is(database) {
        let fixture = Fixture::new(database);
        let finished = fixture.installation.run(&["sync", "--check", "--json"]);
        let document = document("sync-check", &finished);
        assert_eq!(finished.code, 0, "{document:#}");
        let models = document["models"].as_array().unwrap();
        assert_eq!(models.len(), 20);
        for model in models {
            assert_eq!(model["problems"], serde_json::json!([]), "{model}");
            assert!(model["rows"].is_string() && !model["storages"].as_array().unwrap().is_empty(), "{model}");
        }
        let people = fixture.installation.run(&["sync", "--check"]).success();
        assert!(people.contains("lfs_objects") && people.contains("gitlab-lfs"), "{people}");
        assert!(people.trim_end().ends_with("20 models can be read. Read them: stocktake sync"), "{people}");
        // Nothing was read until now.
        let synced = fixture.sync(&["lfs_objects"]);
        assert_eq!(synced["lfs_objects"]["added"], fixture.gitlab.of("lfs_objects").count());
        let newer = "CREATE TABLE bundles (id bigint PRIMARY KEY, file text, file_store smallint)";
        fixture.sql(newer);
        let finished = fixture.installation.run(&["sync", "--check"]);
        assert_eq!(finished.code, 1, "{finished:?}");
        assert!(finished.stdout.contains("bundles.file_store records files, and no rule knows"), "{finished:?}");
        let orphans = fixture.installation.run(&["orphans"]);
        assert!(orphans.stderr.contains("GitLab records files in bundles.file_store"), "{orphans:?}");
    }

    fn what_is_not_understood_is_no_orphan(database) {
        let fixture = Fixture::new(database);
        let before = fixture.gitlab.orphans.len();
        let folder = fixture.gitlab.folder.join("uploads/-/system/sbom_scans/7");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("scan.json"), "{}").unwrap();
        let finished = fixture.installation.run(&["orphans", "--format", "json"]);
        let document = document("orphans", &finished);
        assert_eq!(document["totals"]["orphans"], before);
        assert_eq!(document["totals"]["not_understood"], 1);
        let storages = document["storages"].as_array().unwrap();
        let uploads = storages.iter().find(|storage| storage["storage"] == "gitlab-uploads").unwrap();
        let folders = serde_json::json!({ "-/system/sbom_scans/*": 1 });
        assert_eq!(uploads["not_understood_folders"], folders, "{uploads}");
        let people = fixture.installation.run(&["orphans", "--no-sync"]).success();
        assert!(people.contains("1 file not understood: do not delete"), "{people}");
    }

    fn nothing_is_listed_where_rows_were_not_read(database) {
        let fixture = Fixture::new(database);
        fixture.sql("ALTER TABLE lfs_objects RENAME COLUMN oid TO other");
        let finished = fixture.installation.run(&["orphans", "--format", "json"]);
        assert_eq!(finished.code, 1, "{finished:?}");
        assert!(finished.stderr.contains("lfs_objects could not be read, so that nothing is searched"), "{finished:?}");
        let document = document("orphans", &finished);
        let (lfs, mut expected): (Vec<_>, Vec<_>) =
            fixture.gitlab.orphans.clone().into_iter().partition(|orphan| orphan.storage.starts_with("gitlab-lfs"));
        assert!(!lfs.is_empty());
        expected.sort();
        assert_eq!(orphans(&document), expected, "{finished:?}");
        let people = fixture.installation.run(&["orphans", "--no-sync"]);
        assert!(people.stdout.contains("not all rows of lfs_objects were read"), "{people:?}");
    }

    fn just_what_nobody_claims_is_listed(database) {
        let fixture = Fixture::new(database);
        let finished = fixture.installation.run(&["orphans", "--format", "json"]);
        let document = document("orphans", &finished);
        let text = finished.success();
        let found = orphans(&document);
        let mut expected = fixture.gitlab.orphans.clone();
        expected.sort();
        assert_eq!(found, expected, "{text}");
        let bytes: u64 = expected.iter().filter_map(|orphan| orphan.size).sum();
        assert_eq!(document["totals"]["bytes"], bytes);
        assert_eq!(document["totals"]["orphans"], expected.len());

        let csv = fixture.installation.run(&["orphans", "--format", "csv", "--no-sync"]).success();
        assert_eq!(csv.lines().count(), 1 + expected.len(), "{csv}");
        // What is newer than the last reading of rows may have one.
        let folder = fixture.gitlab.folder.join("shared/lfs-objects/ee/ee");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("e".repeat(60)), "new").unwrap();
        let people = fixture.installation.run(&["orphans", "--no-sync"]).success();
        assert!(expected.iter().all(|orphan| people.contains(&orphan.path)), "{people}");
        assert!(!people.contains(&"e".repeat(60)), "{people}");
        let young = fixture.installation.run(&["orphans", "--no-sync", "--older-than", "1d", "--format", "csv"]);
        // A container repository has no time of its own.
        assert!(young.success().lines().skip(1).all(|line| line.contains("gitlab-registry")));
    }
}
