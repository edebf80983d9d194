//! Staying up to date: new, changed and deleted rows, pushes, and what must not be taken for a deletion.

use serde_json::json;

use super::Fixture;
use crate::support::{Installation, eventually};

const LFS: &str = "lfs_objects";

on_both_databases! {
    fn added_changed_and_deleted_rows_are_found(database) {
        let fixture = Fixture::new(database);
        fixture.sync(&[]);
        let again = fixture.sync(&[]);
        assert!(again.values().all(|model| model["unchanged"] == model["rows"]), "{again:?}");

        fixture.sql("INSERT INTO lfs_objects (id, oid, size, created_at, file, file_store) \
                   VALUES (900, repeat('ab', 32), 7, now(), repeat('ab', 30), 1)");
        fixture.sql("UPDATE uploads SET store = 2, path = 'user/avatar/1/me.png' WHERE id = 1");
        fixture.sql("DELETE FROM pages_deployments WHERE id = 1");
        let changed = fixture.sync(&[]);
        let counts = |model: &str, name: &str| changed[model][name].clone();
        assert_eq!(counts(LFS, "added"), json!(1));
        assert_eq!(counts("uploads", "changed"), json!(1));
        assert_eq!(counts("pages_deployments", "deleted"), json!(1));
        let moved = fixture.export(&["uploads", "--state", "pending"]).remove(&("uploads".to_owned(), 1)).unwrap();
        assert_eq!(moved["storage"], "gitlab-uploads-objects");
    }

    fn a_repository_that_was_pushed_to_is_pending_again(database) {
        let fixture = Fixture::new(database);
        fixture.sync(&["projects"]);
        fixture.installation.run(&["verify", "projects"]);
        let pushed = ("projects".to_owned(), 1);
        assert!(!fixture.export(&["projects", "--state", "pending"]).contains_key(&pushed));
        fixture.sql("UPDATE projects SET last_repository_updated_at = now() WHERE id = 1");
        fixture.sync(&["projects"]);
        assert_eq!(fixture.export(&["projects", "--state", "pending"]).into_keys().collect::<Vec<_>>(), [pushed]);
    }

    fn nothing_is_deleted_because_something_went_wrong(database) {
        let fixture = Fixture::new(database);
        let count = fixture.sync(&[])[LFS]["added"].clone();
        fixture.sql("ALTER TABLE lfs_objects RENAME TO elsewhere");
        let broken = fixture.installation.run(&["sync", "--json"]);
        assert_eq!(broken.code, 1);
        let broken = super::models(&broken);
        assert!(broken[LFS]["problem"].as_str().unwrap().contains("lfs_objects is not there"), "{broken:?}");
        assert!(broken.iter().all(|(model, counts)| model == LFS || counts["problem"].is_null()), "{broken:?}");

        // An empty table of the same form.
        fixture.sql("CREATE TABLE lfs_objects (LIKE elsewhere INCLUDING ALL)");
        let kept = fixture.installation.run(&["sync", "--json"]);
        assert_eq!(kept.code, 1);
        assert_eq!(super::models(&kept)[LFS]["kept"], count);
        assert_eq!(super::models(&kept)[LFS]["deleted"], 0);

        let gone = fixture.sync(&[LFS, "--accept-deletions"]);
        assert_eq!(gone[LFS]["deleted"], count);
    }

    fn a_running_service_follows(database) {
        let fixture = Fixture::new(database);
        let config = std::fs::read_to_string(fixture.installation.config_file()).unwrap();
        let config = config.replace("[sources.gitlab]", "[sources.gitlab]\ninterval = \"1s\"\nfull_scan = \"1s\"");
        std::fs::write(fixture.installation.config_file(), config).unwrap();
        let (service, api) = fixture.installation.serve();
        let shown = |id: i64| {
            let answer = api.get(&format!("/api/v4/admin/data_management/lfs_objects/{id}"));
            (answer.status == 200).then(|| answer.json()["checksum_information"]["checksum_state"].clone())
        };
        eventually("the first sync", || shown(1));
        fixture.sql("INSERT INTO lfs_objects (id, oid, size, created_at, file, file_store) \
                   VALUES (900, repeat('ab', 32), 7, now(), repeat('ab', 30), 1)");
        eventually("a new row", || shown(900).filter(|state| state == "failed"));
        fixture.sql("DELETE FROM lfs_objects WHERE id = 900");
        eventually("a deleted row", || shown(900).is_none().then_some(()));
        service.stop();
    }

    fn a_sync_that_is_killed_goes_on(database) {
        let fixture = Fixture::new(database);
        fixture.sql("INSERT INTO lfs_objects (id, oid, size, created_at, file, file_store) \
                   SELECT n, encode(sha256(n::text::bytea), 'hex'), 7, now(), \
                   substr(encode(sha256(n::text::bytea), 'hex'), 5), 1 FROM generate_series(10001, 40000) AS n");
        let config = std::fs::read_to_string(fixture.installation.config_file()).unwrap();
        let config = config.replace("[sources.gitlab]", "[sources.gitlab]\nbatch_size = 200");
        std::fs::write(fixture.installation.config_file(), config).unwrap();
        fixture.installation.run(&["migrate"]).success();
        let killed = fixture.installation.start(&["sync", LFS]);
        let count = |installation: &Installation| {
            let status = installation.run(&["status", "--json"]).stdout;
            let status: serde_json::Value = serde_json::from_str(&status).unwrap();
            let models = status["models"].as_array().unwrap().clone();
            models.into_iter().find(|model| model["model_name"] == LFS).and_then(|model| model["records"].as_u64())
        };
        let reached = eventually("a part of the sync", || count(&fixture.installation).filter(|count| *count > 0));
        killed.kill();
        let all = u64::try_from(fixture.gitlab.of(LFS).count()).unwrap() + 30_000;
        assert!(reached < all, "the sync was over before it could be killed");
        // Whoever was killed holds the sync for a while longer.
        let rest = eventually("the end of its hold", || {
            let finished = fixture.installation.run(&["sync", LFS, "--json"]);
            (finished.code == 0).then(|| super::models(&finished))
        });
        let read = rest[LFS]["rows"].as_u64().unwrap();
        assert!(read <= all - 200, "{read} rows were read again");
        assert_eq!(count(&fixture.installation), Some(all));
        assert_eq!(fixture.sync(&[LFS])[LFS]["unchanged"], all);
    }
}
