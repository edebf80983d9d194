//! Whether everything exists that the refs of a repository reach.

use std::fs;

use stocktake_content_git::{GitSettings, Integrity};
use stocktake_testbed::{GitFormat, GitRepository};

use crate::support::{Fixture, PLAIN, checksum, files, loose, missing, see, sha256};

fn id(repository: &GitRepository, name: &str) -> String {
    repository.git(&["rev-parse", name]).unwrap().trim().to_owned()
}

/// Removes the only file of an object.
fn lose(repository: &GitRepository, id: &str) {
    fs::remove_file(loose(repository, id)).unwrap();
}

fn fsck(repository: &GitRepository) -> bool {
    let output = repository.command().args(["fsck", "--full", "--strict"]).output().unwrap();
    output.status.success()
}

#[tokio::test]
async fn a_missing_object_is_told_with_its_ref_type_and_path() {
    for sha256_ids in [false, true] {
        for (name, kind, path) in [
            ("main:001/1-1-0.txt", "blob", " (001/1-1-0.txt)"),
            ("main:001", "tree", " (001)"),
            ("main^{tree}", "tree", ""),
            ("main~1", "commit", ""),
        ] {
            let fixture = Fixture::new();
            let repository = fixture.create("a.git", GitFormat { sha256: sha256_ids, reftable: false });
            repository.import("main", 3, 1).unwrap();
            fixture.see("a.git").await.unwrap();
            let id = id(&repository, name);
            lose(&repository, &id);
            assert!(!fsck(&repository));
            let reason = missing(fixture.see("a.git").await);
            assert_eq!(reason, format!("HEAD: the {kind} {id} is missing{path}"));
            see(&fixture.store_with(|settings| settings.integrity = Integrity::Objects), "a.git")
                .await
                .unwrap();
        }
    }
}

/// What a lost pack held is missed by the loose commit behind the ref.
#[tokio::test]
async fn a_lost_pack_is_missed() {
    let fixture = Fixture::new();
    let repository = fixture.create("a.git", PLAIN);
    repository.import("main", 40, 1).unwrap();
    let tip = id(&repository, "main");
    repository.import("main", 1, 2).unwrap();
    fixture.see("a.git").await.unwrap();
    for file in files(&repository.path().join("objects/pack")) {
        fs::remove_file(repository.path().join("objects/pack").join(file)).unwrap();
    }
    let told = missing(fixture.see("a.git").await);
    // What git, too, comes to from the refs.
    let lost = repository.git(&["rev-list", "--objects", "--all", "--missing=print"]).unwrap();
    let others = lost.lines().filter(|line| line.starts_with('?')).count() - 1;
    let begin =
        format!("HEAD: the commit {tip} is missing; {others} more objects are missing, such as the tree ");
    assert!(others > 1 && told.starts_with(&begin), "{told}: {lost}");
}

/// All are counted and some named, each with what reaches it; what nothing reaches is none of them.
#[tokio::test]
async fn of_several_missing_objects_all_are_counted() {
    for memory in [GitSettings::MEMORY, 0] {
        let fixture = Fixture::with(|settings| settings.memory = memory);
        let repository = fixture.create("a.git", PLAIN);
        for (branch, seed) in [("main", 1), ("other", 2), ("gone", 3)] {
            repository.import(branch, 3, seed).unwrap();
        }
        let [tree, blob, unreached] =
            ["main:001", "other:001/2-1-0.txt", "gone:001/3-1-0.txt"].map(|name| id(&repository, name));
        repository.git(&["update-ref", "-d", "refs/heads/gone"]).unwrap();
        lose(&repository, &unreached);
        lose(&repository, &blob);
        let alone = format!("refs/heads/other: the blob {blob} is missing (001/2-1-0.txt)");
        assert_eq!(missing(fixture.see("a.git").await), alone);
        lose(&repository, &tree);
        let others = format!("; 1 more object is missing: the blob {blob} (refs/heads/other)");
        let told = format!("HEAD: the tree {tree} is missing (001){others}");
        assert_eq!(missing(fixture.see("a.git").await), told);
        // Refs whose own objects are missing are told before anything is walked.
        let nothing = |digit: &str| digit.repeat(40);
        for (name, digit) in [("a", "1"), ("b", "2")] {
            fs::write(repository.path().join("refs/heads").join(name), nothing(digit) + "\n").unwrap();
        }
        let (one, two) = (nothing("1"), nothing("2"));
        let told = format!(
            "refs/heads/a: its object {one} is missing; at least 1 more object is missing, such as the commit {two} (refs/heads/b)"
        );
        assert_eq!(missing(fixture.see("a.git").await), told);
    }
}

/// An object that is missing in a pack: repacked from a repository that knew a wrong boundary.
#[tokio::test]
async fn objects_in_packs_are_looked_into() {
    for memory in [GitSettings::MEMORY, 0] {
        let fixture = Fixture::with(|settings| settings.memory = memory);
        let repository = fixture.create("a.git", PLAIN);
        repository.import("main", 12, 1).unwrap();
        let lost = id(&repository, "main~5:006/1-6-1.txt");
        // Pack everything but one blob.
        let all = repository.git(&["rev-list", "--objects", "--all"]).unwrap();
        let rest: Vec<_> =
            all.lines().filter(|line| !line.starts_with(&lost)).flat_map(|line| [line, "\n"]).collect();
        let input = fixture.outer.path().join("list");
        fs::write(&input, rest.concat()).unwrap();
        let mut pack = repository.command();
        pack.args(["pack-objects", "-q", "objects/pack/pack"]).stdin(fs::File::open(input).unwrap());
        assert!(pack.output().unwrap().status.success());
        fixture.see("a.git").await.unwrap();
        repository.git(&["prune-packed", "-q"]).unwrap();
        lose(&repository, &lost);
        assert!(!fsck(&repository));
        assert_eq!(
            missing(fixture.see("a.git").await),
            format!("HEAD: the blob {lost} is missing (006/1-6-1.txt)")
        );
    }
}

/// Git prunes objects that nothing reaches one by one.
#[tokio::test]
async fn what_nothing_reaches_may_be_incomplete() {
    let fixture = Fixture::new();
    let repository = fixture.create("a.git", PLAIN);
    repository.import("main", 3, 1).unwrap();
    repository.import("gone", 3, 2).unwrap();
    let id = id(&repository, "gone:001/2-1-0.txt");
    repository.git(&["update-ref", "-d", "refs/heads/gone"]).unwrap();
    lose(&repository, &id);
    assert!(fsck(&repository));
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
    // The newest entry of a log keeps its object.
    fs::create_dir_all(repository.path().join("logs/refs/heads")).unwrap();
    let gone = "f21f76b804422462e79f9f99d5b14856e130ed71";
    let entry = format!("{} {gone} A <a@example.com> 1 +0000\tpush\n", "0".repeat(40));
    fs::write(repository.path().join("logs/refs/heads/main"), entry).unwrap();
    let reason = format!("logs/refs/heads/main: its object {gone} is missing");
    assert_eq!(missing(fixture.see("a.git").await), reason);
}

#[tokio::test]
async fn an_object_of_another_type_than_expected_is_reported() {
    // With no memory for ids, these are looked up in the files.
    for (is_packed, memory) in [(false, GitSettings::MEMORY), (true, GitSettings::MEMORY), (true, 0)] {
        let fixture = Fixture::with(|settings| settings.memory = memory);
        let repository = fixture.create("a.git", PLAIN);
        repository.import("main", 2, 1).unwrap();
        let blob = id(&repository, "main:000/1-0-0.txt");
        let tree = fixture.outer.path().join("tree");
        fs::write(&tree, format!("tree {blob}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n"))
            .unwrap();
        let hash = ["hash-object", "-w", "-t", "commit", "--literally", tree.to_str().unwrap()];
        let commit = repository.git(&hash).unwrap().trim().to_owned();
        fs::write(repository.path().join("refs/heads/wrong"), format!("{commit}\n")).unwrap();
        if is_packed {
            // Git itself would not pack it with what it names.
            fs::write(fixture.outer.path().join("list"), format!("{commit}\n{blob}\n")).unwrap();
            let mut pack = repository.command();
            pack.args(["pack-objects", "-q", "objects/pack/pack"]);
            let list = fs::File::open(fixture.outer.path().join("list")).unwrap();
            assert!(pack.stdin(list).output().unwrap().status.success());
            repository.git(&["prune-packed", "-q"]).unwrap();
        }
        assert!(!fsck(&repository));
        assert_eq!(
            fixture.unreadable("a.git").await,
            format!("refs/heads/wrong: the object {blob} is a blob where there has to be a tree")
        );
    }
}

/// A clone of the last commits of another repository.
fn clone(fixture: &Fixture, from: &GitRepository, to: &str, arguments: &[&str]) -> GitRepository {
    let path = fixture.root.join(to);
    let url = format!("file://{}", from.path().display());
    from.git(&["config", "uploadpack.allowFilter", "true"]).unwrap();
    let mut command = stocktake_testbed::git_command();
    command.args(["clone", "-q", "--bare"]).args(arguments).arg(url).arg(&path);
    assert!(command.status().unwrap().success());
    GitRepository::at(&path)
}

#[tokio::test]
async fn the_boundary_of_a_shallow_repository_ends_its_history() {
    let fixture = Fixture::new();
    let source = fixture.create("source.git", PLAIN);
    source.import("main", 6, 1).unwrap();
    let repository = clone(&fixture, &source, "a.git", &["--depth=2"]);
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
    let parent = id(&source, "main~2");
    // Grafts do the same.
    fs::rename(repository.path().join("shallow"), repository.path().join("info/grafts")).unwrap();
    fixture.see("a.git").await.unwrap();
    fs::remove_file(repository.path().join("info/grafts")).unwrap();
    assert_eq!(missing(fixture.see("a.git").await), format!("HEAD: the commit {parent} is missing"));
}

#[tokio::test]
async fn what_a_promisor_has_promised_may_be_missing() {
    let fixture = Fixture::new();
    let source = fixture.create("source.git", PLAIN);
    source.import("main", 6, 1).unwrap();
    source.git(&["tag", "promised", "main:000/1-0-0.txt"]).unwrap();
    for (filter, lost) in [("blob:none", "main:001/1-1-0.txt"), ("tree:0", "main^{tree}")] {
        let path = format!("{}.git", &filter[..4]);
        let repository = clone(&fixture, &source, &path, &[&format!("--filter={filter}")]);
        assert!(!loose(&repository, &id(&source, lost)).exists());
        assert_eq!(sha256(&fixture.see(&path).await), checksum(&repository.show_ref().unwrap()));
        // A commit made here names trees and blobs that are only promised.
        let tree = id(&source, "main^{tree}");
        let commit = repository.git(&["commit-tree", &tree, "-m", "x", "-p", "main"]).unwrap();
        let file = repository.path().join("refs/heads/local");
        fs::write(&file, &commit).unwrap();
        fixture.see(&path).await.unwrap();
        // One that nobody promised.
        let nothing = "f21f76b804422462e79f9f99d5b14856e130ed71";
        let mut hash = repository.command();
        let text = format!("tree {nothing}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n");
        fs::write(fixture.outer.path().join("commit"), text).unwrap();
        let input = fs::File::open(fixture.outer.path().join("commit")).unwrap();
        let made = hash.args(["hash-object", "-w", "-t", "commit", "--stdin"]).stdin(input).output().unwrap();
        fs::write(&file, made.stdout).unwrap();
        let reason = format!("refs/heads/local: the tree {nothing} is missing");
        assert_eq!(missing(fixture.see(&path).await), reason);
    }
}

#[tokio::test]
async fn objects_of_a_pool_are_looked_up_by_each_fork_and_swept_once() {
    let fixture = Fixture::new();
    let pool = fixture.create("pool.git", PLAIN);
    pool.import("main", 400, 1).unwrap();
    pool.import("loose", 2, 2).unwrap();
    let mut bytes = Vec::new();
    for number in 0..3 {
        let path = format!("{number}.git");
        let fork = fixture.create(&path, PLAIN);
        fs::create_dir_all(fork.path().join("objects/info")).unwrap();
        fs::write(fork.path().join("objects/info/alternates"), "../../pool.git/objects\n").unwrap();
        for name in ["main", "loose"] {
            fs::write(fork.path().join("refs/heads").join(name), id(&pool, name)).unwrap();
        }
        fork.import("main", 1, 10 + number).unwrap();
        let seen = fixture.see(&path).await;
        assert_eq!(sha256(&seen), checksum(&fork.show_ref().unwrap()));
        bytes.push(seen.unwrap().bytes_read);
    }
    assert!(bytes[0] > bytes[1] + 50_000, "{bytes:?}");
    // One that was pruned from the pool.
    let lost = id(&pool, "loose:001/2-1-0.txt");
    lose(&pool, &lost);
    let reason = format!("refs/heads/loose: the blob {lost} is missing (001/2-1-0.txt)");
    assert_eq!(missing(fixture.see("1.git").await), reason);
}
