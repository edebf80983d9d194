//! Listings of the repositories below a folder.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use futures_util::StreamExt as _;
use stocktake_domain::ports::{ContentStore as _, Found, ListError, NoContent};

use crate::support::{Fixture, PLAIN};

async fn list(fixture: &Fixture) -> Vec<Result<Found, ListError>> {
    fixture.store.list().collect().await
}

#[tokio::test]
async fn repositories_in_the_order_of_their_paths() {
    let fixture = Fixture::new();
    let paths =
        ["a/x.git", "a.git", "a.wiki.git", "a-b/c/d.git", "a0.git", "@hashed/6b/86/6b86.git", "ä.git", "z"];
    for path in paths {
        fixture.create(path, PLAIN);
    }
    // Not entered.
    fixture.create("a.git/inner.git", PLAIN);
    // What is left of repositories, and what is none.
    let half = ["half.git", "half"];
    fs::create_dir_all(fixture.root.join("half.git/objects")).unwrap();
    fs::create_dir_all(fixture.root.join("half/refs")).unwrap();
    fs::write(fixture.root.join("half/HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::create_dir_all(fixture.root.join("none.git")).unwrap();
    fs::create_dir_all(fixture.root.join("none/objects")).unwrap();
    fs::write(fixture.root.join("file.git"), "").unwrap();
    let mut paths = [&paths[..], &half[..]].concat();
    paths.sort_unstable();
    let found: Vec<_> = list(&fixture).await.into_iter().map(Result::unwrap).collect();
    assert!(found.iter().map(|found| found.path.as_str()).eq(paths), "{found:?}");
    assert!(found.iter().all(|found| found.size.is_none()));
}

#[tokio::test]
async fn links_and_pipes_are_passed_over_and_told() {
    let fixture = Fixture::new();
    fixture.create("a/x.git", PLAIN);
    symlink("x.git", fixture.root.join("a/link.git")).unwrap();
    symlink("/nowhere", fixture.root.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, fixture.root.join("pipe.git"), rustix::fs::Mode::RUSR).unwrap();
    fs::write(fixture.root.join("file.git"), "").unwrap();
    // What is in a repository is git's own matter.
    symlink("HEAD", fixture.root.join("a/x.git/link")).unwrap();
    let passed_over =
        |path: &str, what| Err::<Found, _>(ListError::PassedOver { path: path.to_owned(), what });
    let found = Found { path: "a/x.git".to_owned(), size: None, modified_at: None };
    assert_eq!(
        list(&fixture).await,
        [
            passed_over("a/link.git", NoContent::Link),
            Ok(found),
            passed_over("link", NoContent::Link),
            passed_over("pipe.git", NoContent::Pipe),
        ]
    );
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_listed_and_read_and_a_missing_root_breaks_the_listing() {
    let fixture = Fixture::new();
    fixture.create("b.git", PLAIN);
    let name = std::ffi::OsStr::from_bytes(b"a\xff.git");
    fs::rename(fixture.root.join("b.git"), fixture.root.join(name)).unwrap();
    let found = Found { path: "a\\xff.git".to_owned(), size: None, modified_at: None };
    assert_eq!(list(&fixture).await, [Ok(found.clone())]);
    assert!(fixture.store.measure(&found.path).await.is_some());
    fixture.see(&found.path).await.unwrap();
    fs::remove_dir_all(&fixture.root).unwrap();
    assert!(matches!(&list(&fixture).await[..], [Err(ListError::Broken(_))]));
}
