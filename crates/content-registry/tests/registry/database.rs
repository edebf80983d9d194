//! A registry with GitLab's metadata database, of which only configs and layers are in the folder. The folder is filled by
//! a real registry.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;

use secrecy::SecretString;
use stocktake_content_registry::{
    Integrity, RegistryDirectorySettings, RegistryLayoutSettings, RegistryStore,
};
use stocktake_domain::ContentError;
use stocktake_domain::contract::ContentFixture;
use stocktake_testbed::{PushedImage, Registry, RegistryDatabase};

use crate::support::{
    Store, checksum, content, directory, inspect, list, not_judged, readers, reason, registry, shown,
};

/// A registry and its database.
pub(crate) struct WithDatabase {
    pub(crate) registry: Registry,
    database: RegistryDatabase,
}

impl WithDatabase {
    pub(crate) fn new() -> Self {
        let registry = registry();
        let database = RegistryDatabase::new().unwrap();
        let locks = registry.folder().join("docker/registry/lockfiles");
        fs::create_dir_all(&locks).unwrap();
        fs::write(locks.join("database-in-use"), "").unwrap();
        Self { registry, database }
    }

    pub(crate) fn sql(&self, statement: &str) {
        self.database.sql(statement).unwrap();
    }

    pub(crate) fn add_repository(&self, id: u32, path: &str) {
        self.database.add_repository(id, path).unwrap();
    }

    /// Pushes an image, and moves everything but its blobs into the database.
    pub(crate) fn push(&self, repository: (u32, &str), tag: &str, layer: &[u8]) -> PushedImage {
        let (id, path) = repository;
        let image = self.registry.push_image(path, tag, true, &[layer]).unwrap();
        let data = self.registry.data(&image.manifest);
        let payload = fs::read(&data).unwrap();
        self.database.add_manifest(id, Some(tag), &image.manifest, &payload).unwrap();
        fs::remove_file(data).unwrap();
        fs::remove_dir_all(self.registry.folder().join("docker/registry/v2/repositories")).unwrap();
        image
    }

    pub(crate) fn store(&self) -> Store {
        self.store_at(self.database.url())
    }

    fn store_at(&self, url: &str) -> Store {
        let settings = RegistryDirectorySettings {
            root: self.registry.folder().to_owned(),
            readers: NonZeroUsize::new(4).unwrap(),
            layout: RegistryLayoutSettings {
                bytes_per_second: None,
                integrity: Integrity::Content,
                database_url: Some(SecretString::from(url)),
            },
        };
        Arc::new(RegistryStore::of_directory(settings, &readers()).unwrap())
    }
}

pub(crate) async fn repositories() -> ContentFixture {
    let with = WithDatabase::new();
    let present = ["group/b", "group/a", "z"].map(str::to_owned).to_vec();
    for (id, path) in (1..).zip(&present) {
        with.add_repository(id, path);
        with.push((id, path), "latest", &content(10_000, id));
    }
    let store = with.store();
    let model = stocktake_domain::Model::ContainerRepositories;
    ContentFixture {
        store,
        model,
        present,
        absent: "group/none".to_owned(),
        abandon: None,
        keep: Box::new(with),
    }
}

#[tokio::test]
async fn tags_and_manifests_are_those_of_the_database() {
    let with = WithDatabase::new();
    with.add_repository(1, "group/image");
    with.add_repository(2, "group/never-tagged");
    with.add_repository(3, "group/deleted");
    let one = with.push((1, "group/image"), "1.0", &content(100_000, 1));
    let two = with.push((1, "group/image"), "2.0", &content(90_000, 2));
    with.push((3, "group/deleted"), "1.0", &content(1_000, 3));
    with.sql("UPDATE repositories SET deleted_at = now() WHERE id = 3");
    let store = with.store();
    let seen = inspect(&store, "group/image").await;
    assert_eq!(shown(&seen), checksum(&[("1.0", &one.manifest), ("2.0", &two.manifest)]));
    assert!(seen.unwrap().bytes_read > 190_000);
    assert_eq!(shown(&inspect(&store, "group/never-tagged").await), checksum(&[]));
    for absent in ["group/deleted", "group/unknown"] {
        assert_eq!(inspect(&store, absent).await, Err(ContentError::MissingRepository));
    }
    let listed = ["group/image", "group/never-tagged"].map(|name| Ok(name.to_owned())).to_vec();
    assert_eq!(list(&store).await, listed);
    // Online garbage collection removes what no tag needs any more.
    with.sql("DELETE FROM tags WHERE name = '2.0'; DELETE FROM manifests WHERE id = 2");
    fs::remove_file(with.registry.data(&two.layers[0])).unwrap();
    assert_eq!(shown(&inspect(&store, "group/image").await), checksum(&[("1.0", &one.manifest)]));
}

#[tokio::test]
async fn what_is_damaged_is_found() {
    let with = WithDatabase::new();
    with.add_repository(1, "image");
    let image = with.push((1, "image"), "1.0", &content(100_000, 1));
    let store = with.store();
    let layer = with.registry.data(&image.layers[0]);
    let good = fs::read(&layer).unwrap();
    fs::remove_file(&layer).unwrap();
    let place = format!("layer {} of tag 1.0", image.layers[0]);
    assert_eq!(reason(inspect(&store, "image").await), format!("{place}: not in the registry"));
    fs::write(&layer, &good[1..]).unwrap();
    let text = reason(inspect(&store, "image").await);
    assert_eq!(text, format!("{place}: has 99999 bytes instead of 100000"));
    fs::write(&layer, &good).unwrap();
    with.sql("UPDATE manifests SET payload = payload || '\\x20'");
    let text = reason(inspect(&store, "image").await);
    assert!(text.starts_with(&format!("manifest {} of tag 1.0: content has ", image.manifest)), "{text}");
    with.sql("DELETE FROM manifests");
    assert_eq!(reason(inspect(&store, "image").await), "tag 1.0: no manifest");
}

#[tokio::test]
async fn a_registry_is_not_read_where_its_tags_are_not() {
    let with = WithDatabase::new();
    with.add_repository(1, "image");
    with.push((1, "image"), "1.0", &content(1_000, 1));
    let folder = directory(with.registry.folder(), Integrity::Content);
    let text = not_judged(inspect(&folder, "image").await);
    assert!(text.ends_with("set database_url, or use kind = \"registry\""), "{text}");
    assert!(folder.probe().await.is_err());
    let locks = with.registry.folder().join("docker/registry/lockfiles");
    fs::rename(locks.join("database-in-use"), locks.join("filesystem-in-use")).unwrap();
    let text = not_judged(inspect(&with.store(), "image").await);
    assert!(text.ends_with("remove database_url"), "{text}");
}

#[tokio::test]
async fn a_database_that_cannot_be_read_closes_the_storage() {
    let with = WithDatabase::new();
    let url = with.database.url();
    let absent = url.replace(url.rsplit('/').next().unwrap(), "absent");
    let text = not_judged(inspect(&with.store_at(&absent), "image").await);
    assert!(text.starts_with("the registry's database ") && text.contains("absent"), "{text}");
    with.sql("DROP TABLE tags");
    with.add_repository(1, "image");
    let text = not_judged(inspect(&with.store(), "image").await);
    assert!(text.contains("\"tags\" does not exist"), "{text}");
}

#[tokio::test]
async fn a_repository_to_which_only_layers_were_pushed_is_empty() {
    let registry = registry();
    registry.push_blob("image", b"layer").unwrap();
    let store = directory(registry.folder(), Integrity::Content);
    assert_eq!(shown(&inspect(&store, "image").await), checksum(&[]));
}
