//! The container repositories.

use std::fs;
use std::path::Path;

use super::Laid;
use crate::gitlab::content::Images;
use crate::image_folder::{ImageFolder, tags_checksum};

/// Lays out a repository in the registry's folder.
pub(super) fn lay(registry: &Path, name: &str, images: Images) -> anyhow::Result<Laid> {
    let repository = ImageFolder::new(registry, name);
    let layer = format!("the files of {name} ").repeat(20);
    let image = |version: &str| {
        let config = format!(r#"{{"architecture":"amd64","os":"linux","version":"{version}"}}"#);
        repository.image(config.as_bytes(), &[b"files that every image has", layer.as_bytes()])
    };
    // Sorted by name, as the checksum wants them.
    let tags = match images {
        Images::Plain => vec![("1.0", image("1.0")?), ("latest", image("2.0")?)],
        Images::Index => vec![("multi", repository.index(&[&image("1.0")?, &image("2.0")?])?)],
        Images::AlteredLayer => vec![("latest", image("1.0")?)],
    };
    for (tag, put) in &tags {
        repository.tag(tag, &put.digest)?;
    }
    if images == Images::AlteredLayer {
        let digest = crate::digest_of(layer.as_bytes());
        fs::write(repository.data(&digest), layer.to_uppercase())?;
        return Ok(Laid { at: digest, ..Laid::default() });
    }
    let checksum = Some(tags_checksum(&tags));
    Ok(Laid { checksum: checksum.clone(), source_checksum: checksum, ..Laid::default() })
}
