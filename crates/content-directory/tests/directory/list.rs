//! Listings of the files below a folder.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::StreamExt;
use proptest::prelude::*;
use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use stocktake_domain::ports::{ContentStore, Found, ListError};
use stocktake_domain::{ContentError, Timestamp};

use crate::support::{Fixture, SHA256, observation, store};

async fn list(root: &Path) -> Vec<Result<Found, ListError>> {
    store(root, 1, None).list().collect().await
}

/// The paths of a listing without errors.
async fn paths(root: &Path) -> Vec<String> {
    list(root).await.into_iter().map(|found| found.unwrap().path).collect()
}

#[tokio::test]
async fn files_with_their_size_and_time() {
    let fixture = Fixture::new();
    fixture.write("a/file", b"12345");
    let time = UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
    fs::File::options().write(true).open(fixture.root.join("a/file")).unwrap().set_modified(time).unwrap();
    let found = Found {
        path: "a/file".to_owned(),
        size: Some(5),
        modified_at: Some(Timestamp::from_millis(1_700_000_000_123)),
    };
    assert_eq!(list(&fixture.root).await, [Ok(found)]);
}

#[tokio::test]
async fn a_folder_sorts_where_its_content_does() {
    let fixture = Fixture::new();
    let sorted = ["a-b", "a-b-/x", "a.b", "a/x-/z", "a/x.", "a/x/y", "a0", "a0-", "b", "ä", "\u{1f600}/z"];
    for path in sorted.iter().rev() {
        fixture.write(path, b"");
    }
    fs::create_dir(fixture.root.join("empty")).unwrap();
    assert_eq!(paths(&fixture.root).await, sorted);
}

#[tokio::test]
async fn only_regular_files_inside_the_root_are_listed() {
    let fixture = Fixture::new();
    fixture.write("good/file", b"");
    fs::write(fixture.outer.path().join("secret"), "").unwrap();
    symlink("../secret", fixture.root.join("link")).unwrap();
    symlink("..", fixture.root.join("up")).unwrap();
    symlink("good", fixture.root.join("inside")).unwrap();
    let _socket = UnixListener::bind(fixture.root.join("socket")).unwrap();
    let listed: Vec<String> = list(&fixture.root)
        .await
        .into_iter()
        .map(|item| match item {
            Ok(Found { path, .. }) => path,
            Err(error) => error.to_string(),
        })
        .collect();
    let is_none = |path: &str, what: &str| format!("{path}: {what} is no content");
    assert_eq!(
        listed,
        [
            "good/file".to_owned(),
            is_none("inside", "symbolic link"),
            is_none("link", "symbolic link"),
            is_none("socket", "socket"),
            is_none("up", "symbolic link"),
        ]
    );
}

#[tokio::test]
async fn a_file_is_measured_as_it_is_now() {
    let fixture = Fixture::new();
    fixture.write("file", b"four");
    let found = list(&fixture.root).await;
    let [Ok(found)] = found.as_slice() else { panic!("{found:?}") };
    let extent = fixture.store.measure("file").await.unwrap();
    assert_eq!((Some(extent.size), extent.modified_at), (found.size, found.modified_at));
    fixture.write("file", b"and more");
    assert_eq!(fixture.store.measure("file").await.unwrap().size, 8);
    for path in ["none", "../file", "."] {
        assert_eq!(fixture.store.measure(path).await, None, "{path}");
    }
}

#[tokio::test]
async fn names_that_are_not_utf8_are_listed_and_can_be_read() {
    let fixture = Fixture::new();
    let names = [&b"a"[..], b"f\xff", b"g\xff/below", b"h\\xff", b"\xff"];
    for name in names {
        let path = fixture.root.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let paths = paths(&fixture.root).await;
    assert_eq!(paths, ["\\xff", "a", "f\\xff", "g\\xff/below", "h\\x5cxff"]);
    let asked: Vec<&str> = paths.iter().map(String::as_str).collect();
    let seen = fixture.inspect(&asked).await;
    let expected = [4, 0, 1, 2, 3].map(|index: usize| Ok(observation(names[index], SHA256)));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_path_longer_than_a_system_call_takes_is_listed_and_can_be_read() {
    let fixture = Fixture::new();
    let name = "n".repeat(200);
    let mut folder = open(&fixture.root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..45 {
        mkdirat(&folder, &name, Mode::RWXU).unwrap();
        folder = openat(&folder, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let file = openat(&folder, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
    rustix::io::write(&file, b"deep").unwrap();
    let path = format!("{}file", format!("{name}/").repeat(45));
    assert_eq!(paths(&fixture.root).await, [path.as_str()]);
    assert_eq!(fixture.inspect(&[&path]).await, [Ok(observation(b"deep", SHA256))]);
    let missing = fixture.inspect(&[&format!("{path}s")]).await;
    assert!(matches!(&missing[..], [Err(ContentError::MissingFile { at })] if at.ends_with("/files")));
}

#[tokio::test]
async fn a_missing_root_breaks_the_listing() {
    let fixture = Fixture::new();
    let none = fixture.root.join("none");
    let reason = format!("storage root {}: No such file or directory (os error 2)", none.display());
    assert_eq!(list(&none).await, [Err(ListError::Broken(reason))]);
}

#[tokio::test]
async fn more_files_than_a_chunk_and_a_deep_tree() {
    let fixture = Fixture::new();
    let mut expected: Vec<_> = (0..600).map(|number| format!("a/{number:05}")).collect();
    let mut deep = "b/".repeat(400);
    deep.push('c');
    expected.push(deep.clone());
    for path in &expected {
        fixture.write(path, b"");
    }
    assert_eq!(paths(&fixture.root).await, expected);
}

#[tokio::test]
async fn a_stream_can_be_dropped_before_its_end() {
    let fixture = Fixture::new();
    for number in 0..1_500 {
        fixture.write(&format!("{number:05}"), b"");
    }
    let first = store(&fixture.root, 1, None).list().next().await.unwrap().unwrap();
    assert_eq!(first.path, "00000");
    assert_eq!(paths(&fixture.root).await.len(), 1_500);
}

/// Folders that appear and vanish are listed or not, and are no error.
#[tokio::test]
async fn what_vanishes_is_ignored() {
    let fixture = Fixture::new();
    fixture.write("a/file", b"");
    fixture.write("z/file", b"");
    let root = fixture.root.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let coming_and_going = thread::spawn(move || {
        while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            fs::create_dir_all(root.join("m/n")).unwrap();
            fs::write(root.join("m/n/file"), "").unwrap();
            fs::remove_dir_all(root.join("m")).unwrap();
        }
    });
    for _ in 0..300 {
        let paths = paths(&fixture.root).await;
        let stable: Vec<_> = paths.iter().filter(|path| *path != "m/n/file").collect();
        assert_eq!(stable, ["a/file", "z/file"]);
    }
    drop(stop);
    coming_and_going.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any paths are listed in the order of their bytes, each once.
    #[test]
    fn paths_come_in_the_order_of_their_bytes(
        wanted in prop::collection::btree_set("[-a.0/é]{1,2}(/[-a.0 ]{1,3}){0,3}", 1..24)
    ) {
        let fixture = Fixture::new();
        let made: BTreeSet<String> = wanted
            .into_iter()
            .map(|path| format!("x{path}"))
            .filter(|path| path.split('/').all(|name| !matches!(name, "" | "." | "..")))
            .filter(|path| {
                let file = fixture.root.join(path);
                // A file cannot have the path of a folder, nor be below another file.
                fs::create_dir_all(file.parent().unwrap()).and_then(|()| fs::write(file, "")).is_ok()
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let listed = runtime.block_on(paths(&fixture.root));
        prop_assert_eq!(listed, made.into_iter().collect::<Vec<_>>());
    }
}
