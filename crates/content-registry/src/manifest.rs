//! What a manifest names: a config and layers, or the manifests of an index.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::digest::Digest;

/// The media types of manifests: of Docker's schema 2 and of the image specification.
const IMAGES: [&str; 2] =
    ["application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json"];

/// The media types of lists of manifests.
const INDEXES: [&str; 2] =
    ["application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json"];

/// All four media types, as a request's `Accept`.
pub(crate) const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// A reference of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// What it is.
    pub(crate) role: Role,
    /// Its digest.
    pub(crate) digest: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Whether it may be stored elsewhere, so that the registry need not contain it.
    pub(crate) foreign: bool,
}

/// The kind of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A manifest of an index.
    Manifest,
    /// An image's config.
    Config,
    /// An image's layer, or anything else that an index names.
    Layer,
}

impl Role {
    /// The word in failure texts.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::Layer => "layer",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest<'a> {
    schema_version: u64,
    #[serde(borrow)]
    media_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    config: Option<RawDescriptor<'a>>,
    #[serde(borrow)]
    layers: Option<Vec<RawDescriptor<'a>>>,
    #[serde(borrow)]
    manifests: Option<Vec<RawDescriptor<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor<'a> {
    #[serde(borrow)]
    media_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
    size: u64,
    #[serde(default)]
    urls: Vec<serde::de::IgnoredAny>,
}

/// What the manifest names, in its order; or what is wrong with it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Descriptor>, String> {
    let raw: RawManifest<'_> =
        serde_json::from_slice(bytes).map_err(|error| format!("is no manifest: {error}"))?;
    if raw.schema_version != 2 {
        return Err(format!("unsupported schema version {}", raw.schema_version));
    }
    let (is_image, is_index) = match raw.media_type.as_deref() {
        Some(name) if IMAGES.contains(&name) => (true, false),
        Some(name) if INDEXES.contains(&name) => (false, true),
        Some(name) => return Err(format!("unknown media type {name}")),
        // The image specification makes it optional; without it, the other fields decide.
        None => (raw.config.is_some(), raw.manifests.is_some()),
    };
    match (is_image, is_index, raw.config, raw.layers, raw.manifests) {
        (true, false, Some(config), Some(layers), None) => {
            let config = config.check(Role::Config);
            let layers = layers.iter().map(|layer| layer.check(Role::Layer));
            std::iter::once(config).chain(layers).collect()
        }
        (false, true, None, None, Some(manifests)) => {
            manifests.iter().map(|child| child.check(child.role_in_index())).collect()
        }
        _ => Err("is neither a manifest nor an index".to_owned()),
    }
}

/// What a manifest of any kind names, in whatever role.
pub(crate) struct Names {
    /// All of it.
    pub(crate) all: Vec<Digest>,
    /// The manifest that it says something of.
    pub(crate) subject: Option<Digest>,
}

/// What a manifest of any kind names, also of one that cannot be followed; or why that is not known.
pub(crate) fn names(bytes: &[u8]) -> Result<Names, String> {
    let manifest: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("is no manifest: {error}"))?;
    let mut all = Vec::new();
    add_names(&manifest, &mut all);
    let subject = manifest.get("subject").and_then(|subject| subject.get("digest"));
    Ok(Names { all, subject: subject.and_then(Value::as_str).and_then(|digest| digest.parse().ok()) })
}

fn add_names(value: &Value, found: &mut Vec<Digest>) {
    match value {
        Value::Array(items) => {
            for item in items {
                add_names(item, found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    // The second is that of Docker's schema 1.
                    Value::String(text) if matches!(name.as_str(), "digest" | "blobSum") => {
                        found.extend(text.parse::<Digest>());
                    }
                    // Words of the author's, which name nothing that belongs to it.
                    _ if name == "annotations" => {}
                    value => add_names(value, found),
                }
            }
        }
        _ => {}
    }
}

/// Whether this is a manifest of Docker's schema 1, whose digest is not that of the stored bytes.
pub(crate) fn is_schema_1(bytes: &[u8]) -> bool {
    serde_json::from_slice::<RawManifest<'_>>(bytes).is_ok_and(|raw| raw.schema_version == 1)
}

impl RawDescriptor<'_> {
    /// An index may name other objects too (as build caches do); one without a media type is a manifest.
    fn role_in_index(&self) -> Role {
        match self.media_type.as_deref() {
            Some(name) if !IMAGES.contains(&name) && !INDEXES.contains(&name) => Role::Layer,
            _ => Role::Manifest,
        }
    }

    fn check(&self, role: Role) -> Result<Descriptor, String> {
        let digest = self.digest.parse().map_err(|error| format!("names {}: {error}", self.digest))?;
        let media_type = self.media_type.as_deref().unwrap_or_default();
        let foreign = media_type.contains(".foreign.") || media_type.contains(".nondistributable.");
        Ok(Descriptor { role, digest, size: self.size, foreign: foreign || !self.urls.is_empty() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn descriptor(media_type: &str, digit: char, more: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":7{more}}}"#, digest(digit))
    }

    #[test]
    fn images_name_a_config_and_layers() {
        let layers = [
            descriptor("application/vnd.oci.image.layer.v1.tar+gzip", '2', ""),
            descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", '3', ""),
            descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar", '4', ""),
            descriptor("any", '5', r#","urls":["https://example.com/layer"]"#),
        ];
        for media_type in
            IMAGES.map(|name| format!(r#""mediaType":"{name}","#)).into_iter().chain([String::new()])
        {
            let config = descriptor("any", '1', "");
            let text = format!(
                r#"{{"schemaVersion":2,{media_type}"config":{config},"layers":[{}],"annotations":{{"a":"b"}}}}"#,
                layers.join(",")
            );
            let named = parse(text.as_bytes()).unwrap();
            let roles: Vec<_> = named.iter().map(|one| (one.role.word(), one.foreign)).collect();
            let layer = |foreign| ("layer", foreign);
            assert_eq!(roles, [("config", false), layer(false), layer(true), layer(true), layer(true)]);
            assert_eq!(named[1].digest.to_string(), digest('2'));
            assert!(named.iter().all(|one| one.size == 7));
        }
    }

    #[test]
    fn indexes_name_manifests_and_other_things() {
        for media_type in
            INDEXES.map(|name| format!(r#""mediaType":"{name}","#)).into_iter().chain([String::new()])
        {
            let children =
                [descriptor(IMAGES[0], '1', ""), descriptor(INDEXES[1], '2', ""), descriptor("x", '3', "")];
            let text = format!(r#"{{"schemaVersion":2,{media_type}"manifests":[{}]}}"#, children.join(","));
            let roles: Vec<_> = parse(text.as_bytes()).unwrap().iter().map(|one| one.role).collect();
            assert_eq!(roles, [Role::Manifest, Role::Manifest, Role::Layer]);
        }
    }

    #[test]
    fn all_that_a_manifest_names_is_known_of_any_kind() {
        let names = |text: &str| {
            let Names { all, subject } = names(text.as_bytes()).unwrap();
            let all: Vec<_> = all.iter().map(ToString::to_string).collect();
            (all, subject.map(|subject| subject.to_string()))
        };
        let subject = descriptor("x", '3', "");
        let text = format!(
            r#"{{"config":{},"layers":[{}],"subject":{subject},"annotations":{{"digest":"{}"}}}}"#,
            descriptor("x", '1', ""),
            descriptor("x", '2', ""),
            digest('4')
        );
        assert_eq!(names(&text), (['1', '2', '3'].map(digest).to_vec(), Some(digest('3'))));
        let old = format!(r#"{{"schemaVersion":1,"fsLayers":[{{"blobSum":"{}"}}]}}"#, digest('5'));
        assert_eq!(names(&old), (vec![digest('5')], None));
        assert_eq!(names(r#"{"digest":"sha384:00","blobs":[{"digest":7}]}"#), (Vec::new(), None));
        assert!(super::names(b"{").is_err());
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let wrong = descriptor("x", '1', "").replace("sha256", "sha384");
        for (text, reason) in [
            ("{", "is no manifest: EOF"),
            ("[]", "is no manifest"),
            (r#"{"schemaVersion":1}"#, "unsupported schema version 1"),
            (r#"{"schemaVersion":2,"mediaType":"text/plain"}"#, "unknown media type text/plain"),
            (r#"{"schemaVersion":2}"#, "is neither a manifest nor an index"),
            (r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, "is neither a manifest nor an index"),
            (
                &format!(r#"{{"schemaVersion":2,"manifests":[{wrong}]}}"#),
                &format!("names {}: unsupported digest algorithm", digest('1').replace("256", "384")),
            ),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
        assert!(is_schema_1(br#"{"schemaVersion":1,"fsLayers":[],"signatures":[]}"#));
        assert!(!is_schema_1(br#"{"schemaVersion":2}"#) && !is_schema_1(b"{"));
    }
}
