//! Pushing to the registry, as a client of it does.

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use super::Registry;

/// The media types of an image's manifest and of a list of them: Docker's, and those of the image
/// specification.
pub const MANIFEST_TYPES: [(&str, &str); 2] = [
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ),
    ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"),
];

/// The media types of an image's config and layers, in the same order.
const PART_TYPES: [(&str, &str); 2] = [
    ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"),
];

/// An image that was pushed: the digests of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedImage {
    /// The digest of the manifest.
    pub manifest: String,
    /// Its size in bytes.
    pub size: usize,
    /// The media type of the manifest.
    pub media_type: &'static str,
    /// The digest of the config.
    pub config: String,
    /// The digests of the layers.
    pub layers: Vec<String>,
}

/// The digest of these bytes, as registries write it.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Registry {
    /// Pushes a blob into a repository, under its SHA-256; its digest.
    pub fn push_blob(&self, repository: &str, bytes: &[u8]) -> anyhow::Result<String> {
        let digest = digest_of(bytes);
        self.push_blob_as(repository, bytes, &digest)?;
        Ok(digest)
    }

    /// Pushes a blob into a repository under this digest, which must be right.
    pub fn push_blob_as(&self, repository: &str, bytes: &[u8], digest: &str) -> anyhow::Result<()> {
        let begun = self.request("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], &[])?;
        let location = begun.header("Location").context("no place to upload to")?;
        let parameter = if location.contains('?') { '&' } else { '?' };
        let target = format!("{location}{parameter}digest={digest}");
        let answer = self.request("PUT", &target, &[("Content-Type", "application/octet-stream")], bytes)?;
        if answer.status != 201 {
            bail!("the blob is refused: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(())
    }

    /// Pushes a manifest under a tag (or its digest); its digest.
    pub fn push_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        text: &str,
    ) -> anyhow::Result<String> {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let answer = self.request("PUT", &target, &[("Content-Type", media_type)], text.as_bytes())?;
        if answer.status != 201 {
            bail!("the manifest is refused: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(digest_of(text.as_bytes()))
    }

    /// Pushes an image with these layers: Docker's schema 2, or that of the image specification.
    pub fn push_image(
        &self,
        repository: &str,
        tag: &str,
        oci: bool,
        layers: &[&[u8]],
    ) -> anyhow::Result<PushedImage> {
        let (media_type, _) = if oci { MANIFEST_TYPES[1] } else { MANIFEST_TYPES[0] };
        let config = format!(r#"{{"architecture":"amd64","os":"linux","comment":"{repository}:{tag}"}}"#);
        let config_digest = self.push_blob(repository, config.as_bytes())?;
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| anyhow::Ok((self.push_blob(repository, layer)?, layer.len())))
            .collect::<Result<_, _>>()?;
        let (config_type, layer_type) = if oci { PART_TYPES[1] } else { PART_TYPES[0] };
        let named: Vec<_> =
            layers.iter().map(|(digest, size)| descriptor(layer_type, digest, *size)).collect();
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{},"layers":[{}]}}"#,
            descriptor(config_type, &config_digest, config.len()),
            named.join(",")
        );
        let manifest = self.push_manifest(repository, tag, media_type, &text)?;
        let layers = layers.into_iter().map(|(digest, _)| digest).collect();
        Ok(PushedImage { manifest, size: text.len(), media_type, config: config_digest, layers })
    }

    /// Pushes a list of these images, which the repository must hold; its digest.
    pub fn push_index(
        &self,
        repository: &str,
        tag: &str,
        oci: bool,
        images: &[&PushedImage],
    ) -> anyhow::Result<String> {
        let (_, media_type) = if oci { MANIFEST_TYPES[1] } else { MANIFEST_TYPES[0] };
        let named: Vec<_> = images
            .iter()
            .map(|image| {
                let plain = descriptor(image.media_type, &image.manifest, image.size);
                let platform = r#","platform":{"architecture":"amd64","os":"linux"}}"#;
                format!("{}{platform}", plain.trim_end_matches('}'))
            })
            .collect();
        let text =
            format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[{}]}}"#, named.join(","));
        self.push_manifest(repository, tag, media_type, &text)
    }

    /// Deletes a manifest, and so all tags that name it.
    pub fn delete_manifest(&self, repository: &str, digest: &str) -> anyhow::Result<()> {
        let answer = self.request("DELETE", &format!("/v2/{repository}/manifests/{digest}"), &[], &[])?;
        if answer.status != 202 {
            bail!("the manifest is not deleted: {}", answer.status);
        }
        Ok(())
    }
}

fn descriptor(media_type: &str, digest: &str, size: usize) -> String {
    format!(r#"{{"mediaType":"{media_type}","size":{size},"digest":"{digest}"}}"#)
}
