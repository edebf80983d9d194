//! Bare git repositories, and container repositories in the registry's own folder.

use std::path::Path;

use super::special::sha256;
use super::{Key, Outcome, SampleRecord, Stored, seed};
use crate::git::{GitFormat, GitRepository};
use crate::image_folder::{ImageFolder, Put, tags_checksum};

const STORAGE: &str = "repositories";
const REGISTRY: &str = "registry";

/// The models, how many repositories each has, what their folders end in, and how many of the last were never
/// created, which counts as empty.
const MODELS: [(&str, u64, &str, u64); 5] = [
    ("design_management_repositories", 4, ".design.git", 2),
    ("group_wiki_repositories", 3, ".wiki.git", 1),
    ("projects", 8, ".git", 0),
    ("projects_wiki_repositories", 4, ".wiki.git", 1),
    ("snippet_repositories", 4, ".snippet.git", 0),
];

/// Makes the git repositories below `root`.
pub(super) fn write_git(root: &Path) -> anyhow::Result<Vec<SampleRecord>> {
    let mut records = Vec::new();
    for (model, count, ending, absent) in MODELS {
        for number in 1..=count {
            let key = Key::Integer(number);
            let path = format!("group/{model}-{number}{ending}");
            let refs = if number > count - absent {
                String::new()
            } else {
                let repository = GitRepository::create(&root.join(&path), GitFormat::default())?;
                fill(&repository, number, seed(model, key))?;
                repository.show_ref()?
            };
            let outcome = Outcome::Succeeded(checksum(&refs));
            records.push(SampleRecord::new(model, key, &Stored::at(STORAGE, &path), outcome));
        }
    }
    Ok(records)
}

/// Every third is left empty; the others have packs and loose objects, branches and a packed tag.
fn fill(repository: &GitRepository, number: u64, seed: u64) -> anyhow::Result<()> {
    if number.is_multiple_of(3) {
        return Ok(());
    }
    repository.import("main", 40, seed)?;
    repository.git(&["tag", "-a", "-m", "first", "v1", "main"])?;
    repository.git(&["pack-refs", "--all"])?;
    repository.import("topic", 2, seed.wrapping_add(1))
}

/// The digest of the lines of `git show-ref --head`, sorted by the names.
fn checksum(refs: &str) -> String {
    let mut lines: Vec<&str> = refs.lines().collect();
    lines.sort_by_key(|line| line.split_once(' ').map(|(_, name)| name));
    sha256(lines.iter().flat_map(|line| [*line, "\n"]).collect::<String>().as_bytes())
}

/// Lays out the container repositories in the registry's folder.
pub(super) fn write_images(folder: &Path) -> anyhow::Result<Vec<SampleRecord>> {
    (1..=4)
        .map(|number| {
            let name = format!("group/image-{number}");
            let repository = ImageFolder::new(folder, &name);
            // A layer that all repositories share, and one of their own.
            let shared = b"files that every image has ".repeat(4_000);
            let own = format!("files of image {number} ").repeat(1_000);
            let mut tags = Vec::new();
            for version in ["1.0", "latest"] {
                let config = format!(r#"{{"architecture":"amd64","os":"linux","version":"{version}"}}"#);
                tags.push((version, repository.image(config.as_bytes(), &[&shared, own.as_bytes()])?));
            }
            let images: Vec<&Put> = tags.iter().map(|(_, image)| image).collect();
            let index = repository.index(&images)?;
            tags.push(("multi", index));
            for (tag, put) in &tags {
                repository.tag(tag, &put.digest)?;
            }
            // Sorted by name, as they were made: 1.0, latest, multi.
            let outcome = Outcome::Succeeded(tags_checksum(&tags));
            Ok(SampleRecord::new(
                "container_repositories",
                Key::Integer(number),
                &Stored::at(REGISTRY, &name),
                outcome,
            ))
        })
        .collect()
}
