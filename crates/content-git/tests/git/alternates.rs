//! Objects in other repositories.

use std::fs;

use stocktake_domain::ContentError;
use stocktake_domain::ports::ContentStore as _;
use stocktake_testbed::GitRepository;

use crate::support::{Fixture, PLAIN, checksum, missing, overwrite, sha256};

/// A repository without objects of its own: its refs are those of the pool.
fn fork(fixture: &Fixture, path: &str, alternate: &str) -> GitRepository {
    let repository = fixture.create(path, PLAIN);
    fs::create_dir_all(repository.path().join("objects/info")).unwrap();
    fs::write(repository.path().join("objects/info/alternates"), format!("{alternate}\n")).unwrap();
    repository
}

fn give_refs(to: &GitRepository, from: &GitRepository) {
    let refs = from.show_ref().unwrap();
    let refs = refs.lines().filter_map(|line| line.split_once(' ')).filter(|(_, name)| *name != "HEAD");
    to.update_refs(refs.map(|(id, name)| (name.to_owned(), id.to_owned()))).unwrap();
}

#[tokio::test]
async fn relative_absolute_and_nested_alternates_inside_the_root() {
    let fixture = Fixture::new();
    let pool = fixture.fill("@pools/aa/bb/pool.git", PLAIN);
    let absolute = pool.path().join("objects").display().to_string();
    for (path, alternate) in [
        ("@hashed/cc/dd/one.git", "../../../../../@pools/aa/bb/pool.git/objects"),
        ("two.git", absolute.as_str()),
        ("three.git", "# comment\n\n../../@hashed/cc/dd/one.git/objects"),
        ("four.git", "\"../../@pools/aa/bb/pool.git/objects\""),
        // A circle, which is followed once.
        ("five.git", "../../five.git/objects\n../../three.git/objects"),
    ] {
        let repository = fork(&fixture, path, alternate);
        give_refs(&repository, &pool);
        assert_eq!(sha256(&fixture.see(path).await), checksum(&repository.show_ref().unwrap()), "{path}");
        assert_eq!(fixture.store.look(path).await, Ok(()), "{path}");
    }
    // Loose objects of the pool are found too; the pool's packs are not read for a fork.
    let pool_bytes = fixture.see("@pools/aa/bb/pool.git").await.unwrap().bytes_read;
    let fork_bytes = fixture.see("two.git").await.unwrap().bytes_read;
    assert!(fork_bytes < pool_bytes, "{fork_bytes} of {pool_bytes}");
}

#[tokio::test]
async fn alternates_outside_the_root_are_never_opened() {
    let fixture = Fixture::new();
    let outside = GitRepository::create(&fixture.outer.path().join("outside.git"), PLAIN).unwrap();
    outside.import("main", 1, 1).unwrap();
    let absolute = outside.path().join("objects").display().to_string();
    let sneaky = format!("{}/../outside.git/objects", fixture.root.display());
    for alternate in ["../../../outside.git/objects", &absolute, &sneaky, "/etc"] {
        let repository = fixture.root.join("a.git");
        fs::remove_dir_all(&repository).unwrap_or_default();
        fork(&fixture, "a.git", alternate);
        match fixture.see("a.git").await {
            Err(ContentError::Invalid(reason)) => {
                assert!(reason.starts_with("objects/info/alternates: it leaves the storage: "), "{reason}");
            }
            other => panic!("{alternate}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_carriage_return_belongs_to_the_path_as_it_does_for_git() {
    let fixture = Fixture::new();
    let pool = fixture.fill("pool.git", PLAIN);
    let repository = fork(&fixture, "a.git", "../../pool.git/objects");
    give_refs(&repository, &pool);
    repository.git(&["fsck"]).unwrap();
    let file = repository.path().join("objects/info/alternates");
    fs::write(file, "../../pool.git/objects\r\n").unwrap();
    assert!(repository.git(&["fsck"]).is_err());
    let reason = "objects/info/alternates: the alternate is not there: ../../pool.git/objects\u{fffd}";
    assert_eq!(fixture.unreadable("a.git").await, reason);
    assert!(fixture.store.look("a.git").await.is_err());
    fs::create_dir(fixture.root.join("pool.git/objects\r")).unwrap();
    assert!(repository.git(&["fsck"]).is_err());
    assert!(missing(fixture.see("a.git").await).contains(" is missing"));
}

#[tokio::test]
async fn a_missing_alternate_is_reported() {
    let fixture = Fixture::new();
    let pool = fixture.fill("pool.git", PLAIN);
    let repository = fork(&fixture, "a.git", "../../pool.git/objects");
    give_refs(&repository, &pool);
    fixture.see("a.git").await.unwrap();
    fs::rename(pool.path(), fixture.root.join("moved.git")).unwrap();
    let reason = "objects/info/alternates: the alternate is not there: ../../pool.git/objects";
    assert_eq!(fixture.unreadable("a.git").await, reason);
    // A short look sees it too: what all forks of a pool lack is the storage's fault.
    let looked = fixture.store.look("a.git").await;
    let reason = "the alternate is not there: ../../pool.git/objects".to_owned();
    assert_eq!(looked, Err(ContentError::Unreadable(reason)));
    // An unusable index of the pool is named with its alternate.
    fs::rename(fixture.root.join("moved.git"), pool.path()).unwrap();
    pool.git(&["repack", "-q", "-a", "-d"]).unwrap();
    let packs = pool.path().join("objects/pack").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let index =
        packs.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "idx")).unwrap();
    overwrite(&index, b"garbage");
    let name = index.file_name().unwrap().to_str().unwrap();
    let reason = fixture.unreadable("a.git").await;
    assert!(reason.starts_with("alternate ../../pool.git/objects: "), "{reason}");
    assert!(reason.ends_with(&format!("{name}: not an index of a pack")), "{reason}");
}
