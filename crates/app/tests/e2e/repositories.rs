//! Git and container repositories in which something is lost, as an administrator meets them.

use std::fs;
use std::os::unix::fs::symlink;

use stocktake_testbed::{GitFormat, GitRepository};

use crate::support::{Database, Installation};

/// A storage of git repositories, and one of a registry's own directory of which the tags alone are read.
const STORAGES: &str = r#"
    [storages.git]
    kind = "git"
    root = "git"
    [storages.registry]
    kind = "registry-directory"
    root = "registry"
    integrity = "tags"
"#;

fn installation(database: Database) -> Installation {
    let installation = Installation::with(database, STORAGES);
    for folder in ["git", "registry/docker/registry/v2/repositories"] {
        fs::create_dir_all(installation.folder().join(folder)).unwrap();
    }
    installation
}

fn repository(installation: &Installation, name: &str) -> GitRepository {
    let format = GitFormat { sha256: false, reftable: false };
    let repository = GitRepository::create(&installation.folder().join("git").join(name), format).unwrap();
    repository.import("main", 2, 1).unwrap();
    repository
}

on_both_databases! {
    fn an_object_that_is_lost_is_put_back_and_not_accepted(database) {
        let installation = installation(database);
        let repository = repository(&installation, "a.git");
        installation.run(&["scan", "projects", "git"]).success();
        installation.run(&["verify"]).success();
        let tree = repository.git(&["rev-parse", "main^{tree}"]).unwrap();
        let (folder, name) = tree.trim().split_at(2);
        let object = repository.path().join("objects").join(folder).join(name);
        let copy = fs::read(&object).unwrap();
        fs::remove_file(&object).unwrap();
        let told = installation.run(&["verify", "--all"]).ended(1);
        assert!(told.contains("MISSING  git:a.git"), "{told}");
        assert!(told.contains("\nLost from a repository: put what is named back from any copy of it\n"), "{told}");
        assert!(!told.contains("accept"), "{told}");
        let shown = installation.run(&["show", "projects", "1", "--json"]).success();
        assert!(shown.contains("put that back from any copy of the repository"), "{shown}");
        assert!(!shown.contains("stocktake accept"), "{shown}");
        assert_eq!(installation.run(&["accept", "projects", "1", "--yes"]).code, 2);
        fs::write(&object, copy).unwrap();
        installation.run(&["verify", "--state", "failed"]).success();
    }

    fn links_to_repositories_are_counted(database) {
        let installation = installation(database);
        repository(&installation, "a.git");
        symlink("a.git", installation.folder().join("git/link.git")).unwrap();
        let scanned = installation.run(&["scan", "projects", "git", "--json"]).success();
        let scanned: serde_json::Value = serde_json::from_str(&scanned).unwrap();
        assert_eq!((&scanned["found"], &scanned["passed_over"]), (&1.into(), &1.into()), "{scanned}");
    }

    fn a_container_repository_that_lost_its_manifests_is_altered(database) {
        let installation = installation(database);
        let repositories = installation.folder().join("registry/docker/registry/v2/repositories");
        let tag = repositories.join("g/app/_manifests/tags/1.0/current");
        for folder in [&tag, &repositories.join("g/app/_layers"), &repositories.join("g/layers/_layers")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(tag.join("link"), format!("sha256:{}", "a".repeat(64))).unwrap();
        let line = |key: u8, path: &str| {
            format!(r#"{{"record_identifier":{key},"storage":"registry","path":"{path}"}}"#)
        };
        let model = "container_repositories";
        installation.import(model, &[line(1, "g/app"), line(2, "g/layers")]).success();
        installation.run(&["verify"]).success();
        fs::remove_dir_all(repositories.join("g/app/_manifests")).unwrap();
        let told = installation.run(&["verify", "--all"]).ended(1);
        assert!(told.contains("1 of 2 records needs attention: 1 altered."), "{told}");
        assert!(told.contains("all manifests and tags are gone, though there are layers"), "{told}");
        installation.run(&["accept", model, "1", "--yes"]).success();
        installation.run(&["verify", "--all"]).success();
    }
}
