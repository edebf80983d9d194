//! A Gitaly Cluster: each repository is as good as its replicas.

use std::collections::BTreeMap;

use stocktake_testbed::{GitlabCluster, GitlabOutcome, postgres};

use crate::documents::document;
use crate::support::Database;

use super::{Fixture, ending, key, orphans};

fn fixture(database: Database) -> (Fixture, GitlabCluster) {
    let mut cluster = None;
    let fixture = Fixture::with(database, |gitlab| {
        let url = postgres().create_database().unwrap();
        let made = cluster.insert(gitlab.cluster(&url).unwrap());
        format!("praefect_database_url = {url:?}\n{}", made.sections)
    });
    (fixture, cluster.unwrap())
}

on_both_databases! {
    fn what_is_wrong_with_one_replica_is_named_with_it(database) {
        let (fixture, cluster) = fixture(database);
        let checked = fixture.installation.run(&["sync", "--check", "--json"]);
        assert_eq!(checked.code, 0, "{checked:?}");
        let document = document("sync-check", &checked);
        let models = document["models"].as_array().unwrap();
        let projects = models.iter().find(|model| model["model_name"] == "projects").unwrap();
        assert_eq!(projects["storages"], serde_json::json!(["gitlab-git-default", "gitlab-git-second"]));
        fixture.sync(&[]);
        assert_eq!(fixture.installation.run(&["verify"]).code, 1);

        let failed = fixture.export(&[]);
        let planted: BTreeMap<_, _> =
            cluster.faults.iter().map(|fault| ((fault.model.to_owned(), fault.id), fault)).collect();
        for (of, fault) in &planted {
            let found = failed.get(of).unwrap_or_else(|| panic!("{of:?} is not found"));
            let told = found["checksum_failure"].as_str().unwrap();
            assert!(found["kind"] == fault.kind && told.contains(fault.text), "{of:?}: {found}");
        }
        let others = ending(&fixture, |outcome| matches!(outcome, GitlabOutcome::Failed { .. }));
        let mut expected: Vec<_> = others.into_iter().map(key).chain(planted.keys().cloned()).collect();
        expected.sort();
        assert_eq!(failed.into_keys().collect::<Vec<_>>(), expected);
        let good = fixture.export(&["--state", "succeeded"]);
        for record in ending(&fixture, |outcome| *outcome == GitlabOutcome::Succeeded) {
            let Some(found) = good.get(&key(record)) else {
                assert!(planted.contains_key(&key(record)), "{} {} is not good", record.model, record.id);
                continue;
            };
            assert_eq!(found["checksum"].as_str(), record.checksum.as_deref(), "{found}");
        }
    }

    fn what_neither_gitlab_nor_praefect_knows_is_an_orphan(database) {
        let (fixture, cluster) = fixture(database);
        let finished = fixture.installation.run(&["orphans", "--json"]);
        let document = document("orphans", &finished);
        let mut expected = [fixture.gitlab.orphans.clone(), cluster.orphans].concat();
        expected.sort();
        assert_eq!(orphans(&document), expected, "{finished:?}");
        assert_eq!(document["totals"]["not_understood"], 0, "{finished:?}");
    }
}
