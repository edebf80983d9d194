//! What no row claims.

use serde_json::Value;
use stocktake_testbed::GitlabOrphan;

use super::Fixture;

on_both_databases! {
    fn just_what_nobody_claims_is_listed(database) {
        let fixture = Fixture::new(database);
        let text = fixture.installation.run(&["orphans", "--format", "json"]).success();
        let document: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let mut found: Vec<GitlabOrphan> = document["orphans"]
            .as_array()
            .unwrap()
            .iter()
            .map(|orphan| GitlabOrphan {
                storage: orphan["storage"].as_str().unwrap().to_owned(),
                path: orphan["path"].as_str().unwrap().to_owned(),
                size: orphan["size"].as_u64(),
            })
            .collect();
        found.sort();
        let mut expected = fixture.gitlab.orphans.clone();
        expected.sort();
        assert_eq!(found, expected, "{text}");
        let bytes: u64 = expected.iter().filter_map(|orphan| orphan.size).sum();
        assert_eq!(document["totals"]["bytes"], bytes);
        assert_eq!(document["totals"]["orphans"], expected.len());

        let csv = fixture.installation.run(&["orphans", "--format", "csv", "--no-sync"]).success();
        assert_eq!(csv.lines().count(), 1 + expected.len(), "{csv}");
        let people = fixture.installation.run(&["orphans", "--no-sync"]).success();
        assert!(expected.iter().all(|orphan| people.contains(&orphan.path)), "{people}");
        let young = fixture.installation.run(&["orphans", "--no-sync", "--older-than", "1d", "--format", "csv"]);
        // A container repository has no time of its own.
        assert!(young.success().lines().skip(1).all(|line| line.contains("gitlab-registry")));
    }
}
