//! Container repositories in the registry's own folder.

use std::path::Path;

use super::{Key, Outcome, SampleRecord, Stored};
use crate::image_folder::{ImageFolder, Put, tags_checksum};

const STORAGE: &str = "registry";
const MODEL: &str = "container_repositories";

/// Lays out the repositories in the registry's folder.
pub(super) fn write(folder: &Path) -> anyhow::Result<Vec<SampleRecord>> {
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
            Ok(SampleRecord::new(MODEL, Key::Integer(number), &Stored::at(STORAGE, &name), outcome))
        })
        .collect()
}
