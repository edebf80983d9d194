//! The checksum is over the refs that git shows.

use std::fs;

use md5::Md5;
use sha2::Digest as _;
use stocktake_domain::{Emptied, Evidence, Model};
use stocktake_testbed::GitFormat;

use crate::support::{ALL, Fixture, PLAIN, SHA256, checksum, inspect, piece, see, sha256, unreadable};

#[tokio::test]
async fn refs_are_those_that_git_shows() {
    let fixture = Fixture::new();
    for sha256_ids in [false, true] {
        let path = format!("{sha256_ids}.git");
        let repository = fixture.fill(&path, GitFormat { sha256: sha256_ids, reftable: false });
        repository.git(&["symbolic-ref", "refs/heads/link", "refs/heads/packed"]).unwrap();
        repository.git(&["symbolic-ref", "refs/heads/to-nothing", "refs/heads/nothing"]).unwrap();
        repository.git(&["update-ref", "refs/pipelines/1", "refs/tags/v1"]).unwrap();
        let shown = repository.show_ref().unwrap();
        assert_eq!(shown.lines().count(), 8, "{shown}");
        let seen = fixture.see(&path).await;
        assert_eq!(sha256(&seen), checksum(&shown));
        let seen = seen.unwrap();
        assert_eq!((seen.evidence, seen.stored.size), (Evidence::Content, None));
        assert_eq!(seen.stored.digests.md5, Some(Md5::digest(&shown).into()));
        assert!(seen.bytes_read > 1_000);
        let refs_only = see(&fixture.refs_only(), &path).await.unwrap();
        assert_eq!(refs_only.stored, seen.stored);
        assert!(refs_only.bytes_read < seen.bytes_read);
    }
}

#[tokio::test]
async fn gitalys_checksum_is_the_exclusive_or_of_the_lines() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    repository.git(&["update-ref", "refs/pipelines/1", "refs/tags/v1"]).unwrap();
    repository.git(&["update-ref", "refs/keep-around/x", "refs/tags/v1"]).unwrap();
    let mut expected = [0; 20];
    for line in repository.show_ref().unwrap().lines().filter(|line| !line.contains("refs/pipelines")) {
        for (byte, other) in expected.iter_mut().zip(sha1::Sha1::digest(line)) {
            *byte ^= other;
        }
    }
    assert_eq!(fixture.see("a.git").await.unwrap().stored.digests.gitaly, Some(expected));
}

#[tokio::test]
async fn empty_never_created_missing_and_damaged_repositories_are_distinguished() {
    let fixture = Fixture::new();
    fixture.create("empty.git", PLAIN);
    fs::create_dir_all(fixture.root.join("folder.git/objects")).unwrap();
    fs::write(fixture.root.join("file.git"), "").unwrap();
    let empty = fixture.see("empty.git").await.unwrap().stored.digests;
    assert_eq!(empty.sha256, Some(checksum("")));
    assert_eq!(empty.gitaly, Some([0; 20]));
    for model in Model::ALL {
        let asked = ["nothing.git", "empty.git/x.git", "no/thing.git"];
        let asked = asked.map(|path| stocktake_domain::ports::Inspection::new(model, path, ALL));
        for seen in inspect(&fixture.store, asked.into()).await {
            if model.may_be_absent() {
                assert_eq!(seen.unwrap().stored.digests, empty);
            } else {
                assert_eq!(seen.unwrap_err(), stocktake_domain::ContentError::MissingRepository);
            }
        }
    }
    assert_eq!(fixture.unreadable("folder.git").await, "folder.git: not a git repository: it has no HEAD");
    assert_eq!(fixture.unreadable("file.git").await, "file.git: not a git repository: it is no folder");
}

#[tokio::test]
async fn a_damaged_ref_is_reported_and_never_ignored() {
    let hex = "f21f76b804422462e79f9f99d5b14856e130ed71";
    for (file, content, reason) in [
        ("refs/heads/feature/one", "", "refs/heads/feature/one: the ref is empty"),
        ("refs/heads/a", "garbage\n", "refs/heads/a: neither an object id nor the name of a ref"),
        ("refs/heads/a", &"0".repeat(40), "refs/heads/a: neither an object id nor the name of a ref"),
        ("refs/heads/a", "ref: refs/heads/a\n", "refs/heads/a: too many symbolic refs behind each other"),
        ("refs/heads/a..b", hex, "refs/heads/a..b: not a valid name of a ref"),
        ("HEAD", "", "HEAD: the ref is empty"),
        ("HEAD", "ref: refs/heads/\n", "HEAD: neither an object id nor the name of a ref"),
        ("packed-refs", "garbage", "packed-refs: line 1: has no end"),
        ("packed-refs", "# other\n", "packed-refs: line 1: not the header of such a file"),
        ("packed-refs", "f21f refs/heads/a\n", "packed-refs: line 1: not a ref"),
        ("packed-refs", &format!("{hex} heads/a\n"), "packed-refs: line 1: not a valid name of a ref"),
        (
            "packed-refs",
            &format!("# pack-refs with: peeled sorted \n{hex} refs/heads/b\n{hex} refs/heads/a\n"),
            "packed-refs: line 3: not in the order of the names",
        ),
        (
            "packed-refs",
            &format!("{hex} refs/heads/b\n{hex} refs/heads/a\n{hex} refs/heads/b\n"),
            "packed-refs: the same ref twice",
        ),
        ("packed-refs", "", "packed-refs: it is empty"),
        ("HEAD", "ref: refs/he.ds/main\n", "HEAD: it names no branch"),
        ("shallow", "zzz\n", "shallow: line 1: no object id"),
        ("info/grafts", &format!("# why\n\n{hex} x\n"), "info/grafts: line 3: no object id"),
        ("config", "[core\n\tbare = true\n", "config: line 1: not a line of a configuration"),
        ("config", "\0\0\0", "config: line 1: not a line of a configuration"),
        (
            "config",
            "[extensions]\nobjectformat = sha256\n",
            "config: extension objectformat in a repository of format version 0",
        ),
        ("packed-refs", &format!("{hex} refs/heads/b\n^{hex}0\n"), "packed-refs: line 2: no object id"),
        ("config", "[core]\nrepositoryformatversion = 9\n", "config: unknown repository format version 9"),
    ] {
        let fixture = Fixture::new();
        let repository = fixture.fill("a.git", PLAIN);
        fs::create_dir_all(repository.path().join("info")).unwrap();
        fs::write(repository.path().join(file), content).unwrap();
        assert_eq!(unreadable(see(&fixture.refs_only(), "a.git").await), reason);
        assert_eq!(fixture.unreadable("a.git").await, reason);
    }
}

/// Git reads it without complaint, although it does not write it so any more.
#[tokio::test]
async fn packed_refs_of_other_programs_are_read() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    repository.git(&["pack-refs", "--all"]).unwrap();
    let before = fixture.see("a.git").await.unwrap().stored;
    let file = repository.path().join("packed-refs");
    let packed = fs::read_to_string(&file).unwrap();
    let mut refs: Vec<String> = Vec::new();
    for line in packed.lines().skip(1) {
        match refs.last_mut() {
            Some(last) if line.starts_with('^') => *last = format!("{last}\n{line}"),
            _ => refs.push(line.to_owned()),
        }
    }
    let text = |refs: &[String], header: &str| format!("{header}{}\n", refs.join("\n"));
    let reversed: Vec<_> = refs.iter().rev().cloned().collect();
    let upper: Vec<_> = refs
        .iter()
        .map(|lines| {
            let (id, rest) = lines.split_at(40);
            format!("{}{}", id.to_uppercase(), rest.replacen(' ', "\t", 1))
        })
        .collect();
    for content in [
        text(&refs, ""),
        text(&reversed, ""),
        text(&reversed, "# pack-refs with: peeled fully-peeled \n"),
        text(&upper, "# pack-refs with: peeled fully-peeled sorted \n"),
    ] {
        fs::write(&file, &content).unwrap();
        assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
        assert_eq!(fixture.see("a.git").await.unwrap().stored, before, "{content}");
    }
}

#[tokio::test]
async fn lost_refs_are_told_and_an_empty_repository_is_not() {
    let fixture = Fixture::new();
    fixture.create("empty.git", PLAIN);
    assert_eq!(fixture.see("empty.git").await.unwrap().emptied, None);
    for reftable in [false, true] {
        let path = format!("{reftable}.git");
        let repository = fixture.fill(&path, GitFormat { sha256: false, reftable });
        assert_eq!(fixture.see(&path).await.unwrap().emptied, None);
        let refs = repository.git(&["for-each-ref", "--format=delete %(refname)"]).unwrap();
        fs::write(repository.path().join("gone"), refs).unwrap();
        let mut delete = repository.command();
        delete.args(["update-ref", "--stdin"]);
        let input = fs::File::open(repository.path().join("gone")).unwrap();
        assert!(delete.stdin(input).status().unwrap().success());
        assert_eq!(fixture.see(&path).await.unwrap().emptied, Some(Emptied::Refs));
        assert_eq!(see(&fixture.refs_only(), &path).await.unwrap().emptied, Some(Emptied::Refs));
    }
}

#[tokio::test]
async fn what_git_ignores_is_ignored() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    let before = fixture.see("a.git").await.unwrap().stored;
    for stray in ["refs/heads/x.lock", "refs/heads/.hidden", "packed-refs.lock", "HEAD.lock"] {
        fs::write(repository.path().join(stray), "").unwrap();
    }
    fs::create_dir_all(repository.path().join("refs/heads/empty/folder")).unwrap();
    // A packed branch, with an empty folder of the same name.
    fs::create_dir_all(repository.path().join("refs/heads/packed")).unwrap();
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
    assert_eq!(fixture.see("a.git").await.unwrap().stored, before);
    fs::remove_file(repository.path().join("HEAD.lock")).unwrap();
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/packed"]).unwrap();
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/unborn"]).unwrap();
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
    repository.git(&["update-ref", "--no-deref", "HEAD", "refs/heads/packed"]).unwrap();
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
}

#[tokio::test]
async fn many_refs_with_unusual_names() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    let id = repository.git(&["rev-parse", "main"]).unwrap().trim().to_owned();
    let names =
        (0..3_000).map(|number| format!("refs/{}/{number}", ["heads/ä", "x-", "x", "x.y/z"][number % 4]));
    repository.update_refs(names.map(|name| (name, id.clone()))).unwrap();
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
    repository.git(&["pack-refs", "--all"]).unwrap();
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
    // Bytes that are not UTF-8, in a file of its own and packed.
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"refs/heads/\xff");
    fs::write(repository.path().join(name), format!("{id}\n")).unwrap();
    let loose = sha256(&fixture.see("a.git").await);
    repository.git(&["pack-refs", "--all"]).unwrap();
    assert!(!repository.path().join(name).exists());
    assert_eq!(sha256(&fixture.see("a.git").await), loose);
}

#[tokio::test]
async fn only_the_requested_digests() {
    let fixture = Fixture::new();
    fixture.fill("a.git", PLAIN);
    let asked = stocktake_domain::ports::Inspection { algorithms: SHA256, ..piece("a.git") };
    let seen = inspect(&fixture.store, vec![asked]).await.remove(0).unwrap().stored.digests;
    assert!(seen.sha256.is_some() && seen.md5.is_none() && seen.gitaly.is_none());
}
