//! What the store lists.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use futures_util::StreamExt as _;
use stocktake_domain::ports::{ContentStore as _, Found, ListError};

use crate::support::{Bench, PLAIN};

async fn list(bench: &Bench) -> Vec<Result<Found, ListError>> {
    bench.store.list().collect().await
}

#[tokio::test]
async fn repositories_in_the_order_of_their_paths() {
    let bench = Bench::new();
    let mut paths =
        ["a/x.git", "a.git", "a.wiki.git", "a-b/c/d.git", "a0.git", "@hashed/6b/86/6b86.git", "ä.git", "z"];
    for path in paths {
        bench.create(path, PLAIN);
    }
    // Not gone into.
    bench.create("a.git/inner.git", PLAIN);
    symlink("a.git", bench.root.join("link.git")).unwrap();
    fs::create_dir_all(bench.root.join("no.git/objects/refs")).unwrap();
    fs::write(bench.root.join("file.git"), "").unwrap();
    paths.sort_unstable();
    let found: Vec<_> = list(&bench).await.into_iter().map(Result::unwrap).collect();
    assert!(found.iter().map(|found| found.path.as_str()).eq(paths), "{found:?}");
    assert!(found.iter().all(|found| found.size.is_none()));
}

#[tokio::test]
async fn what_cannot_be_told_of_is_skipped_and_a_missing_root_is_no_empty_one() {
    let bench = Bench::new();
    bench.create("b.git", PLAIN);
    let name = std::ffi::OsStr::from_bytes(b"a\xff.git");
    fs::rename(bench.root.join("b.git"), bench.root.join(name)).unwrap();
    let skipped =
        ListError::Skipped { path: "a\u{fffd}.git".to_owned(), reason: "the name is not UTF-8".to_owned() };
    assert_eq!(list(&bench).await, [Err(skipped)]);
    fs::remove_dir_all(&bench.root).unwrap();
    assert!(matches!(&list(&bench).await[..], [Err(ListError::Broken(_))]));
}
