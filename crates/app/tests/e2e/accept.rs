//! Taking altered content for good.

use crate::support::Installation;

on_both_databases! {
    fn accepted_content_is_good_from_then_on(database) {
        let installation = Installation::new(database);
        let stored = installation.file("doc", 1, 1_000);
        installation.import("uploads", &[stored.line(1)]).success();
        installation.run(&["verify"]).success();
        let altered = installation.file("doc", 2, 1_001);
        let found = installation.run(&["verify", "--all"]);
        assert_eq!(found.code, 1);
        let line = format!(
            "ALTERED  main:doc  (uploads 1)  sha256 {}… as recorded, {}… now\n",
            &stored.sha256[..8],
            &altered.sha256[..8]
        );
        assert!(found.stdout.starts_with(&line), "{found:?}");

        let accepted = installation.run(&["accept", "uploads", "1"]).success();
        let beginning = format!(
            "uploads 1: accepted sha256:{} (1001 bytes), which replaces the recorded digest sha256:{}, the recorded \
             size 1000 bytes, the checksum sha256:{} of 2",
            altered.sha256, stored.sha256, stored.sha256
        );
        assert!(accepted.starts_with(&beginning), "{accepted}");
        installation.run(&["verify", "--all"]).success();

        // Not a licence for any content.
        installation.file("doc", 3, 1_001);
        let found = installation.run(&["verify", "--all"]);
        assert_eq!(found.code, 1);
        let was = format!("ALTERED  main:doc  (uploads 1)  sha256 {}… on ", &altered.sha256[..8]);
        assert!(found.stdout.starts_with(&was), "{found:?}");
    }

    fn what_cannot_be_accepted_is_named_and_the_others_are_accepted(database) {
        let installation = Installation::new(database);
        let good = installation.file("doc", 1, 10);
        let gone = installation.file("gone", 2, 10);
        installation.import("uploads", &[good.line(1), gone.line(2)]).success();
        std::fs::remove_file(installation.path("gone")).unwrap();
        let finished = installation.run(&["accept", "uploads", "2", "3", "1"]);
        assert_eq!(finished.code, 2);
        assert!(finished.stdout.starts_with("uploads 1: accepted "), "{finished:?}");
        let refusals: Vec<&str> = finished.stderr.lines().collect();
        assert!(refusals[0].starts_with("stocktake: uploads 2 was not accepted: "), "{finished:?}");
        assert_eq!(refusals[1], "stocktake: uploads 3 was not accepted: there is no such record");
    }
}
