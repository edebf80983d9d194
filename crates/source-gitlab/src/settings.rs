//! The settings of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::SecretString;
use stocktake_domain::ObjectType;

/// Where the database is, and the names that the instance's storages have in Stocktake.
#[derive(Debug, Clone)]
pub struct GitlabSettings {
    /// The URL of the main database, `postgres://…/gitlabhq_production`, with `sslmode` and `sslrootcert` as
    /// [`stocktake_net::postgres`] says.
    pub database_url: SecretString,
    /// The URL of the database of CI, where an installation has a second one.
    pub ci_database_url: Option<SecretString>,
    /// The URL of the database of security, where an installation has one.
    pub sec_database_url: Option<SecretString>,
    /// The URL of the database of Praefect, where an installation has a Gitaly Cluster.
    pub praefect_database_url: Option<SecretString>,
    /// The names of the instance's storages.
    pub storages: Storages,
    /// The largest number of rows that one statement reads.
    pub batch_size: NonZeroU32,
    /// How long one statement may take.
    pub statement_timeout: Duration,
}

impl GitlabSettings {
    /// [`GitlabSettings::batch_size`] by default.
    pub const BATCH_SIZE: NonZeroU32 = NonZeroU32::new(5_000).unwrap();
    /// [`GitlabSettings::statement_timeout`] by default: that of GitLab itself.
    pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

    /// Settings with the defaults.
    pub fn new(database_url: SecretString, storages: Storages) -> Self {
        Self {
            database_url,
            ci_database_url: None,
            sec_database_url: None,
            praefect_database_url: None,
            storages,
            batch_size: Self::BATCH_SIZE,
            statement_timeout: Self::STATEMENT_TIMEOUT,
        }
    }
}

/// The two storages of one type of objects; a file's row says which of them holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stores {
    /// Stocktake's storage of the local folder.
    pub local: Option<String>,
    /// Stocktake's storage of the bucket.
    pub object: Option<String>,
}

/// The storages in which the content of GitLab's rows is. The records in a storage that is left out fail with a message
/// that names what is not configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storages {
    /// The storages of files.
    pub files: BTreeMap<ObjectType, Stores>,
    /// The folder `public` of the installation, in which local attestations are.
    pub public: Option<String>,
    /// Absolute paths of the local folder of [`ObjectType::Uploads`], without a slash at the end: rows of very
    /// old uploads contain absolute paths.
    pub uploads_folders: Vec<String>,
    /// Git storages by their names in Gitaly and `projects.repository_storage`.
    pub git: BTreeMap<String, String>,
    /// The storages of the nodes of a Gitaly Cluster, each with Gitaly's name for it. No row names them.
    pub replicas: BTreeMap<String, String>,
    /// The container registry.
    pub registry: Option<String>,
    /// Why some that are left out are unknown.
    pub unknown: UnknownPlaces,
}

/// Places that there are, but of which it is not known where they are: why, as the reason of the records in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownPlaces {
    /// Local folders.
    pub local: BTreeMap<ObjectType, String>,
    /// Buckets.
    pub object: BTreeMap<ObjectType, String>,
    /// The folder `public`.
    pub public: Option<String>,
    /// Git storages by their names in Gitaly.
    pub git: BTreeMap<String, String>,
    /// All other Git storages.
    pub other_git: Option<String>,
    /// The container registry.
    pub registry: Option<String>,
}

impl Storages {
    /// The storage of a file, by the row's store column; `uploader` is GitLab's class for such files.
    pub(crate) fn file(
        &self,
        object_type: ObjectType,
        store: Option<i64>,
        uploader: &str,
    ) -> Result<String, String> {
        let stores = self.files.get(&object_type);
        match store {
            None | Some(LOCAL) => stores.and_then(|stores| stores.local.clone()).ok_or_else(|| {
                let unknown = self.unknown.local.get(&object_type).cloned();
                unknown
                    .unwrap_or_else(|| format!("no local storage is configured for GitLab's {object_type}"))
            }),
            Some(OBJECT) => stores.and_then(|stores| stores.object.clone()).ok_or_else(|| {
                let unknown = self.unknown.object.get(&object_type).cloned();
                unknown.unwrap_or_else(|| format!("Object Storage is not enabled for {uploader}"))
            }),
            Some(other) => Err(format!("its store is {other}, neither 1 (local) nor 2 (object storage)")),
        }
    }

    /// The names of all of them.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let files = self.files.values().flat_map(|stores| [&stores.local, &stores.object]);
        let single = files.chain([&self.public, &self.registry]).flatten();
        single.chain(self.git.values()).chain(self.replicas.keys()).cloned().collect()
    }

    /// The roles of a storage in GitLab; several where types of objects share a bucket.
    pub(crate) fn roles(&self, name: &str) -> Vec<StorageRole> {
        let is = |storage: &Option<String>| storage.as_deref() == Some(name);
        let mut roles = Vec::new();
        for (object_type, Stores { local, object }) in &self.files {
            roles.extend(is(local).then_some(StorageRole::Folder(*object_type)));
            roles.extend(is(object).then_some(StorageRole::Bucket(*object_type)));
        }
        roles.extend(is(&self.public).then_some(StorageRole::Public));
        roles.extend(is(&self.registry).then_some(StorageRole::Registry));
        roles.extend(self.replicas.contains_key(name).then_some(StorageRole::Replicas));
        roles.extend(self.git.values().any(|storage| storage == name).then_some(StorageRole::Git));
        roles
    }

    /// The roles that a storage of this role may have as well: those of the types of which no storage of that kind is known.
    pub(crate) fn roles_of_unknown(&self, role: StorageRole) -> impl Iterator<Item = StorageRole> {
        ObjectType::ALL.into_iter().filter_map(move |of| {
            let stores = self.files.get(&of);
            match role {
                StorageRole::Folder(_) => {
                    stores.is_none_or(|stores| stores.local.is_none()).then_some(StorageRole::Folder(of))
                }
                StorageRole::Bucket(_) => {
                    stores.is_none_or(|stores| stores.object.is_none()).then_some(StorageRole::Bucket(of))
                }
                _ => None,
            }
        })
    }

    /// The storage for the Gitaly storage of this name.
    pub(crate) fn git(&self, name: &str) -> Result<String, String> {
        let known = self.git.get(name).cloned();
        known.ok_or_else(|| {
            let unknown = self.unknown.git.get(name).or(self.unknown.other_git.as_ref());
            unknown.cloned().unwrap_or_else(|| format!("the Git storage {name:?} is not configured"))
        })
    }

    /// The folder `public`.
    pub(crate) fn public(&self) -> Result<String, String> {
        self.public.clone().ok_or_else(|| {
            let unknown = self.unknown.public.clone();
            unknown.unwrap_or_else(|| "no local storage is configured for GitLab's folder public".to_owned())
        })
    }

    /// The container registry.
    pub(crate) fn registry(&self) -> Result<String, String> {
        self.registry.clone().ok_or_else(|| {
            let unknown = self.unknown.registry.clone();
            unknown.unwrap_or_else(|| "no storage is configured for GitLab's registry".to_owned())
        })
    }
}

/// The role of a storage in GitLab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorageRole {
    /// The local folder of a type of objects.
    Folder(ObjectType),
    /// The bucket of a type of objects.
    Bucket(ObjectType),
    /// The folder `public`.
    Public,
    /// A storage of Gitaly.
    Git,
    /// A storage of a node of a Gitaly Cluster.
    Replicas,
    /// The container registry.
    Registry,
}

/// `file_store` of a file on the local disk.
pub(crate) const LOCAL: i64 = 1;
/// `file_store` of a file in object storage.
pub(crate) const OBJECT: i64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_an_unknown_place_is_told() {
        let why = || "set storages.gitlab-lfs.root: gitlab.rb calculates it in line 3".to_owned();
        let unknown = UnknownPlaces {
            local: BTreeMap::from([(ObjectType::Lfs, why())]),
            git: BTreeMap::from([("a".to_owned(), why())]),
            registry: Some(why()),
            ..UnknownPlaces::default()
        };
        let storages = Storages { unknown, ..Storages::default() };
        assert_eq!(storages.file(ObjectType::Lfs, Some(1), "LfsObjectUploader"), Err(why()));
        assert_eq!(storages.git("a"), Err(why()));
        assert_eq!(storages.git("b").unwrap_err(), "the Git storage \"b\" is not configured");
        assert_eq!(storages.registry(), Err(why()));
        assert!(storages.public().unwrap_err().starts_with("no local storage"));
        let other_git = UnknownPlaces { other_git: Some(why()), ..UnknownPlaces::default() };
        assert_eq!(Storages { unknown: other_git, ..Storages::default() }.git("b"), Err(why()));
    }

    #[test]
    fn the_store_column_decides_and_null_means_local() {
        let stores = Stores { local: Some("disk".to_owned()), object: None };
        let storages = Storages { files: BTreeMap::from([(ObjectType::Lfs, stores)]), ..Storages::default() };
        let file = |object_type, store| storages.file(object_type, store, "LfsObjectUploader");
        assert_eq!(file(ObjectType::Lfs, None).as_deref(), Ok("disk"));
        assert_eq!(file(ObjectType::Lfs, Some(1)).as_deref(), Ok("disk"));
        assert_eq!(
            file(ObjectType::Lfs, Some(2)).unwrap_err(),
            "Object Storage is not enabled for LfsObjectUploader"
        );
        assert!(file(ObjectType::Lfs, Some(3)).unwrap_err().contains("its store is 3"));
        assert!(file(ObjectType::Pages, Some(1)).unwrap_err().contains("GitLab's pages"));
    }
}
