//! Container repositories, laid out as the registry itself keeps them on disk (the layout of `distribution`), so
//! that they are there without a registry running.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::special::sha256;
use super::{Key, Outcome, SampleRecord, Stored};

const STORAGE: &str = "registry";
const MODEL: &str = "container_repositories";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Lays out the repositories in the registry's folder.
pub(super) fn write(folder: &Path) -> anyhow::Result<Vec<SampleRecord>> {
    let root = folder.join("docker/registry/v2");
    (1..=4)
        .map(|number| {
            let name = format!("group/image-{number}");
            let repository = Repository { root: &root, folder: root.join("repositories").join(&name) };
            // A layer that all repositories share, and one of their own.
            let shared = b"files that every image has ".repeat(4_000);
            let own = format!("files of image {number} ").repeat(1_000);
            let mut tags = Vec::new();
            for version in ["1.0", "latest"] {
                let config = format!(r#"{{"architecture":"amd64","os":"linux","version":"{version}"}}"#);
                tags.push((version, repository.image(config.as_bytes(), &[&shared, own.as_bytes()])?));
            }
            let images: Vec<&Pushed> = tags.iter().map(|(_, image)| image).collect();
            let index = repository.index(&images)?;
            tags.push(("multi", index));
            let mut checksum = String::new();
            for (tag, pushed) in &tags {
                repository.tag(tag, &pushed.digest)?;
                checksum.extend([tag, pushed.digest.as_str()]);
            }
            // Sorted by name, as they were made: 1.0, latest, multi.
            let outcome = Outcome::Succeeded(sha256(checksum.as_bytes()));
            Ok(SampleRecord::new(MODEL, Key::Integer(number), &Stored::at(STORAGE, &name), outcome))
        })
        .collect()
}

/// What a descriptor says of something.
struct Pushed {
    media_type: &'static str,
    digest: String,
    size: usize,
}

impl Pushed {
    fn descriptor(&self) -> String {
        let Self { media_type, digest, size } = self;
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
    }
}

struct Repository<'a> {
    root: &'a Path,
    folder: PathBuf,
}

impl Repository<'_> {
    fn image(&self, config: &[u8], layers: &[&[u8]]) -> anyhow::Result<Pushed> {
        let config = self.blob(CONFIG, config)?.descriptor();
        let layers: anyhow::Result<Vec<String>> =
            layers.iter().map(|layer| Ok(self.blob(LAYER, layer)?.descriptor())).collect();
        let layers = layers?.join(",");
        self.manifest(
            MANIFEST,
            &format!(
                r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layers}]}}"#
            ),
        )
    }

    fn index(&self, manifests: &[&Pushed]) -> anyhow::Result<Pushed> {
        let manifests: Vec<String> = manifests.iter().map(|manifest| manifest.descriptor()).collect();
        let manifests = manifests.join(",");
        let text = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{manifests}]}}"#);
        self.manifest(INDEX, &text)
    }

    fn blob(&self, media_type: &'static str, content: &[u8]) -> anyhow::Result<Pushed> {
        let pushed = self.put(media_type, content)?;
        self.link("_layers", &pushed.digest)?;
        Ok(pushed)
    }

    fn manifest(&self, media_type: &'static str, text: &str) -> anyhow::Result<Pushed> {
        let pushed = self.put(media_type, text.as_bytes())?;
        self.link("_manifests/revisions", &pushed.digest)?;
        Ok(pushed)
    }

    fn tag(&self, tag: &str, digest: &str) -> anyhow::Result<()> {
        self.link(&format!("_manifests/tags/{tag}/index"), digest)?;
        put(&self.folder.join("_manifests/tags").join(tag).join("current/link"), digest.as_bytes())
    }

    fn put(&self, media_type: &'static str, content: &[u8]) -> anyhow::Result<Pushed> {
        let digits = sha256(content);
        let start: String = digits.chars().take(2).collect();
        put(&self.root.join("blobs/sha256").join(start).join(&digits).join("data"), content)?;
        Ok(Pushed { media_type, digest: format!("sha256:{digits}"), size: content.len() })
    }

    fn link(&self, place: &str, digest: &str) -> anyhow::Result<()> {
        let digits = digest.trim_start_matches("sha256:");
        put(&self.folder.join(place).join("sha256").join(digits).join("link"), digest.as_bytes())
    }
}

fn put(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
    fs::write(file, content).with_context(|| format!("cannot write {}", file.display()))
}
