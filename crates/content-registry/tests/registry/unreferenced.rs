//! What a registry keeps though nothing refers to it: just that is told, and nothing that somebody may still need.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::StreamExt as _;
use stocktake_content_registry::Integrity;
use stocktake_domain::ports::ListError;
use stocktake_domain::{Timestamp, Unreferenced, UnreferencedKind, Usage};
use stocktake_testbed::{MANIFEST_TYPES, PushedImage, Registry, set_modified};

use crate::database::WithDatabase;
use crate::support::*;

/// Files are made to be of 2020.
const OLD: Duration = Duration::from_secs(1_577_836_800);

/// The beginning of 2021: what is newer is too young.
const CHANGED_BEFORE: i64 = 1_609_459_200_000;

/// What a search told.
#[derive(Default)]
struct Told {
    found: BTreeMap<String, (UnreferencedKind, u64)>,
    needed: usize,
    young: usize,
    skipped: Vec<String>,
    broken: Option<String>,
}

async fn search(store: &Store) -> Told {
    let mut told = Told::default();
    let mut usages = store.unreferenced(Timestamp::from_millis(CHANGED_BEFORE)).unwrap();
    while let Some(usage) = usages.next().await {
        assert_eq!(told.broken, None, "nothing comes behind the end");
        match usage {
            Ok(Usage::Needed) => told.needed += 1,
            Ok(Usage::Young) => told.young += 1,
            Ok(Usage::Unreferenced(Unreferenced { kind, path, size, .. })) => {
                assert_eq!(told.found.insert(path.clone(), (kind, size)), None, "{path} is told twice");
            }
            Err(ListError::Broken(reason)) => told.broken = Some(reason),
            Err(error) => told.skipped.push(error.to_string()),
        }
    }
    told
}

async fn in_directory(registry: &Registry) -> Told {
    search(&directory(registry.folder(), Integrity::Content)).await
}

/// Makes everything below a folder old.
fn age(folder: &Path) {
    set_modified(folder, UNIX_EPOCH + OLD).unwrap();
}

pub(crate) fn blob(digest: &str) -> String {
    let digits = digest.strip_prefix("sha256:").unwrap();
    format!("docker/registry/v2/blobs/sha256/{}/{digits}/data", &digits[..2])
}

fn size(registry: &Registry, digest: &str) -> u64 {
    fs::metadata(registry.data(digest)).unwrap().len()
}

/// A registry that needs all it has.
fn filled() -> (Registry, PushedImage) {
    let registry = registry();
    let shared = content(5_000, 1);
    let image = registry.push_image("group/image", "1.0", true, &[&content(1_000, 2), &shared]).unwrap();
    let child = registry.push_image("group/image", "child", true, &[&content(2_000, 3)]).unwrap();
    registry.push_index("group/image", "all", true, &[&child]).unwrap();
    fs::remove_dir_all(registry.repository("group/image").join("_manifests/tags/child")).unwrap();
    registry.push_image("group/image/below", "1.0", false, &[&shared]).unwrap();
    // A signature, which no tag names, and one of the signature.
    let signature = referrer(&registry, &image.manifest, image.size, b"signature");
    referrer(&registry, &signature.0, signature.1, b"another");
    (registry, image)
}

/// Pushes a manifest by its digest that says something of another one; its digest and size.
fn referrer(registry: &Registry, subject: &str, size: usize, layer: &[u8]) -> (String, usize) {
    let (media_type, _) = MANIFEST_TYPES[1];
    let descriptor = |media_type: &str, digest: &str, size: usize| {
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
    };
    let [config, layer] = [&b"{}"[..], layer].map(|bytes| {
        let digest = registry.push_blob("group/image", bytes).unwrap();
        descriptor("application/octet-stream", &digest, bytes.len())
    });
    let subject = descriptor(media_type, subject, size);
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{config},"layers":[{layer}],"subject":{subject}}}"#
    );
    let digest = stocktake_testbed::digest_of(text.as_bytes());
    registry.push_manifest("group/image", &digest, media_type, &text).unwrap();
    (digest, text.len())
}

#[tokio::test]
async fn what_a_tag_reaches_in_any_way_is_needed() {
    let (registry, _) = filled();
    age(registry.folder());
    let told = in_directory(&registry).await;
    assert_eq!((told.found, told.skipped, told.broken), (BTreeMap::new(), Vec::new(), None));
    assert_eq!(told.young, 0);
    // Six manifests, their bytes, four configs and five layers.
    assert_eq!(told.needed, 6 + 6 + 4 + 5);
}

#[tokio::test]
async fn just_what_nothing_refers_to_is_told() {
    let (registry, image) = filled();
    let shared = content(5_000, 1);
    let mut expected = BTreeMap::new();
    // A manifest that was deleted leaves its bytes and its own layer, and not the one that others have.
    let deleted = registry.push_image("group/other", "1.0", true, &[&content(700, 4), &shared]).unwrap();
    registry.delete_manifest("group/other", &deleted.manifest).unwrap();
    for digest in [&deleted.manifest, &deleted.config, &deleted.layers[0]] {
        expected.insert(blob(digest), (UnreferencedKind::Blob, size(&registry, digest)));
    }
    // One whose tag was given to another is still there.
    let untagged = registry.push_image("group/other", "2.0", true, &[&content(800, 5), &shared]).unwrap();
    registry.push_image("group/other", "2.0", true, &[&shared]).unwrap();
    let path = format!("group/other@{}", untagged.manifest);
    expected.insert(path, (UnreferencedKind::Manifest, size(&registry, &untagged.manifest)));
    let layer = &untagged.layers[0];
    expected.insert(blob(layer), (UnreferencedKind::BlobOfUntagged, size(&registry, layer)));
    // One that a tag reaches in another repository takes no bytes here.
    let digests = image.layers.iter().chain([&image.config]);
    for digest in digests {
        let target = format!("/v2/by-digest/blobs/uploads/?mount={digest}&from=group/image");
        assert_eq!(registry.request("POST", &target, &[], &[]).unwrap().status, 201);
    }
    let text = fs::read_to_string(registry.data(&image.manifest)).unwrap();
    registry.push_manifest("by-digest", &image.manifest, image.media_type, &text).unwrap();
    expected.insert(format!("by-digest@{}", image.manifest), (UnreferencedKind::Manifest, 0));
    // A layer of an image that was never pushed, and an upload that was never finished.
    let layer = registry.push_blob("group/layers", &content(900, 6)).unwrap();
    expected.insert(blob(&layer), (UnreferencedKind::Blob, 900));
    let begun = registry.request("POST", "/v2/group/layers/blobs/uploads/", &[], &[]).unwrap();
    let location = begun.header("Location").unwrap();
    let octets = [("Content-Type", "application/octet-stream")];
    assert_eq!(registry.request("PATCH", location, &octets, &content(600, 7)).unwrap().status, 202);
    let uploads = registry.repository("group/layers").join("_uploads");
    let upload = fs::read_dir(&uploads).unwrap().next().unwrap().unwrap().file_name();
    let upload = upload.to_str().unwrap().to_owned();

    let young = in_directory(&registry).await;
    assert_eq!((young.found, young.skipped, young.broken), (BTreeMap::new(), Vec::new(), None));
    age(registry.folder());
    let mut told = in_directory(&registry).await;
    assert_eq!((told.skipped, told.broken, told.young), (Vec::new(), None, 0));
    let path = format!("docker/registry/v2/repositories/group/layers/_uploads/{upload}");
    let (kind, bytes) = told.found.remove(&path).unwrap();
    assert!(kind == UnreferencedKind::Upload && bytes >= 600, "{kind} {bytes}");
    assert_eq!(told.found, expected);
}

#[tokio::test]
async fn a_blob_that_was_lately_linked_may_be_part_of_a_push() {
    let (registry, _) = filled();
    let digest = registry.push_blob("group/image", &content(900, 6)).unwrap();
    age(registry.folder());
    let digits = digest.strip_prefix("sha256:").unwrap();
    let link = registry.repository("group/image").join("_layers/sha256").join(digits).join("link");
    fs::write(link, &digest).unwrap();
    let told = in_directory(&registry).await;
    assert_eq!((told.found, told.broken), (BTreeMap::new(), None));
    age(registry.folder());
    assert_eq!(in_directory(&registry).await.found.into_keys().collect::<Vec<_>>(), [blob(&digest)]);
}

#[tokio::test]
async fn nothing_is_told_that_something_unreadable_may_refer_to() {
    let (registry, image) = filled();
    let blob = registry.push_blob("group/image", &content(900, 6)).unwrap();
    let untagged = registry.push_image("group/other", "2.0", true, &[&content(800, 5)]).unwrap();
    registry.push_image("group/other", "2.0", true, &[&content(850, 5)]).unwrap();
    age(registry.folder());
    let found = in_directory(&registry).await.found;
    assert!(found.contains_key(&self::blob(&blob)) && found.len() == 3, "{found:?}");
    let manifest = registry.data(&image.manifest);
    let good = fs::read(&manifest).unwrap();
    // A manifest that was altered names something else than it did.
    fs::write(&manifest, String::from_utf8(good.clone()).unwrap().replace(&image.config, &blob)).unwrap();
    age(registry.folder());
    let told = in_directory(&registry).await;
    let untagged = [format!("group/other@{}", untagged.manifest)];
    assert_eq!(told.found.into_keys().collect::<Vec<_>>(), untagged);
    assert!(told.broken.unwrap().starts_with("blobs are not judged: "));
    assert!(told.skipped[0].starts_with(&format!("group/image@{}: its content has", image.manifest)));
    fs::write(&manifest, &good).unwrap();
    // A tag that cannot be read may be that of any manifest of its repository.
    fs::write(registry.tag_link("group/other", "2.0"), "?").unwrap();
    age(registry.folder());
    let told = in_directory(&registry).await;
    assert_eq!(told.found.into_keys().collect::<Vec<_>>(), [self::blob(&blob)]);
    assert_eq!((told.skipped.len(), told.broken), (1, None));
}

#[tokio::test]
async fn a_registry_without_a_manifest_is_another_place_of_its_blobs() {
    let (registry, _) = filled();
    age(registry.folder());
    let repositories = registry.folder().join("docker/registry/v2/repositories");
    fs::remove_dir_all(&repositories).unwrap();
    let told = in_directory(&registry).await;
    assert!(told.found.is_empty() && told.broken.unwrap().contains("No such folder"));
    fs::create_dir(&repositories).unwrap();
    let told = in_directory(&registry).await;
    assert!(told.found.is_empty() && told.broken.unwrap().ends_with("has no manifest at all"));
}

#[tokio::test]
async fn the_metadata_database_says_what_is_referred_to() {
    let with = WithDatabase::new();
    for (id, path) in [(1, "image"), (2, "deleted")] {
        with.add_repository(id, path);
    }
    with.push((1, "image"), "1.0", &content(1_000, 1));
    let untagged = with.push((1, "image"), "2.0", &content(2_000, 2));
    with.push((2, "deleted"), "1.0", &content(3_000, 3));
    let linked = with.registry.push_blob("image", &content(4_000, 4)).unwrap();
    let left = with.registry.push_blob("image", &content(5_000, 5)).unwrap();
    with.sql("DELETE FROM tags WHERE name = '2.0'");
    with.sql("UPDATE repositories SET deleted_at = now() WHERE id = 2");
    with.sql("UPDATE manifests SET created_at = '2020-01-01'");
    let digits = linked.strip_prefix("sha256:").unwrap();
    with.sql(&format!("INSERT INTO repository_blobs VALUES (1, '\\x01{digits}', '2022-01-01')"));
    age(with.registry.folder());
    let told = search(&with.store()).await;
    assert_eq!((told.skipped, told.broken), (Vec::new(), None));
    let mut expected = BTreeMap::from([(blob(&left), UnreferencedKind::Blob)]);
    expected.insert(format!("image@{}", untagged.manifest), UnreferencedKind::Manifest);
    for digest in [&untagged.config, &untagged.layers[0]] {
        expected.insert(blob(digest), UnreferencedKind::BlobOfUntagged);
    }
    assert_eq!(
        told.found.into_iter().map(|(path, (kind, _))| (path, kind)).collect::<BTreeMap<_, _>>(),
        expected
    );
}

#[tokio::test]
async fn a_registry_over_its_api_cannot_say_it() {
    let registry = registry();
    assert!(http(&registry.url()).unreferenced(Timestamp::from_millis(CHANGED_BEFORE)).is_none());
}
