//! The git repositories, and what Gitaly makes of them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use sha1::{Digest as _, Sha1};

use super::Laid;
use crate::git::{GitFormat, GitRepository, git_reads_reftables};
use crate::gitlab::content::{MISSING_OBJECT, Shape, sha256};
use crate::gitlab::record::{GitlabRecord, hashed};

/// What Gitaly looks at: lines with one of these in them.
const SEEN_BY_GITALY: [&str; 7] = [
    "HEAD",
    "refs/heads/",
    "refs/tags/",
    "refs/keep-around/",
    "refs/merge-requests/",
    "refs/environments/",
    "refs/notes/",
];

/// The tables of states of repositories, each with its key, by model.
pub(super) const STATES: [(&str, &str, &str); 6] = [
    ("container_repositories", "container_repository_states", "container_repository_id"),
    (
        "design_management_repositories",
        "design_management_repository_states",
        "design_management_repository_id",
    ),
    ("group_wiki_repositories", "group_wiki_repository_states", "group_wiki_repository_id"),
    ("projects", "project_states", "project_id"),
    ("projects_wiki_repositories", "wiki_repository_states", "project_wiki_repository_id"),
    ("snippet_repositories", "snippet_repository_states", "snippet_repository_id"),
];

/// Makes a repository.
pub(super) fn lay(root: &Path, path: &str, shape: Shape) -> anyhow::Result<Laid> {
    let seed = path.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(257).wrapping_add(u64::from(byte)));
    let format = GitFormat {
        sha256: shape == Shape::Sha256,
        reftable: shape == Shape::Reftable && git_reads_reftables(),
    };
    let repository = GitRepository::create(&root.join(path), format)?;
    match shape {
        Shape::Empty => {}
        Shape::Loose | Shape::Reftable | Shape::Sha256 => repository.import("main", 3, seed)?,
        Shape::Packed => packed(&repository, seed)?,
        Shape::Pooled => pooled(&repository, &root.join(pool_path()), seed)?,
        Shape::Broken => {
            repository.import("main", 2, seed)?;
            // Git itself refuses to write such a ref.
            fs::write(repository.path().join("refs/heads/gone"), format!("{MISSING_OBJECT}\n"))?;
            return Ok(Laid::default());
        }
    }
    Ok(of_refs(&repository.show_ref()?))
}

/// Where the pool lies that the first project borrows from.
pub(super) fn pool_path() -> String {
    format!("@pools/{}.git", hashed(1))
}

/// What is found of a repository that was never created.
pub(super) fn absent() -> Laid {
    of_refs("")
}

/// The statement by which GitLab's verification has this checksum of the record.
pub(super) fn state(record: &GitlabRecord, checksum: &str) -> String {
    let checksum = record.source_checksum.as_deref().unwrap_or(checksum);
    let known = STATES.iter().find(|(model, ..)| *model == record.model);
    known.map_or_else(String::new, |(_, table, key)| {
        format!(
            "INSERT INTO {table} ({key}, verification_state, verification_checksum)
             VALUES ({}, 2, '{checksum}') ON CONFLICT ({key})
             DO UPDATE SET verification_checksum = excluded.verification_checksum;",
            record.id
        )
    })
}

/// All in one pack, with refs of all kinds, and a bit that came later.
fn packed(repository: &GitRepository, seed: u64) -> anyhow::Result<()> {
    repository.import("main", 12, seed)?;
    repository.git(&["tag", "-a", "-m", "first", "v1", "main"])?;
    let main = repository.git(&["rev-parse", "main"])?.trim().to_owned();
    let kept = format!("refs/keep-around/{main}");
    let others = ["refs/merge-requests/1/head", "refs/environments/test", "refs/pipelines/9", "refs/tmp/1"];
    let names = others.map(ToOwned::to_owned).into_iter().chain([kept]);
    repository.update_refs(names.map(|name| (name, main.clone())))?;
    pack(repository)?;
    repository.import("topic", 1, seed.wrapping_add(1))
}

fn pack(repository: &GitRepository) -> anyhow::Result<()> {
    repository.git(&["-c", "pack.threads=1", "repack", "-a", "-d", "-l", "-q"])?;
    repository.git(&["pack-refs", "--all"]).map(drop)
}

/// With a pool that holds what its branch points to.
fn pooled(repository: &GitRepository, pool: &Path, seed: u64) -> anyhow::Result<()> {
    let pool = GitRepository::create(pool, GitFormat::default())?;
    pool.import("main", 5, seed)?;
    pack(&pool)?;
    let info = repository.path().join("objects/info");
    fs::create_dir_all(&info)?;
    fs::write(info.join("alternates"), format!("../../../../../{}/objects\n", pool_path()))?;
    let main = pool.git(&["rev-parse", "main"])?.trim().to_owned();
    repository.update_refs([("refs/heads/main".to_owned(), main.clone())])?;
    repository.import("topic", 1, seed.wrapping_add(1))?;
    let so_far = gitaly(&repository.show_ref()?);
    // One name in 256 does it.
    let fits = |number: &u32| xor(so_far, &format!("{main} refs/heads/branch-{number}"))[0] == 0;
    let Some(number) = (0..10_000).find(fits) else { bail!("no name of a branch gives a short checksum") };
    repository.update_refs([(format!("refs/heads/branch-{number}"), main)])?;
    pack(repository).context("cannot pack a repository that borrows objects")
}

/// What is found of these refs, as `git show-ref --head` tells them.
fn of_refs(refs: &str) -> Laid {
    let mut lines: Vec<&str> = refs.lines().collect();
    lines.sort_by_key(|line| line.split_once(' ').map(|(_, name)| name));
    let sorted: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
    Laid { checksum: Some(sha256(sorted)), source_checksum: Some(shown(gitaly(refs))), ..Laid::default() }
}

/// Gitaly's checksum of these refs.
fn gitaly(refs: &str) -> [u8; 20] {
    let seen = refs.lines().filter(|line| SEEN_BY_GITALY.iter().any(|part| line.contains(part)));
    seen.fold([0; 20], xor)
}

fn xor(mut sum: [u8; 20], line: &str) -> [u8; 20] {
    for (byte, other) in sum.iter_mut().zip(Sha1::digest(line)) {
        *byte ^= other;
    }
    sum
}

/// As Gitaly shows it: without zero bytes in front, unless there is nothing else.
fn shown(checksum: [u8; 20]) -> String {
    let digits = hex::encode(checksum);
    let zeros = checksum.iter().take_while(|byte| **byte == 0).count();
    if zeros == checksum.len() { digits } else { digits.chars().skip(2 * zeros).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_gitaly() {
        let master = "f21f76b804422462e79f9f99d5b14856e130ed71 refs/heads/master";
        let feature = "860de2dde3d6673d4a494d3c2ceeae9786a556ba refs/heads/feature";
        let ignored = "860de2dde3d6673d4a494d3c2ceeae9786a556ba refs/pipelines/1";
        let short = "f21f76b804422462e79f9f99d5b14856e130ed71 refs/heads/b203";
        for (refs, checksum) in [
            (master.to_owned(), "bba299616da21e268890f1691c3f6ea788c6cdc9"),
            (format!("{master}\n{ignored}\n{feature}\n"), "56ca38be577db6bdda47a840d1061ad47abc3619"),
            (short.to_owned(), "e0c8b55c106d3f9a338da2daf8d5b939ea4ac2"),
            (String::new(), "0000000000000000000000000000000000000000"),
        ] {
            assert_eq!(shown(gitaly(&refs)), checksum);
        }
    }
}
