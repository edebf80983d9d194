//! Tests of listing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

const LIST: Action = Action::List { size: None, modified_at: None };

fn walk(root: &Path, base: &'static str) -> Walk {
    Walk { root: root.to_owned(), base: base.into(), thread: "list" }
}

/// Lists folders and enters them.
fn folders(entry: &Entry<'_>) -> Vec<Action> {
    if entry.is_folder() { vec![Action::Enter, LIST] } else { Vec::new() }
}

async fn collect(walk: Walk) -> Vec<Result<String, String>> {
    let listed = list(walk, folders).map(|listed| match listed {
        Ok(found) => Ok(found.path),
        Err(error) => Err(error.to_string()),
    });
    listed.collect().await
}

#[tokio::test]
async fn an_entry_can_be_listed_and_entered_and_each_sorts_by_its_paths() {
    let root = tempfile::tempdir().unwrap();
    for path in ["base/a/b", "base/a-b", "base/a0", "other"] {
        fs::create_dir_all(root.path().join(path)).unwrap();
    }
    symlink("a0", root.path().join("base/link")).unwrap();
    fs::write(root.path().join("base/file"), "").unwrap();
    let expected = ["a", "a-b", "a/b", "a0"].map(|path| Ok(path.to_owned()));
    assert_eq!(collect(walk(root.path(), "base")).await, expected);
    let all = ["base", "base/a", "base/a-b", "base/a/b", "base/a0", "other"];
    assert_eq!(collect(walk(root.path(), "")).await, all.map(|path| Ok(path.to_owned())));
}

#[tokio::test]
async fn what_is_left_out_is_told_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    for name in [&b"a\xff"[..], b"a\xff-"] {
        fs::create_dir(root.path().join(OsStr::from_bytes(name))).unwrap();
    }
    let reason = "unwanted".to_owned();
    let skipped = |path: &str| Err(ListError::Skipped { path: path.to_owned(), reason: reason.clone() });
    let skip = |_: &Entry<'_>| Some(Action::Skip("unwanted".to_owned()));
    let seen: Vec<_> = list(walk(root.path(), ""), skip).collect().await;
    assert_eq!(seen, [skipped("a\\xff"), skipped("a\\xff-")]);
    let reason = Errno::ACCESS.to_string();
    let unlisted =
        |folder: &str| Err(ListError::Unlisted { folder: folder.to_owned(), reason: reason.clone() });
    let skip = |_: &Entry<'_>| Some(Action::SkipFolder(Errno::ACCESS));
    let seen: Vec<_> = list(walk(root.path(), ""), skip).collect().await;
    assert_eq!(seen, [unlisted("a\\xff-/"), unlisted("a\\xff/")]);
    // A process without descriptors says nothing of a folder.
    let skip = |_: &Entry<'_>| Some(Action::SkipFolder(Errno::MFILE));
    let seen: Vec<_> = list(walk(root.path(), ""), skip).collect().await;
    assert!(matches!(&seen[..], [Err(ListError::Broken(_))]), "{seen:?}");
}

#[tokio::test]
async fn a_missing_folder_breaks_the_listing_and_is_named() {
    let root = tempfile::tempdir().unwrap();
    let reason = "No such file or directory (os error 2)";
    let base = root.path().join("base");
    let expected = Err(format!("storage folder {}: {reason}", base.display()));
    assert_eq!(collect(walk(root.path(), "base")).await, [expected]);
    let expected = Err(format!("storage root {}: {reason}", base.display()));
    assert_eq!(collect(walk(&base, "")).await, [expected]);
}

#[tokio::test]
async fn what_is_below_an_entry_can_be_opened() {
    let root = tempfile::tempdir().unwrap();
    for path in ["base/a/b/mark", "base/c"] {
        fs::create_dir_all(root.path().join(path)).unwrap();
    }
    let marked = list(walk(root.path(), "base"), |entry| {
        let mark = entry.open("mark", OFlags::PATH, Links::Refuse);
        Some(if mark.is_ok() { LIST } else { Action::Enter })
    });
    let paths: Vec<_> = marked.map(|found| found.unwrap().path).collect().await;
    assert_eq!(paths, ["a/b"]);
}

#[test]
fn the_walk_ends_when_the_stream_is_dropped() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..CHUNK {
        fs::create_dir(root.path().join(number.to_string())).unwrap();
    }
    let (sender, receiver) = mpsc::channel(CHUNKS);
    drop(receiver);
    let mut walker = Walker { walk: walk(root.path(), ""), select: folders, sender, chunk: Vec::new() };
    assert!(walker.list_all().is_err());
}

#[test]
fn a_storage_that_vanishes_while_it_is_listed_is_not_an_empty_one() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("root");
    fs::create_dir(&path).unwrap();
    let root = Root::open(&path).unwrap();
    let (sender, mut receiver) = mpsc::channel(CHUNKS);
    let mut walker = Walker { walk: walk(&path, ""), select: folders, sender, chunk: Vec::new() };
    assert!(matches!(walker.enter(&root, "vanished"), Ok(None)));
    fs::remove_dir(&path).unwrap();
    assert!(walker.enter(&root, "folder").is_err());
    let broken = format!("storage root {}: it has vanished while it was listed", path.display());
    assert_eq!(receiver.try_recv().unwrap(), [Err(ListError::Broken(broken))]);
}
