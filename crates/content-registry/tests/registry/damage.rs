//! Everything that can be altered or removed on the registry's disk is found, and named.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use stocktake_content_registry::Integrity;
use stocktake_domain::{ContentError, NotJudged};
use stocktake_testbed::{MANIFEST_TYPES, PushedImage, Registry, digest_of};

use crate::support::*;

const REPOSITORIES: [&str; 3] = ["group/first", "group/second", "other"];

/// Three repositories, of which two share a layer; the parts of the first image.
fn filled() -> (Registry, PushedImage) {
    let registry = registry();
    let (shared, own) = (content(300_000, 1), content(50_000, 2));
    let image = registry.push_image("group/first", "1.0", true, &[&own, &shared]).unwrap();
    registry.push_image("group/first", "2.0", false, &[&shared]).unwrap();
    registry.push_image("group/second", "latest", true, &[&shared]).unwrap();
    registry.push_image("other", "latest", true, &[&content(10, 3)]).unwrap();
    (registry, image)
}

/// What is reported of the three repositories; both kinds of storage say the same.
async fn reported(registry: &Registry) -> Vec<Option<String>> {
    let mut all = Vec::new();
    for (_, store) in both(registry, Integrity::Content) {
        let seen = inspect_all(&store, &REPOSITORIES).await;
        all.push(seen.into_iter().map(|seen| seen.is_err().then(|| reason(seen))).collect::<Vec<_>>());
    }
    assert_eq!(all[0], all[1], "over HTTP, and in the directory");
    all.remove(0)
}

fn flip(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, &bytes).unwrap();
    bytes
}

#[tokio::test]
async fn an_altered_layer_is_found_wherever_it_is_used_and_nowhere_else() {
    let (registry, image) = filled();
    assert_eq!(reported(&registry).await, [None, None, None]);
    let own = flip(&registry.data(&image.layers[0]));
    let text = format!("layer {} of tag 1.0: content has {}", image.layers[0], digest_of(&own));
    assert_eq!(reported(&registry).await, [Some(text.clone()), None, None]);
    let shared = flip(&registry.data(&image.layers[1]));
    let other = format!("layer {} of tag latest: content has {}", image.layers[1], digest_of(&shared));
    assert_eq!(reported(&registry).await, [Some(text), Some(other), None]);
}

#[tokio::test]
async fn a_flipped_byte_is_found_in_every_config_and_manifest() {
    let (registry, image) = filled();
    let config = registry.data(&image.config);
    let before = fs::read(&config).unwrap();
    let found = digest_of(&flip(&config));
    let text = format!("config {} of tag 1.0: content has {found}", image.config);
    assert_eq!(reported(&registry).await, [Some(text), None, None]);
    fs::write(&config, before).unwrap();
    let manifest = registry.data(&image.manifest);
    // Another size of a layer: still a manifest.
    let text = fs::read_to_string(&manifest).unwrap().replace("50000", "50001");
    fs::write(&manifest, &text).unwrap();
    let text = format!("manifest {} of tag 1.0: content has {}", image.manifest, digest_of(text.as_bytes()));
    assert_eq!(reported(&registry).await, [Some(text), None, None]);
}

#[tokio::test]
async fn what_is_no_manifest_any_more_is_named() {
    let (registry, image) = filled();
    fs::write(registry.data(&image.manifest), "no longer JSON").unwrap();
    for (kind, store) in both(&registry, Integrity::Content) {
        let seen = inspect_all(&store, &REPOSITORIES).await;
        let text = reason(seen[0].clone());
        let start = match kind {
            // The registry does not give it out; it may not even name it for the tag.
            "http" => "tag 1.0: the registry answers 5".to_owned(),
            _ => format!("manifest {} of tag 1.0: content has ", image.manifest),
        };
        assert!(text.starts_with(&start), "{kind}: {text}");
        assert!(seen[1].is_ok() && seen[2].is_ok());
    }
}

#[tokio::test]
async fn removed_blobs_and_links_are_named() {
    let (registry, image) = filled();
    fs::remove_file(registry.data(&image.layers[1])).unwrap();
    let gone = |tag: &str| Some(format!("layer {} of tag {tag}: not in the registry", image.layers[1]));
    assert_eq!(reported(&registry).await, [gone("1.0"), gone("latest"), None]);
    let (registry, image) = filled();
    // The blob is there, but the repository does not hold it: so it cannot be pulled from there.
    let digits = image.layers[1].split_once(':').unwrap().1;
    fs::remove_file(registry.repository("group/second").join("_layers/sha256").join(digits).join("link"))
        .unwrap();
    let text = format!("layer {} of tag latest: not in the registry", image.layers[1]);
    assert_eq!(reported(&registry).await, [None, Some(text), None]);
}

#[tokio::test]
async fn a_tag_without_a_manifest_is_named() {
    let (registry, image) = filled();
    fs::remove_file(registry.tag_link("group/first", "2.0")).unwrap();
    fs::remove_file(registry.data(&image.manifest)).unwrap();
    let first = Some(format!("manifest {} of tag 1.0: not in the registry", image.manifest));
    let seen = {
        let store = directory(registry.folder(), Integrity::Content);
        inspect_all(&store, &REPOSITORIES).await
    };
    assert_eq!(Some(reason(seen[0].clone())), first);
    let store = http(&registry.url());
    assert_eq!(reason(inspect(&store, "group/first").await), "tag 1.0: no manifest");
    fs::remove_dir_all(registry.repository("group/first").join("_manifests/tags/1.0")).unwrap();
    for integrity in [Integrity::Content, Integrity::Tags] {
        for (kind, store) in both(&registry, integrity) {
            assert_eq!(reason(inspect(&store, "group/first").await), "tag 2.0: no manifest", "{kind}");
        }
    }
}

#[tokio::test]
async fn an_index_is_followed_to_its_last_layer() {
    let registry = registry();
    let one = registry.push_image("image", "one", true, &[&content(1_000, 1)]).unwrap();
    let two = registry.push_image("image", "two", true, &[&content(1_000, 2)]).unwrap();
    registry.push_index("image", "all", true, &[&one, &two]).unwrap();
    for tag in ["one", "two"] {
        fs::remove_dir_all(registry.repository("image").join("_manifests/tags").join(tag)).unwrap();
    }
    let layer = registry.data(&two.layers[0]);
    let before = fs::read(&layer).unwrap();
    fs::write(&layer, [&before[..], b"more"].concat()).unwrap();
    for (kind, store) in both(&registry, Integrity::Content) {
        let text = reason(inspect(&store, "image").await);
        assert_eq!(text, format!("layer {} of tag all: is larger than 1000 bytes", two.layers[0]), "{kind}");
    }
    fs::write(&layer, &before[..999]).unwrap();
    for (kind, store) in both(&registry, Integrity::Content) {
        let text = reason(inspect(&store, "image").await);
        let expected = format!("layer {} of tag all: has 999 bytes instead of 1000", two.layers[0]);
        assert_eq!(text, expected, "{kind}");
    }
    fs::write(&layer, before).unwrap();
    fs::remove_file(registry.data(&one.manifest)).unwrap();
    for (kind, store) in both(&registry, Integrity::Content) {
        let text = reason(inspect(&store, "image").await);
        assert_eq!(text, format!("manifest {} of tag all: not in the registry", one.manifest), "{kind}");
    }
}

#[tokio::test]
async fn every_size_that_is_named_is_compared() {
    let registry = registry();
    let (image_type, index_type) = MANIFEST_TYPES[1];
    let layer = content(1_000, 1);
    let named = |digest: &str, size: usize| {
        format!(r#"{{"mediaType":"{image_type}","digest":"{digest}","size":{size}}}"#)
    };
    let image = |repository: &str, sizes: &[usize]| {
        let config = named(&registry.push_blob(repository, b"{}").unwrap(), 2);
        let digest = registry.push_blob(repository, &layer).unwrap();
        let layers: Vec<_> = sizes.iter().map(|size| named(&digest, *size)).collect();
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{image_type}","config":{config},"layers":[{}]}}"#,
            layers.join(",")
        );
        (registry.push_manifest(repository, "1.0", image_type, &text).unwrap(), text.len())
    };
    let (manifest, size) = image("first", &[1_000]);
    image("second", &[1_001]);
    image("third", &[1_000, 999]);
    let children = [named(&manifest, size), named(&manifest, size + 1)].join(",");
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{index_type}","manifests":[{children}]}}"#);
    for (kind, store) in both(&registry, Integrity::Content) {
        assert!(inspect(&store, "first").await.is_ok(), "{kind}");
        let digest = digest_of(&layer);
        for (repository, size) in [("second", 1_001), ("third", 999)] {
            let expected = format!("layer {digest} of tag 1.0: has 1000 bytes instead of {size}");
            assert_eq!(reason(inspect(&store, repository).await), expected, "{kind}");
        }
    }
    registry.push_manifest("first", "2.0", index_type, &text).unwrap();
    for (kind, store) in both(&registry, Integrity::Content) {
        let expected = format!("manifest {manifest} of tag 2.0: has {size} bytes instead of {}", size + 1);
        assert_eq!(reason(inspect(&store, "first").await), expected, "{kind}");
    }
}

#[tokio::test]
async fn manifests_that_we_do_not_know_are_said_to_be_unknown() {
    let folder = tempfile::tempdir().unwrap();
    for (text, said) in [
        (
            r#"{"schemaVersion":2,"mediaType":"text/x-strange"}"#.to_owned(),
            "unknown media type text/x-strange",
        ),
        (r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), "unsupported schema version 1"),
        (r#"{"schemaVersion":2}"#.to_owned(), "is neither a manifest nor an index"),
        (" ".repeat(4 * 1024 * 1024 + 1), "is larger than the 4 MiB a manifest may have"),
    ] {
        let digest = digest_of(text.as_bytes());
        let digits = digest.split_once(':').unwrap().1;
        let v2 = folder.path().join("docker/registry/v2");
        let manifests = v2.join("repositories/image/_manifests");
        for link in ["tags/1.0/current".to_owned(), format!("revisions/sha256/{digits}")] {
            fs::create_dir_all(manifests.join(&link)).unwrap();
            fs::write(manifests.join(&link).join("link"), &digest).unwrap();
        }
        let data = v2.join("blobs/sha256").join(&digits[..2]).join(digits);
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("data"), text).unwrap();
        let store = directory(folder.path(), Integrity::Content);
        let expected = format!("manifest {digest} of tag 1.0: {said}");
        assert_eq!(reason(inspect(&store, "image").await), expected);
    }
}

#[tokio::test]
async fn nothing_outside_of_the_directory_is_opened() {
    let (registry, image) = filled();
    let layer = registry.data(&image.layers[0]);
    let outside = tempfile::tempdir().unwrap();
    fs::rename(&layer, outside.path().join("data")).unwrap();
    symlink(outside.path().join("data"), &layer).unwrap();
    let store = directory(registry.folder(), Integrity::Content);
    let expected = format!("layer {} of tag 1.0: leads out of its storage through a link", image.layers[0]);
    assert_eq!(inspect(&store, "group/first").await, Err(ContentError::Invalid(expected)));
    let link = registry.tag_link("other", "latest");
    fs::write(&link, "../../../etc/passwd").unwrap();
    assert_eq!(reason(inspect(&store, "other").await), "tag latest: malformed digest in its link");
    let unmounted = registry.folder().join("unmounted");
    for expected in ["unmounted does not exist", "unmounted/docker/registry/v2/repositories: No such"] {
        let seen = inspect(&directory(&unmounted, Integrity::Content), "other").await;
        let Err(ContentError::NotJudged(NotJudged::Storage(why))) = &seen else { panic!("{seen:?}") };
        assert!(why.contains(expected), "{why}");
        let _made = fs::create_dir(&unmounted);
    }
}
