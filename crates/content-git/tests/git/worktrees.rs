//! Objects that only linked worktrees or the index keep, which `git fsck` looks at as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stocktake_testbed::{GitFormat, GitRepository, git_command, git_reads_reftables};

use crate::support::{Fixture, PLAIN, checksum, loose, missing, overwrite, sha256};

/// Runs git in a worktree.
fn git(worktree: &Path, arguments: &[&str]) -> String {
    let output = git_command().arg("-C").arg(worktree).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A worktree with a commit that no ref reaches, and with two staged files, one in a folder.
fn add_worktree(fixture: &Fixture, repository: &GitRepository, settings: &[&str]) -> PathBuf {
    let path = fixture.outer.path().join(repository.path().file_stem().unwrap());
    repository.git(&["worktree", "add", "-q", "--detach", path.to_str().unwrap(), "main"]).unwrap();
    let set: Vec<_> = settings.iter().flat_map(|setting| ["-c", setting]).collect();
    fs::create_dir(path.join("folder")).unwrap();
    for name in ["committed", "folder/committed"] {
        fs::write(path.join(name), format!("{name} by {settings:?}")).unwrap();
    }
    git(&path, &[&set[..], &["add", "."]].concat());
    git(&path, &[&set[..], &["commit", "-q", "-m", "of the worktree"]].concat());
    for name in ["staged", "folder/staged"] {
        fs::write(path.join(name), format!("{name} by {settings:?}")).unwrap();
    }
    git(&path, &[&set[..], &["add", "."]].concat());
    path
}

fn is_good_for_git(repository: &GitRepository) -> bool {
    let output = repository.command().args(["fsck", "--full", "--strict"]).output().unwrap();
    output.status.success()
}

/// Takes the object away, looks, and puts it back.
async fn without(fixture: &Fixture, repository: &GitRepository, id: &str) -> String {
    let file = loose(repository, id);
    let aside = fixture.outer.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    assert!(!is_good_for_git(repository), "{id}");
    let path = repository.path().file_name().unwrap().to_str().unwrap();
    let what = missing(fixture.see(path).await);
    fs::rename(aside, file).unwrap();
    what
}

#[tokio::test]
async fn what_a_worktree_has_checked_out_or_staged_is_looked_up() {
    let fixture = Fixture::new();
    for (number, (sha256_ids, reftable, settings)) in [
        (false, false, &["index.version=2"][..]),
        (true, false, &["index.version=4"]),
        (false, true, &["index.skipHash=true"]),
        (false, false, &["core.splitIndex=true", "splitIndex.maxPercentChange=100"]),
    ]
    .into_iter()
    .enumerate()
    {
        if reftable && !git_reads_reftables() {
            continue;
        }
        let name = format!("{number}.git");
        let repository = fixture.create(&name, GitFormat { sha256: sha256_ids, reftable });
        repository.import("main", 3, 1).unwrap();
        let worktree = add_worktree(&fixture, &repository, settings);
        assert!(is_good_for_git(&repository));
        let seen = fixture.see(&name).await;
        assert_eq!(sha256(&seen), checksum(&repository.show_ref().unwrap()), "{seen:?}");
        let admin = format!("worktrees/{number}");
        let id = |name: &str| git(&worktree, &["rev-parse", name]);
        let index = format!("{admin}/index");
        for name in ["staged", "folder/staged"] {
            let id = id(&format!(":{name}"));
            let what = without(&fixture, &repository, &id).await;
            // A shared index is a file of its own.
            let is_told = what.ends_with(&format!(": the blob {id} is missing ({name})"))
                && what.starts_with(&admin)
                && what.contains("index");
            assert!(is_told, "{what}");
        }
        let commit = id("HEAD");
        let what = without(&fixture, &repository, &commit).await;
        let of_worktree = [format!("{admin}/HEAD"), format!("{admin}/logs/HEAD")];
        assert!(
            of_worktree.iter().any(|name| what == format!("{name}: its object {commit} is missing")),
            "{what}"
        );
        let tree = id("HEAD^{tree}");
        let what = without(&fixture, &repository, &tree).await;
        assert!(what.contains(&tree), "{what}");
        // The tree of a folder without changes is noted in the index.
        git(&worktree, &["rm", "-q", "--cached", "staged", "folder/staged"]);
        git(&worktree, &["reset", "-q"]);
        let tree = id("HEAD:folder");
        assert!(without(&fixture, &repository, &tree).await.contains(&tree));
        assert!(repository.path().join(&index).exists());
        fixture.see(&name).await.unwrap();
        // A worktree without this file is none for git.
        let gitdir = repository.path().join(&admin).join("gitdir");
        overwrite(&gitdir, b"");
        fs::remove_file(loose(&repository, &commit)).unwrap();
        assert_eq!(is_good_for_git(&repository), fixture.see(&name).await.is_ok());
    }
}

#[tokio::test]
async fn a_damaged_worktree_is_reported() {
    let fixture = Fixture::new();
    let repository = fixture.create("a.git", PLAIN);
    repository.import("main", 3, 1).unwrap();
    add_worktree(&fixture, &repository, &[]);
    fixture.see("a.git").await.unwrap();
    for (file, content, reason) in [
        ("HEAD", &b""[..], "the ref is empty"),
        ("HEAD", b"ref: refs/remotes/x\n", "it names no branch"),
        ("HEAD", b"0000000000000000000000000000000000000000\n", "neither an object id nor the name of a ref"),
        ("commondir", b"", "it names another folder"),
        ("index", b"", "too short to be whole"),
        ("index", &[1; 100], "its content is not what the checksum at its end says"),
        ("index", &[0; 100], "not an index of a known version"),
    ] {
        let path = repository.path().join("worktrees/a").join(file);
        let before = fs::read(&path).unwrap();
        overwrite(&path, content);
        assert!(!is_good_for_git(&repository), "{file} {reason}");
        assert_eq!(fixture.unreadable("a.git").await, format!("worktrees/a/{file}: {reason}"));
        overwrite(&path, &before);
    }
    // Git reads this only in the worktree itself, which is none any more.
    overwrite(&repository.path().join("worktrees/a/commondir"), b"../.. \n");
    assert_eq!(fixture.unreadable("a.git").await, "worktrees/a/commondir: it names another folder");
    overwrite(&repository.path().join("worktrees/a/commondir"), b"../..\r\n");
    fixture.see("a.git").await.unwrap();
    fs::remove_file(repository.path().join("worktrees/a/HEAD")).unwrap();
    assert!(!is_good_for_git(&repository));
    assert_eq!(fixture.unreadable("a.git").await, "worktrees/a/HEAD: is not there");
}

/// The index of a repository that is no bare one, or was none.
#[tokio::test]
async fn sides_of_conflicts_that_were_resolved_are_kept() {
    let fixture = Fixture::new();
    let worktree = fixture.root.join("plain");
    assert!(Command::new("mkdir").arg(&worktree).status().unwrap().success());
    git(&worktree, &["init", "-q", "-b", "main"]);
    let commit = |text: &str| {
        fs::write(worktree.join("file"), text).unwrap();
        git(&worktree, &["add", "."]);
        git(&worktree, &["commit", "-q", "-m", text]);
    };
    commit("base");
    git(&worktree, &["checkout", "-q", "-b", "other"]);
    commit("theirs");
    let theirs = git(&worktree, &["rev-parse", "HEAD:file"]);
    git(&worktree, &["checkout", "-q", "main"]);
    commit("ours");
    let merge = git_command().arg("-C").arg(&worktree).args(["merge", "other"]).output().unwrap();
    assert!(!merge.status.success());
    fs::write(worktree.join("file"), "resolved").unwrap();
    git(&worktree, &["add", "."]);
    // Only the index knows the other side now.
    git(&worktree, &["branch", "-q", "-D", "other"]);
    fs::remove_dir_all(worktree.join(".git/logs")).unwrap();
    let repository = GitRepository::at(&worktree.join(".git"));
    assert!(is_good_for_git(&repository));
    fixture.see("plain/.git").await.unwrap();
    fs::remove_file(loose(&repository, &theirs)).unwrap();
    assert!(!is_good_for_git(&repository));
    let what = missing(fixture.see("plain/.git").await);
    assert_eq!(what, format!("index: the blob {theirs} is missing (file)"));
}

#[tokio::test]
async fn a_branch_is_a_commit() {
    let fixture = Fixture::new();
    for is_packed in [false, true] {
        let repository = fixture.create(&format!("{is_packed}.git"), PLAIN);
        repository.import("main", 3, 1).unwrap();
        if is_packed {
            repository.git(&["repack", "-q", "-a", "-d"]).unwrap();
        }
        let tree = repository.git(&["rev-parse", "main^{tree}"]).unwrap();
        fs::write(repository.path().join("refs/heads/wrong"), &tree).unwrap();
        assert!(!is_good_for_git(&repository));
        let reason =
            format!("refs/heads/wrong: the object {} is a tree where there has to be a commit", tree.trim());
        assert_eq!(fixture.unreadable(&format!("{is_packed}.git")).await, reason);
    }
}
