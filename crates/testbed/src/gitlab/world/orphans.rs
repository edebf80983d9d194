//! What no row claims, and what lies beside it that some row does, or that is GitLab's own.

use std::fs;
use std::path::Path;

use super::ground::Ground;
use super::places;
use super::repositories;
use crate::gitlab::content::{Images, Shape, filled};
use crate::gitlab::record::hashed;
use crate::gitlab::uploads::SECRET;
use crate::gitlab::{HELM_INDEX, blobs, helm_key};

/// Something that no row claims.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitlabOrphan {
    /// The storage, as Stocktake calls it.
    pub storage: String,
    /// The path within it.
    pub path: String,
    /// How many bytes it takes: of a git repository, its files together. `None` of a container repository, whose
    /// layers others may share.
    pub size: Option<u64>,
}

/// Lays all of it out, and returns the orphans in the order of storage and path.
pub(super) fn write(ground: &Ground) -> anyhow::Result<Vec<GitlabOrphan>> {
    let mut orphans = Vec::new();
    for (number, (storage, path)) in files().into_iter().enumerate() {
        let content = filled("nobody claims this ", 100 + number);
        ground.put(storage, &path, content.as_bytes())?;
        orphans.push((storage, path, Some(u64::try_from(content.len())?)));
    }
    for (storage, path) in git_repositories() {
        let root = ground.root(storage)?;
        repositories::lay(&root, &path, Shape::Loose)?;
        let size = size(&root.join(&path))?;
        orphans.push((storage, path, Some(size)));
    }
    super::images::lay(&ground.root("registry")?, "flights/gone", Images::Plain)?;
    orphans.push(("registry", "flights/gone".to_owned(), None));
    for (storage, path, content) in claimed_files() {
        ground.put(storage, &path, content.as_bytes())?;
    }
    for path in claimed_repositories() {
        repositories::lay(&ground.root("git-default")?, &path, Shape::Loose)?;
    }
    let mut orphans: Vec<_> = orphans
        .into_iter()
        .map(|(storage, path, size)| GitlabOrphan { storage: places::program_name(storage), path, size })
        .collect();
    orphans.sort();
    Ok(orphans)
}

fn files() -> Vec<(&'static str, String)> {
    vec![
        ("artifacts-disk", format!("{}/2024_01_01/1/900/artifacts.zip", hashed(1))),
        ("lfs-disk", format!("ff/ff/{}", "f".repeat(60))),
        ("packages-disk", format!("{}/packages/5/files/900/f.bin", hashed(1))),
        ("pages-disk", format!("@hashed/{}/pages_deployments/900/artifacts.zip", hashed(1))),
        ("public-disk", blobs::attestation_path(900, "attestation.json")),
        ("uploads-disk", "-/system/user/avatar/9/left.png".to_owned()),
        ("artifacts-bucket", "aa/bb/left/@final/xx/yy/00".to_owned()),
        ("uploads-bucket", "user/avatar/9/left.png".to_owned()),
    ]
}

fn git_repositories() -> [(&'static str, String); 3] {
    let project = hashed(900);
    [
        ("git-default", format!("@hashed/{project}.git")),
        ("git-default", format!("@hashed/{project}.wiki.git")),
        ("git-second", format!("@snippets/{}.git", hashed(900))),
    ]
}

/// Files that are half received, and files of rows that are no records.
pub(super) fn claimed_files() -> Vec<(&'static str, String, &'static str)> {
    let half = "half a file";
    let temporary = |storage, path: &str| (storage, path.to_owned(), half);
    let predicate = |id| blobs::attestation_path(id, "predicate.json");
    let helm = |id| format!("{}/index.yaml", helm_key(id));
    vec![
        temporary("artifacts-disk", "tmp/cache/1738754830-1-0001-0001/artifacts.zip"),
        temporary("artifacts-disk", "tmp/uploads/artifacts.zip123456"),
        temporary("lfs-disk", "tmp/uploads/lfs123456"),
        temporary("packages-disk", "tmp/cache/1738754830-1-0001-0002/f.bin"),
        temporary("uploads-disk", "tmp/uploads/picture123456"),
        temporary("artifacts-bucket", "tmp/uploads/1738754830-1-0001-0003"),
        temporary("git-default", "+gitaly/tmp/walk-123456/file"),
        ("packages-disk", helm(1), HELM_INDEX),
        ("packages-bucket", helm(2), HELM_INDEX),
        ("public-disk", predicate(1), "{}"),
        ("uploads-bucket", predicate(2), "{}"),
        // An attachment whose project is gone, but not its row: no record says any more that it lay here.
        ("uploads-disk", format!("@hashed/{}/{SECRET}/picture.png", hashed(99)), "of nobody's project"),
    ]
}

/// Repositories of Gitaly's own, and the wiki of a project whose wiki has no row. The pool is there already.
pub(super) fn claimed_repositories() -> [String; 2] {
    ["+gitaly/tmp/repo-123456.git".to_owned(), format!("@hashed/{}.wiki.git", hashed(1))]
}

/// How many bytes the files in a folder take.
fn size(folder: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}
