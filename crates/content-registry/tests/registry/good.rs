//! What is seen of repositories in which nothing is wrong.

use std::fs;

use sha2::Digest as _;
use stocktake_content_registry::Integrity;
use stocktake_domain::contract::Recorder;
use stocktake_domain::{Algorithms, ContentError, DigestRule, Emptied, Evidence, Model};
use stocktake_testbed::MANIFEST_TYPES;

use crate::support::*;

#[tokio::test]
async fn the_checksum_is_that_of_gitlabs_vector() {
    let folder = tempfile::tempdir().unwrap();
    let tags = folder.path().join("docker/registry/v2/repositories/group/image/_manifests/tags");
    for (tag, digit) in [("latest", "b"), ("1.0", "a")] {
        std::fs::create_dir_all(tags.join(tag).join("current")).unwrap();
        std::fs::write(tags.join(tag).join("current/link"), format!("sha256:{}", digit.repeat(64))).unwrap();
    }
    let store = directory(folder.path(), Integrity::Tags);
    std::fs::create_dir_all(tags.parent().unwrap().parent().unwrap().with_file_name("bare/_manifests/tags"))
        .unwrap();
    let bare = inspect(&store, "group/bare").await;
    assert_eq!(shown(&bare), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let seen = inspect(&store, "group/image").await;
    assert_eq!(shown(&seen), "e3cb7653b25b1b7c169dc6efea4491170861346effbf2a8e79d2e3abbce33134");
    let seen = seen.unwrap();
    assert_eq!((seen.evidence, seen.bytes_read, seen.stored.size), (Evidence::Content, 0, None));
}

#[tokio::test]
async fn all_kinds_of_manifests_are_read_and_both_kinds_of_storage_agree() {
    let registry = registry();
    let (base, one, two) = (content(3_000_000, 1), content(100_000, 2), content(0, 3));
    let docker = registry.push_image("group/project/image", "1.0", false, &[&base, &one]).unwrap();
    let oci = registry.push_image("group/project/image", "oci", true, &[&base, &two]).unwrap();
    let list = registry.push_index("group/project/image", "list", false, &[&docker]).unwrap();
    let index = registry.push_index("group/project/image", "A-index", true, &[&oci, &docker]).unwrap();
    let expected =
        checksum(&[("1.0", &docker.manifest), ("oci", &oci.manifest), ("list", &list), ("A-index", &index)]);
    let manifests = [&docker.manifest, &oci.manifest, &list, &index, &docker.config, &oci.config];
    let small: u64 = manifests.iter().map(|digest| registry.data(digest).metadata().unwrap().len()).sum();
    let all = small + (base.len() + one.len() + two.len()) as u64;
    for (kind, store) in both(&registry, Integrity::Content) {
        let seen = inspect(&store, "group/project/image").await;
        assert_eq!(shown(&seen), expected, "{kind}");
        assert_eq!(seen.unwrap().bytes_read, all, "{kind}: each digest once");
    }
    for (kind, store) in both(&registry, Integrity::Tags) {
        let seen = inspect(&store, "group/project/image").await;
        assert_eq!((shown(&seen), seen.unwrap().bytes_read), (expected.clone(), 0), "{kind}");
    }
}

#[tokio::test]
async fn empty_missing_and_impossible_repositories_are_told_apart() {
    let registry = registry();
    let image = registry.push_image("group/emptied", "1.0", true, &[b"layer"]).unwrap();
    registry.delete_manifest("group/emptied", &image.manifest).unwrap();
    let paths = ["group/emptied", "group/unknown", "group", "Group/Emptied", "../outside", ""];
    for (kind, store) in both(&registry, Integrity::Content) {
        let seen = inspect_all(&store, &paths).await;
        assert_eq!(shown(&seen[0]), checksum(&[]), "{kind}");
        assert_eq!(seen[1], Err(ContentError::MissingRepository), "{kind}");
        assert_eq!(seen[2], Err(ContentError::MissingRepository), "{kind}");
        for (path, seen) in paths.iter().zip(&seen).skip(3) {
            let reason = format!("the path names no container repository: {path}");
            assert_eq!(*seen, Err(ContentError::Invalid(reason)), "{kind}");
        }
    }
}

#[tokio::test]
async fn a_repository_that_lost_its_manifests_is_not_taken_for_one_whose_tags_were_deleted() {
    let registry = registry();
    let image = registry.push_image("untagged", "1.0", true, &[b"layer"]).unwrap();
    registry.delete_manifest("untagged", &image.manifest).unwrap();
    registry.push_image("lost", "1.0", true, &[b"layer"]).unwrap();
    registry.push_blob("layers", b"layer").unwrap();
    let emptied = |seen: &Seen| seen.as_ref().unwrap().emptied;
    for (kind, store) in both(&registry, Integrity::Content) {
        for path in ["untagged", "lost"] {
            assert_eq!(emptied(&inspect(&store, path).await), None, "{kind}: {path}");
        }
    }
    fs::remove_dir_all(registry.repository("lost").join("_manifests")).unwrap();
    for integrity in [Integrity::Content, Integrity::Tags] {
        let [(_, over_http), (_, in_directory)] = both(&registry, integrity);
        for path in ["lost", "layers"] {
            let seen = inspect(&in_directory, path).await;
            assert_eq!((shown(&seen), emptied(&seen)), (checksum(&[]), Some(Emptied::Manifests)), "{path}");
            assert_eq!(inspect(&over_http, path).await, Err(ContentError::MissingRepository), "{path}");
        }
    }
}

#[tokio::test]
async fn only_the_digests_that_are_asked_for_and_no_rule() {
    let registry = registry();
    let image = registry.push_image("image", "1.0", true, &[b"layer"]).unwrap();
    for (kind, store) in both(&registry, Integrity::Content) {
        let mut ruled = piece("image", SHA256);
        ruled.rule = DigestRule::PortablePdb;
        let md5 = piece("image", Algorithms { sha256: false, md5: true, sha1: false, gitaly: false });
        let mut unresolved = piece("", SHA256);
        unresolved.rule = DigestRule::Unresolved("project 7 is gone".to_owned());
        let kept = Recorder::new(3);
        store.inspect(vec![md5, ruled, unresolved], std::sync::Arc::default(), kept.clone()).await;
        let seen = kept.all();
        let digests = seen[0].as_ref().unwrap().stored.digests;
        let expected: [u8; 16] = md5::Md5::digest(format!("1.0{}", image.manifest)).into();
        assert_eq!((digests.md5, digests.sha256), (Some(expected), None), "{kind}");
        assert!(matches!(seen[1], Err(ContentError::Invalid(_))), "{kind}");
        assert_eq!(seen[2], Err(ContentError::Invalid("project 7 is gone".to_owned())), "{kind}");
    }
    assert!(!Model::ContainerRepositories.may_be_absent());
}

#[tokio::test]
async fn layers_under_sha512_and_layers_kept_elsewhere() {
    let registry = registry();
    let layer = content(700_000, 4);
    let digest = format!("sha512:{}", hex::encode(sha2::Sha512::digest(&layer)));
    registry.push_blob_as("image", &layer, &digest).unwrap();
    let config = registry.push_blob("image", b"{}").unwrap();
    let foreign = format!("sha256:{}", "c".repeat(64));
    let layers = [
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":{},"digest":"{digest}"}}"#,
            layer.len()
        ),
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar","size":9,
                 "digest":"{foreign}","urls":["https://example.com/layer"]}}"#
        ),
    ];
    let (media_type, _) = MANIFEST_TYPES[1];
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{media_type}","layers":[{}],
             "config":{{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"{config}"}}}}"#,
        layers.join(",")
    );
    let manifest = registry.push_manifest("image", "1.0", media_type, &text).unwrap();
    for (kind, store) in both(&registry, Integrity::Content) {
        let seen = inspect(&store, "image").await;
        assert_eq!(shown(&seen), checksum(&[("1.0", &manifest)]), "{kind}");
        assert_eq!(seen.unwrap().bytes_read, (layer.len() + 2 + text.len()) as u64, "{kind}");
    }
    let stored = registry.data(&stocktake_testbed::digest_of(&layer));
    let mut altered = layer.clone();
    altered[600_000] ^= 1;
    std::fs::write(stored, &altered).unwrap();
    let found = format!("sha512:{}", hex::encode(sha2::Sha512::digest(&altered)));
    for (kind, store) in both(&registry, Integrity::Content) {
        let text = format!("layer {digest} of tag 1.0: content has {found}");
        assert_eq!(reason(inspect(&store, "image").await), text, "{kind}");
    }
}

#[tokio::test]
async fn thousands_of_tags_make_one_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let tags = folder.path().join("docker/registry/v2/repositories/a/_manifests/tags");
    let mut expected = Vec::new();
    for number in 0..3_000_u32 {
        let (tag, digest) = (format!("v{number}"), stocktake_testbed::digest_of(&number.to_le_bytes()));
        std::fs::create_dir_all(tags.join(&tag).join("current")).unwrap();
        std::fs::write(tags.join(&tag).join("current/link"), &digest).unwrap();
        expected.push((tag, digest));
    }
    let store = directory(folder.path(), Integrity::Tags);
    let expected: Vec<_> = expected.iter().map(|(tag, digest)| (tag.as_str(), digest.as_str())).collect();
    assert_eq!(shown(&inspect(&store, "a").await), checksum(&expected));
}
