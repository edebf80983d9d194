//! Container repositories, laid out as the registry itself keeps them on disk (the layout of `distribution`), so
//! that they are there without a registry running.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What a descriptor says of something that was put.
pub(crate) struct Put {
    media_type: &'static str,
    /// `sha256:…`.
    pub(crate) digest: String,
    size: usize,
}

impl Put {
    fn descriptor(&self) -> String {
        let Self { media_type, digest, size } = self;
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
    }
}

/// A repository in a registry's folder.
pub(crate) struct ImageFolder {
    root: PathBuf,
    folder: PathBuf,
}

impl ImageFolder {
    /// The repository of this name in the registry that keeps its files in `registry`.
    pub(crate) fn new(registry: &Path, name: &str) -> Self {
        let root = registry.join("docker/registry/v2");
        Self { folder: root.join("repositories").join(name), root }
    }

    /// Puts an image: its manifest.
    pub(crate) fn image(&self, config: &[u8], layers: &[&[u8]]) -> anyhow::Result<Put> {
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

    /// Puts an index of manifests.
    pub(crate) fn index(&self, manifests: &[&Put]) -> anyhow::Result<Put> {
        let manifests: Vec<String> = manifests.iter().map(|manifest| manifest.descriptor()).collect();
        let manifests = manifests.join(",");
        let text = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{manifests}]}}"#);
        self.manifest(INDEX, &text)
    }

    /// Gives a manifest a name.
    pub(crate) fn tag(&self, tag: &str, digest: &str) -> anyhow::Result<()> {
        self.link(&format!("_manifests/tags/{tag}/index"), digest)?;
        write(&self.folder.join("_manifests/tags").join(tag).join("current/link"), digest.as_bytes())
    }

    /// The file that holds the content with this digest.
    pub(crate) fn data(&self, digest: &str) -> PathBuf {
        let digits = digest.trim_start_matches("sha256:");
        let start: String = digits.chars().take(2).collect();
        self.root.join("blobs/sha256").join(start).join(digits).join("data")
    }

    fn blob(&self, media_type: &'static str, content: &[u8]) -> anyhow::Result<Put> {
        let put = self.put(media_type, content)?;
        self.link("_layers", &put.digest)?;
        Ok(put)
    }

    fn manifest(&self, media_type: &'static str, text: &str) -> anyhow::Result<Put> {
        let put = self.put(media_type, text.as_bytes())?;
        self.link("_manifests/revisions", &put.digest)?;
        Ok(put)
    }

    fn put(&self, media_type: &'static str, content: &[u8]) -> anyhow::Result<Put> {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(content)));
        write(&self.data(&digest), content)?;
        Ok(Put { media_type, digest, size: content.len() })
    }

    fn link(&self, place: &str, digest: &str) -> anyhow::Result<()> {
        let digits = digest.trim_start_matches("sha256:");
        write(&self.folder.join(place).join("sha256").join(digits).join("link"), digest.as_bytes())
    }
}

/// The checksum of a container repository: over name and manifest digest of each tag, which come sorted by name.
pub(crate) fn tags_checksum(tags: &[(&str, Put)]) -> String {
    let mut hasher = Sha256::new();
    for (tag, put) in tags {
        hasher.update(tag);
        hasher.update(&put.digest);
    }
    hex::encode(hasher.finalize())
}

fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
    fs::write(file, content).with_context(|| format!("cannot write {}", file.display()))
}
