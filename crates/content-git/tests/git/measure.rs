//! The size of a repository.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use stocktake_domain::Timestamp;
use stocktake_domain::ports::ContentStore as _;

use crate::support::{Fixture, PLAIN, files};

#[tokio::test]
async fn all_files_of_a_repository_are_measured_and_nothing_else() {
    let fixture = Fixture::new();
    fixture.fill("@hashed/a.git", PLAIN);
    fixture.fill("b.git", PLAIN);
    let folder = fixture.root.join("@hashed/a.git");
    fs::create_dir_all(folder.join("refs/deep/er")).unwrap();
    fs::write(folder.join("refs/deep/er/file"), "five.").unwrap();
    let expected: u64 =
        files(&folder).iter().map(|name| fs::metadata(folder.join(name)).unwrap().len()).sum();
    fs::write(folder.join(std::ffi::OsStr::from_bytes(b"\xff")), "seven..").unwrap();
    symlink(fixture.root.join("b.git"), folder.join("refs/link")).unwrap();
    symlink(fixture.root.join("b.git/HEAD"), folder.join("link")).unwrap();
    let extent = fixture.store.measure("@hashed/a.git").await.unwrap();
    assert_eq!(extent.size, expected + 7);
    let newest = fs::File::options().write(true).open(folder.join("refs/deep/er/file")).unwrap();
    let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
    newest.set_modified(later).unwrap();
    let extent = fixture.store.measure("@hashed/a.git").await.unwrap();
    assert_eq!(extent.modified_at, Some(Timestamp::from_millis(4_000_000_000_000)));
}

#[tokio::test]
async fn only_a_folder_beneath_the_root_is_measured() {
    let fixture = Fixture::new();
    fixture.create("a.git", PLAIN);
    fs::create_dir(fixture.outer.path().join("outside")).unwrap();
    symlink("a.git", fixture.root.join("link.git")).unwrap();
    for path in ["none.git", "../outside", "link.git", "a.git/HEAD", "/tmp"] {
        assert_eq!(fixture.store.measure(path).await, None, "{path}");
    }
}
