//! Whether the objects are intact.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use stocktake_testbed::GitFormat;

use crate::support::{Fixture, PLAIN, checksum, files, missing, overwrite, see, sha256, unreadable};

fn ending<'a>(files: &'a [String], ending: &str) -> &'a str {
    files.iter().find(|file| file.ends_with(ending)).unwrap_or_else(|| panic!("{ending} in {files:?}"))
}

#[tokio::test]
async fn everything_that_git_writes_is_intact() {
    let fixture = Fixture::new();
    for sha256_ids in [false, true] {
        let path = format!("{sha256_ids}.git");
        let repository = fixture.fill(&path, GitFormat { sha256: sha256_ids, reftable: false });
        repository.git(&["repack", "-q", "--write-bitmap-index", "-a", "-d"]).unwrap();
        repository.git(&["commit-graph", "write", "--reachable", "--changed-paths"]).unwrap();
        repository.import("more", 120, 5).unwrap();
        repository.git(&["commit-graph", "write", "--reachable", "--split=no-merge"]).unwrap();
        repository.git(&["multi-pack-index", "write", "--bitmap"]).unwrap();
        repository.import("loose", 2, 6).unwrap();
        // A blob that is in no pack and larger than a buffer, even compressed.
        let noise: Vec<u8> =
            (0..700_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_769).to_le_bytes()).collect();
        fs::write(fixture.outer.path().join("noise"), noise).unwrap();
        let noise = fixture.outer.path().join("noise").display().to_string();
        let blob = repository.git(&["hash-object", "-w", &noise]).unwrap();
        repository.git(&["update-ref", "refs/keep-around/blob", blob.trim()]).unwrap();
        let found = files(repository.path());
        for kind in [".pack", ".idx", ".rev", ".bitmap", ".graph", "multi-pack-index", "commit-graph-chain"] {
            ending(&found, kind);
        }
        assert_eq!(sha256(&fixture.see(&path).await), checksum(&repository.show_ref().unwrap()));
        // An index of the first version.
        if !sha256_ids {
            let pack = repository.path().join(ending(&found, ".pack"));
            let index = pack.with_extension("idx");
            fs::remove_file(&index).unwrap();
            let (pack, index) = (pack.display().to_string(), index.display().to_string());
            repository.git(&["index-pack", "--index-version=1", "-o", &index, &pack]).unwrap();
            assert_ne!(fs::read(&index).unwrap()[..4], *b"\xfftOc");
            assert_eq!(sha256(&fixture.see(&path).await), checksum(&repository.show_ref().unwrap()));
        }
    }
}

#[tokio::test]
async fn a_pack_without_index_and_an_index_without_pack_are_reported() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    repository.git(&["repack", "-q", "-a", "-d"]).unwrap();
    let found = files(repository.path());
    for (gone, named, reason) in
        [(".pack", ".idx", "there is no pack beside it"), (".idx", ".pack", "there is no index beside it")]
    {
        let (gone, named) = (ending(&found, gone), ending(&found, named));
        let content = fs::read(repository.path().join(gone)).unwrap();
        fs::remove_file(repository.path().join(gone)).unwrap();
        assert_eq!(fixture.unreadable("a.git").await, format!("{named}: {reason}"));
        fs::write(repository.path().join(gone), content).unwrap();
    }
    fixture.see("a.git").await.unwrap();
}

#[tokio::test]
async fn intact_files_of_another_pack_are_reported() {
    let fixture = Fixture::new();
    let (one, other) = (fixture.fill("one.git", PLAIN), fixture.fill("other.git", PLAIN));
    other.import("more", 50, 9).unwrap();
    for repository in [&one, &other] {
        repository.git(&["repack", "-q", "-a", "-d"]).unwrap();
    }
    let (ours, theirs) = (files(one.path()), files(other.path()));
    for kind in [".idx", ".rev"] {
        let name = ending(&ours, kind);
        let before = fs::read(one.path().join(name)).unwrap();
        overwrite(&one.path().join(name), &fs::read(other.path().join(ending(&theirs, kind))).unwrap());
        let reason = "it names another checksum than the pack beside it has";
        assert_eq!(fixture.unreadable("one.git").await, format!("{name}: {reason}"));
        overwrite(&one.path().join(name), &before);
    }
}

#[tokio::test]
async fn a_ref_without_its_object_is_reported() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    let id = "f21f76b804422462e79f9f99d5b14856e130ed71";
    fs::write(repository.path().join("refs/heads/feature/two"), format!("{id}\n")).unwrap();
    let reason = format!("refs/heads/feature/two: its object {id} is missing");
    assert_eq!(missing(fixture.see("a.git").await), reason);
    see(&fixture.refs_only(), "a.git").await.unwrap();
    fs::remove_file(repository.path().join("refs/heads/feature/two")).unwrap();
    // The object that a packed tag leads to.
    let packed = fs::read_to_string(repository.path().join("packed-refs")).unwrap();
    let peeled = packed.lines().find(|line| line.starts_with('^')).unwrap();
    fs::write(repository.path().join("packed-refs"), packed.replace(peeled, &format!("^{id}"))).unwrap();
    let reason = format!("refs/tags/v1: its object {id} is missing");
    assert_eq!(missing(fixture.see("a.git").await), reason);
}

#[tokio::test]
async fn an_object_under_another_name_is_reported() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    let found = files(&repository.path().join("objects"));
    let loose: Vec<_> = found.iter().filter(|file| file.find('/') == Some(2)).collect();
    let content = fs::read(repository.path().join("objects").join(loose[0])).unwrap();
    let name = repository.path().join("objects").join(loose[1]);
    let before = fs::read(&name).unwrap();
    for (content, reason) in [
        (content.as_slice(), "its content is not what its name says"),
        (&before[..before.len() - 1], "it is cut short"),
        (&[], "it is cut short"),
        (&[&before[..], b"x"].concat(), "there is something behind its end"),
        (b"no object", "it does not inflate"),
    ] {
        overwrite(&name, content);
        assert_eq!(fixture.unreadable("a.git").await, format!("objects/{}: {reason}", loose[1]));
    }
    unreadable(fixture.see("a.git").await);
    see(&fixture.refs_only(), "a.git").await.unwrap();
}

#[tokio::test]
async fn a_graph_that_its_chain_lists_must_exist() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    repository.git(&["commit-graph", "write", "--reachable", "--split"]).unwrap();
    fixture.see("a.git").await.unwrap();
    let found = files(repository.path());
    let graph = ending(&found, ".graph");
    fs::remove_file(repository.path().join(graph)).unwrap();
    let reason = format!("{graph}: the chain names it, and it is not there");
    assert_eq!(fixture.unreadable("a.git").await, reason);
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_named() {
    let fixture = Fixture::new();
    let repository = fixture.fill("a.git", PLAIN);
    let file = repository.path().join("refs/heads/feature/one");
    fs::remove_file(&file).unwrap();
    // Nobody can read a folder as a file, not even the superuser, who may read all files.
    symlink(".", &file).unwrap();
    assert_eq!(fixture.unreadable("a.git").await, "refs/heads/feature/one: not a regular file");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "x").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let reason = fixture.unreadable("a.git").await;
    assert!(reason.starts_with("refs/heads/feature/one: "), "{reason}");
}

/// Enough objects that the index of the pack is searched from its middle.
#[tokio::test]
async fn objects_are_found_in_a_large_pack() {
    let fixture = Fixture::new();
    let repository = fixture.create("a.git", PLAIN);
    let blobs: Vec<_> = (0..50_000).map(|number| format!("blob\ndata 5\n{number:05}\n")).collect();
    let input = fixture.outer.path().join("blobs");
    fs::write(&input, blobs.concat()).unwrap();
    let mut import = repository.command();
    import.args(["fast-import", "--quiet"]).stdin(fs::File::open(&input).unwrap());
    assert!(import.status().unwrap().success());
    let ids = repository.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]).unwrap();
    let ids: Vec<_> = ids.lines().collect();
    assert_eq!(ids.len(), 50_000);
    let refs = ids.iter().step_by(17).enumerate();
    repository.update_refs(refs.map(|(number, id)| (format!("refs/x/{number}"), (*id).to_owned()))).unwrap();
    assert_eq!(sha256(&fixture.see("a.git").await), checksum(&repository.show_ref().unwrap()));
    // Right behind one that exists.
    let last = if ids[30_000].ends_with('f') { "0" } else { "f" };
    let id = format!("{}{last}", &ids[30_000][..39]);
    fs::write(repository.path().join("refs/x/missing"), format!("{id}\n")).unwrap();
    let reason = format!("refs/x/missing: its object {id} is missing");
    assert_eq!(missing(fixture.see("a.git").await), reason);
}
