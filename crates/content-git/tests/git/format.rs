//! What git needs to open a repository: its configuration and its `HEAD`.

use std::fs;
use std::os::unix::fs::symlink;

use stocktake_domain::ports::ContentStore as _;
use stocktake_testbed::{GitFormat, git_command};

use crate::support::{Fixture, PLAIN, checksum, sha256};

#[tokio::test]
async fn extensions_that_git_knows_are_no_fault() {
    let fixture = Fixture::new();
    for (path, sha256_ids, version) in
        [("old.git", false, Some("0")), ("new.git", false, Some("1")), ("sha256.git", true, None)]
    {
        let repository = fixture.fill(path, GitFormat { sha256: sha256_ids, reftable: false });
        if let Some(version) = version {
            repository.git(&["config", "core.repositoryFormatVersion", version]).unwrap();
        }
        repository.git(&["config", "extensions.preciousObjects", "true"]).unwrap();
        repository.git(&["config", "extensions.worktreeConfig", "true"]).unwrap();
        repository.git(&["fsck"]).unwrap();
        let shown = checksum(&repository.show_ref().unwrap());
        assert_eq!(sha256(&fixture.see(path).await), shown, "{path}");
        repository.git(&["config", "--worktree", "core.sparseCheckout", "true"]).unwrap();
        repository.git(&["config", "--worktree", "core.repositoryFormatVersion", "7"]).unwrap();
        repository.git(&["config", "--worktree", "extensions.unheardOf", "true"]).unwrap();
        repository.git(&["fsck"]).unwrap();
        assert_eq!(sha256(&fixture.see(path).await), shown, "{path}");
        for (content, reason) in [
            ("[core]\nbare = trud\n", "core.bare is neither true nor false"),
            ("[core\n", "line 1: not a line of a configuration"),
        ] {
            fs::write(repository.path().join("config.worktree"), content).unwrap();
            assert!(repository.git(&["fsck"]).is_err());
            assert_eq!(fixture.unreadable(path).await, format!("config.worktree: {reason}"));
        }
        // Git itself no longer works in the repository.
        let config = repository.path().join("config");
        let mut set = git_command();
        set.args(["config", "--file"]).arg(config).args(["extensions.worktreeConfig", "false"]);
        assert!(set.current_dir(fixture.outer.path()).status().unwrap().success());
        repository.git(&["fsck"]).unwrap();
        assert_eq!(sha256(&fixture.see(path).await), shown, "{path}");
    }
}

#[tokio::test]
async fn a_sparse_partial_clone_is_good() {
    let fixture = Fixture::new();
    let origin = fixture.fill("origin.git", PLAIN);
    origin.git(&["symbolic-ref", "HEAD", "refs/heads/main"]).unwrap();
    origin.git(&["config", "uploadpack.allowFilter", "true"]).unwrap();
    let url = format!("file://{}", origin.path().display());
    let clone = fixture.root.join("clone");
    let cloned =
        git_command().args(["clone", "-q", "--filter=blob:none", "--sparse", &url]).arg(&clone).status();
    assert!(cloned.unwrap().success());
    assert!(clone.join(".git/config.worktree").exists());
    fixture.see("clone/.git").await.unwrap();
}

#[tokio::test]
async fn a_head_that_is_a_symbolic_link_is_a_symbolic_ref() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    let head = repository.path().join("HEAD");
    let link = |target: &str| {
        fs::remove_file(&head).unwrap();
        symlink(target, &head).unwrap();
    };
    repository.git(&["pack-refs", "--all"]).unwrap();
    repository.git(&["update-ref", "refs/heads/loose", "main"]).unwrap();
    for branch in ["main", "loose", "unborn"] {
        link(&format!("refs/heads/{branch}"));
        repository.git(&["fsck"]).unwrap();
        assert_eq!(
            sha256(&fixture.see("a.git").await),
            checksum(&repository.show_ref().unwrap()),
            "{branch}"
        );
        assert_eq!(fixture.store.look("a.git").await, Ok(()), "{branch}");
    }
    // Another ref, as git reads it: to the name that it says, not to the file to which it leads.
    symlink("refs/heads/main", repository.path().join("refs/heads/alias")).unwrap();
    symlink("loose", repository.path().join("refs/heads/file")).unwrap();
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
    // What git takes for no repository.
    fs::write(repository.path().join("OTHER"), "ref: refs/heads/main\n").unwrap();
    for target in ["OTHER", "../b.git/HEAD", "/etc/passwd", "refs/tags/v1"] {
        link(target);
        assert_eq!(fixture.unreadable("a.git").await, "HEAD: it names no branch", "{target}");
    }
}
