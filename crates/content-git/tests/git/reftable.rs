//! Repositories with their refs in reftables.

use std::fs;

use stocktake_testbed::{GitFormat, git_reads_reftables};

use crate::support::{Fixture, checksum, files, missing, overwrite, see, sha256};

const REFTABLE: GitFormat = GitFormat { sha256: false, reftable: true };

fn assert_git_is_new_enough() {
    assert!(git_reads_reftables(), "This test needs a git of version 2.45 or newer on PATH.");
}

#[tokio::test]
async fn refs_are_those_that_git_shows() {
    assert_git_is_new_enough();
    let fixture = Fixture::new();
    for sha256_ids in [false, true] {
        let path = format!("{sha256_ids}.git");
        let repository = fixture.create(&path, GitFormat { sha256: sha256_ids, reftable: true });
        assert_eq!(sha256(&fixture.see(&path).await), checksum(""));
        repository.import("main", 40, 1).unwrap();
        repository.git(&["tag", "-a", "-m", "one", "v1", "main"]).unwrap();
        repository.git(&["symbolic-ref", "refs/heads/to-nothing", "refs/heads/nothing"]).unwrap();
        repository.git(&["symbolic-ref", "refs/heads/link", "refs/heads/main"]).unwrap();
        // A ref other than `HEAD` that is not below `refs`.
        repository.git(&["update-ref", "ORIG_HEAD", "main"]).unwrap();
        let id = repository.git(&["rev-parse", "main"]).unwrap().trim().to_owned();
        repository.update_refs((0..2_000).map(|n| (format!("refs/keep-around/{n}"), id.clone()))).unwrap();
        assert!(fs::metadata(repository.path().join("refs/heads")).unwrap().is_file());
        let shown = repository.show_ref().unwrap();
        assert_eq!(shown.lines().count(), 2_004);
        assert_eq!(sha256(&fixture.see(&path).await), checksum(&shown));
        assert_eq!(sha256(&see(&fixture.refs_only(), &path).await), checksum(&shown));
    }
}

#[tokio::test]
async fn tables_of_many_blocks_and_in_many_layers() {
    assert_git_is_new_enough();
    let fixture = Fixture::new();
    for (number, settings) in [
        &[("reftable.blockSize", "256")][..],
        &[("reftable.blockSize", "1024"), ("reftable.indexObjects", "false")],
        &[("core.logAllRefUpdates", "always"), ("reftable.restartInterval", "2")],
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("{number}.git");
        let repository = fixture.create(&path, REFTABLE);
        for (key, value) in settings {
            repository.git(&["config", key, value]).unwrap();
        }
        repository.import("main", 2, 1).unwrap();
        repository.git(&["tag", "-a", "-m", "one", "v1", "main"]).unwrap();
        let id = repository.git(&["rev-parse", "main"]).unwrap().trim().to_owned();
        repository.update_refs((0..900).map(|n| (format!("refs/x{}/{n}", n % 3), id.clone()))).unwrap();
        repository.git(&["pack-refs"]).unwrap();
        // Newer tables: refs that are new, changed, and deleted.
        for (round, arguments) in [
            &["update-ref", "refs/heads/new", "main"][..],
            &["update-ref", "refs/x0/0", "refs/tags/v1"],
            &["update-ref", "-d", "refs/x1/1"],
            &["symbolic-ref", "refs/x2/2", "refs/tags/v1"],
        ]
        .into_iter()
        .enumerate()
        {
            let no_merging = ["-c", "reftable.geometricFactor=0"];
            repository.git(&[&no_merging, arguments].concat()).unwrap();
            assert_eq!(
                sha256(&fixture.see(&path).await),
                checksum(&repository.show_ref().unwrap()),
                "{round}"
            );
        }
        assert!(!repository.show_ref().unwrap().contains("refs/x1/1\n"));
    }
}

/// Git itself treats some of these tables as empty, or as shorter.
#[tokio::test]
async fn a_changed_byte_is_found() {
    assert_git_is_new_enough();
    let fixture = Fixture::new();
    let repository = fixture.create("a.git", REFTABLE);
    repository.import("main", 1, 1).unwrap();
    let id = repository.git(&["rev-parse", "main"]).unwrap().trim().to_owned();
    repository.git(&["config", "reftable.blockSize", "512"]).unwrap();
    repository.update_refs((0..30).map(|n| (format!("refs/heads/b{n}"), id.clone()))).unwrap();
    repository.git(&["pack-refs"]).unwrap();
    let good = fixture.see("a.git").await.unwrap().stored;
    let list = repository.path().join("reftable/tables.list");
    let tables = fs::read_to_string(&list).unwrap();
    let table = repository.path().join("reftable").join(tables.lines().next().unwrap());
    let before = fs::read(&table).unwrap();
    // Two blocks, with zeros between them.
    assert!(before.len() > 800 && before[512] == b'r' && before[511] == 0);
    for place in (0..before.len()).step_by(13) {
        let mut flipped = before.clone();
        flipped[place] ^= 0xff;
        overwrite(&table, &flipped);
        let seen = fixture.see("a.git").await;
        assert_ne!(seen.map(|seen| seen.stored), Ok(good), "at {place}");
    }
    overwrite(&table, &before);
    assert_eq!(fixture.see("a.git").await.unwrap().stored, good);
}

#[tokio::test]
async fn damaged_tables_are_reported() {
    assert_git_is_new_enough();
    let fixture = Fixture::new();
    let repository = fixture.create("a.git", REFTABLE);
    repository.import("main", 1, 1).unwrap();
    let list = repository.path().join("reftable/tables.list");
    let tables = fs::read_to_string(&list).unwrap();
    let table = tables.lines().last().unwrap();
    let file = repository.path().join("reftable").join(table);
    let before = fs::read(&file).unwrap();
    for (content, reason) in [
        (&[][..], "it is cut short"),
        (&before[..40], "it is cut short"),
        (&before[..before.len() - 1], "its header or footer is damaged"),
        (b"garbage garbage", "not a reftable"),
    ] {
        overwrite(&file, content);
        assert_eq!(fixture.unreadable("a.git").await, format!("reftable/{table}: {reason}"));
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(fixture.unreadable("a.git").await, format!("reftable/{table}: is not there"));
    fs::write(&file, before).unwrap();
    fs::write(&list, "../../outside\n").unwrap();
    let reason = "reftable/tables.list: not the name of a table: ../../outside";
    assert_eq!(fixture.unreadable("a.git").await, reason);
    fs::remove_file(&list).unwrap();
    assert_eq!(fixture.unreadable("a.git").await, "reftable/tables.list: is not there");
    fs::write(&list, "").unwrap();
    assert_eq!(fixture.unreadable("a.git").await, "reftable/tables.list: the list of tables is empty");
    fs::write(&list, tables).unwrap();
    fs::write(repository.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();
    assert_eq!(fixture.unreadable("a.git").await, "HEAD: not what it is beside reftables");
}

#[tokio::test]
async fn a_ref_without_its_object_is_reported() {
    assert_git_is_new_enough();
    let fixture = Fixture::new();
    let repository = fixture.create("a.git", REFTABLE);
    repository.import("main", 1, 1).unwrap();
    let id = repository.git(&["rev-parse", "main"]).unwrap().trim().to_owned();
    for file in files(&repository.path().join("objects")) {
        fs::remove_file(repository.path().join("objects").join(file)).unwrap();
    }
    let reason = missing(fixture.see("a.git").await);
    assert_eq!(reason, format!("HEAD: its object {id} is missing"));
    see(&fixture.refs_only(), "a.git").await.unwrap();
}
