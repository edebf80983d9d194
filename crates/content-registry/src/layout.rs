//! A registry's own storage: the layout of `distribution`, also that of GitLab's registry, in a folder or in a bucket.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use stocktake_content::tree::{FileReader, FileTree, FolderTree};
use stocktake_content::{HashPool, ReaderPool};
use stocktake_domain::ports::{FoundStream, ProbedStorage, UsageStream};
use stocktake_domain::{ContentError, NotJudged, Timestamp, UnreadableFolder};

use crate::database::Database;
use crate::digest::Digest;
use crate::name;
use crate::settings::{RegistryDirectorySettings, RegistryLayoutSettings, SettingsError};
use crate::source::{
    BlobReader, MAX_MANIFEST, MAX_TAGS, ObjectKind, RegistryError, RegistrySource, TOO_MANY_TAGS, Tag,
};
use crate::store::RegistryStore;
use list::Which;

mod list;
mod repository;
mod unreferenced;

/// Where the registry keeps its repositories, below its root.
const REPOSITORIES: &str = "docker/registry/v2/repositories";

/// Where it keeps the blobs that they share.
const BLOBS: &str = "docker/registry/v2/blobs";

/// Where GitLab's registry notes whether its tags are in the metadata database or in the folder of repositories.
const LOCKS: &str = "docker/registry/lockfiles";
const IN_DATABASE: &str = "database-in-use";
const IN_FOLDER: &str = "filesystem-in-use";

/// The most names that are looked at in the folder of these files.
const MOST_LOCKS: usize = 100;

/// What is in the folder of a repository to which a tag was pushed. The registry removes it from no folder again; in a bucket
/// it ends with the last manifest.
const MANIFESTS: &str = "_manifests";

/// What is in the folder of a repository to which only layers were pushed so far.
const WITHOUT_MANIFESTS: [&str; 2] = ["_layers", "_uploads"];

/// The most bytes of a link; a digest has at most 135.
const MAX_LINK: usize = 1024;

impl RegistryStore {
    /// A store of the repositories in a registry's own storage directory, read by a share of `pool`. The folder need not exist
    /// yet.
    pub fn of_directory(
        settings: RegistryDirectorySettings,
        pool: &Arc<ReaderPool>,
    ) -> Result<Self, SettingsError> {
        let RegistryDirectorySettings { root, readers, layout } = settings;
        let tree = FolderTree::new(root, pool, readers);
        let beside = Arc::new(tree.beside_readers());
        Self::of_layout(Arc::new(tree), beside, layout, Arc::clone(pool.hashes()))
    }

    /// A store of the repositories in the bucket in which a registry keeps its data, hashed by `pool`.
    pub fn of_bucket(
        bucket: Arc<dyn FileTree>,
        settings: RegistryLayoutSettings,
        pool: Arc<HashPool>,
    ) -> Result<Self, SettingsError> {
        Self::of_layout(Arc::clone(&bucket), bucket, settings, pool)
    }

    fn of_layout(
        files: Arc<dyn FileTree>,
        beside: Arc<dyn FileTree>,
        settings: RegistryLayoutSettings,
        pool: Arc<HashPool>,
    ) -> Result<Self, SettingsError> {
        let RegistryLayoutSettings { bytes_per_second, integrity, database_url } = settings;
        let database = database_url.as_ref().map(Database::new).transpose()?;
        let layout = Layout { files, has_database: database.is_some() };
        let beside = Layout { files: beside, ..layout.clone() };
        Ok(Self::of(LayoutSource { layout, beside, database }, pool, integrity, bytes_per_second))
    }
}

/// The layout as a source.
#[derive(Clone)]
struct LayoutSource {
    layout: Layout,
    /// The same, for looks that must not wait until others have read.
    beside: Layout,
    /// Where tags and manifests are, if not in the layout.
    database: Option<Database>,
}

/// The files of the layout.
#[derive(Clone)]
struct Layout {
    files: Arc<dyn FileTree>,
    /// Whether the tags are in the metadata database.
    has_database: bool,
}

impl LayoutSource {
    /// Where the bytes of an object are. If there is no link in the layout, the database has already said that the
    /// repository needs the object.
    async fn place_of(
        &self,
        repository: &str,
        kind: ObjectKind,
        digest: &Digest,
    ) -> Result<String, RegistryError> {
        if self.database.is_some() {
            return Ok(data_path(digest));
        }
        let linked = self.layout.linked(&link_path(repository, kind, digest)).await?;
        Ok(data_path(&linked))
    }

    /// The manifests of a repository, and when they were pushed.
    async fn revisions(&self, repository: &str) -> Result<Vec<(Digest, Option<Timestamp>)>, RegistryError> {
        match &self.database {
            Some(database) => database.revisions(repository).await,
            None => self.layout.links(&format!("{REPOSITORIES}/{repository}/_manifests/revisions")).await,
        }
    }
}

impl Layout {
    /// Fails unless tags are where they are looked for.
    async fn check_lock(&self) -> Result<(), RegistryError> {
        let locks = match self.files.names(LOCKS, MOST_LOCKS).await {
            Ok(names) => names,
            Err(ContentError::MissingFile { .. }) => Vec::new(),
            Err(error) => return Err(not_judged(error).into()),
        };
        let is_there = |lock| locks.iter().any(|found| found.name == lock);
        let reason = match self.has_database {
            false if is_there(IN_DATABASE) => {
                "its tags are in the registry's metadata database: set database_url, or use kind = \"registry\""
            }
            true if is_there(IN_FOLDER) && !is_there(IN_DATABASE) => {
                "its tags are in this folder, not in the registry's metadata database: remove database_url"
            }
            _ => return Ok(()),
        };
        Err(RegistryError::storage(format!("{}: {reason}", self.files.place(""))))
    }

    /// The names in a repository's folder of tags. The registry knows a repository by this folder; to one that has only
    /// layers, no tag was ever pushed.
    async fn tags(&self, repository: &str, most: usize) -> Result<Vec<String>, RegistryError> {
        match self.files.names(&tags_folder(repository), most).await {
            Ok(names) => Ok(names.into_iter().map(|found| found.name).collect()),
            Err(ContentError::MissingFile { .. }) => {
                self.check_untagged(repository).await.map(|()| Vec::new())
            }
            Err(error) => Err(of_list(error)),
        }
    }

    /// Whether a repository has a folder of this name.
    async fn has(&self, repository: &str, name: &str) -> Result<bool, RegistryError> {
        self.files.has_folder(&format!("{REPOSITORIES}/{repository}/{name}")).await.map_err(of_list)
    }

    /// Fails unless there is a repository without tags.
    async fn check_untagged(&self, repository: &str) -> Result<(), RegistryError> {
        self.check_root().await?;
        if self.has(repository, MANIFESTS).await? {
            // Where no folder is empty, the last tag that is deleted takes that of the tags with it.
            if !self.files.keeps_empty_folders() {
                return Ok(());
            }
        } else {
            for name in WITHOUT_MANIFESTS {
                if self.has(repository, name).await? {
                    return Ok(());
                }
            }
        }
        Err(RegistryError::NoRepository { looked_in: self.files.identity().await })
    }

    /// The digest in a link, the registry's small file that names another.
    async fn linked(&self, path: &str) -> Result<Digest, RegistryError> {
        let text = match self.files.read(path, MAX_LINK).await {
            Ok(text) => text,
            Err(error) => return Err(self.refused(error).await),
        };
        let text = std::str::from_utf8(&text).unwrap_or_default().trim();
        text.parse().map_err(|error| RegistryError::Unreadable(format!("{error} in its link")))
    }

    async fn tag(&self, folder: &str, name: String) -> Tag {
        let digest = if name::is_tag(&name) {
            self.linked(&format!("{folder}/{name}/current/link")).await
        } else {
            Err(RegistryError::Unreadable("no name of a tag".to_owned()))
        };
        Tag { name: name.into(), digest }
    }

    /// Why a file cannot be read. It is absent only where the registry is.
    async fn refused(&self, error: ContentError) -> RegistryError {
        match of_file(error) {
            RegistryError::Absent => self.check_root().await.err().unwrap_or(RegistryError::Absent),
            error => error,
        }
    }

    /// Fails unless the registry has data here: else the disk or the bucket is missing, not what was looked for.
    async fn check_root(&self) -> Result<(), RegistryError> {
        let folder = if self.has_database { BLOBS } else { REPOSITORIES };
        match self.files.has_folder(folder).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(RegistryError::storage(format!("{}: No such folder", self.files.place(folder)))),
            Err(error) => Err(not_judged(error).into()),
        }
    }
}

#[async_trait]
impl RegistrySource for LayoutSource {
    fn concurrency(&self) -> usize {
        self.layout.files.concurrency()
    }

    async fn tags(&self, repository: &str) -> Result<Vec<Tag>, RegistryError> {
        self.layout.check_lock().await?;
        if let Some(database) = &self.database {
            let found = database.tags(repository).await;
            let Err(RegistryError::NoRepository { .. }) = found else { return found };
            return Err(RegistryError::NoRepository { looked_in: self.layout.files.identity().await });
        }
        let names = self.layout.tags(repository, MAX_TAGS.saturating_add(1)).await?;
        if names.len() > MAX_TAGS {
            return Err(RegistryError::Unavailable(TOO_MANY_TAGS.to_owned()));
        }
        let folder = tags_folder(repository);
        let tags = stream::iter(names).map(|name| self.layout.tag(&folder, name));
        Ok(tags.buffer_unordered(self.concurrency()).collect().await)
    }

    async fn has_layers_alone(&self, repository: &str) -> Result<bool, RegistryError> {
        Ok(self.database.is_none() && !self.layout.has(repository, MANIFESTS).await?)
    }

    async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Bytes, RegistryError> {
        if let Some(database) = &self.database {
            return database.manifest(repository, digest).await;
        }
        let place = self.place_of(repository, ObjectKind::Manifest, digest).await?;
        match self.layout.files.read(&place, MAX_MANIFEST.saturating_add(1)).await {
            Ok(bytes) if bytes.len() > MAX_MANIFEST => {
                Err(RegistryError::Unreadable("is larger than the 4 MiB a manifest may have".to_owned()))
            }
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(self.layout.refused(error).await),
        }
    }

    async fn blob(
        &self,
        repository: &str,
        digest: &Digest,
        _: u64,
    ) -> Result<Box<dyn BlobReader>, RegistryError> {
        let place = self.place_of(repository, ObjectKind::Blob, digest).await?;
        match self.layout.files.open(&place).await {
            Ok(file) => Ok(Box::new(Blob(file))),
            Err(error) => Err(self.layout.refused(error).await),
        }
    }

    async fn holds(
        &self,
        repository: &str,
        kind: ObjectKind,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let found = match self.place_of(repository, kind, digest).await {
            Ok(place) => match self.layout.files.size(&place).await {
                Ok(_) => return Ok(true),
                Err(error) => self.layout.refused(error).await,
            },
            Err(error) => error,
        };
        if found == RegistryError::Absent { Ok(false) } else { Err(found) }
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        let probed = self.beside.files.probe(repository_in).await?;
        // An empty folder says nothing of what it is to be.
        if !probed.is_empty {
            self.beside.check_lock().await.map_err(RegistryError::into_not_judged)?;
        }
        if let Some(database) = &self.database {
            database.probe().await.map_err(RegistryError::into_not_judged)?;
        }
        Ok(probed)
    }

    async fn look(&self, repository: &str) -> Result<(), RegistryError> {
        if self.database.is_some() {
            return self.tags(repository).await.map(drop);
        }
        let first = self.beside.tags(repository, 1).await?.into_iter().next();
        let Some(tag) = first else { return Ok(()) };
        match self.beside.tag(&tags_folder(repository), tag).await.digest {
            Ok(_) | Err(RegistryError::Absent) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn list(&self) -> FoundStream {
        match &self.database {
            Some(database) => database.list(),
            None => list::list(self.beside.clone(), Which::Known),
        }
    }

    fn unreferenced(&self, changed_before: Timestamp) -> Option<UsageStream> {
        Some(unreferenced::unreferenced(self.clone(), changed_before))
    }
}

/// A blob that is read piece by piece.
struct Blob(Box<dyn FileReader>);

#[async_trait]
impl BlobReader for Blob {
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        self.0.next().await.map_err(of_file)
    }
}

/// What it means that a file cannot be read.
fn of_file(error: ContentError) -> RegistryError {
    match error {
        ContentError::MissingFile { .. } => RegistryError::Absent,
        ContentError::Invalid(reason) => RegistryError::Invalid(reason),
        ContentError::NotJudged(NotJudged::Folder(locked)) => {
            let folder = repository_in(&locked.folder);
            NotJudged::Folder(UnreadableFolder { folder, ..locked }).into()
        }
        ContentError::NotJudged(not_judged) => not_judged.into(),
        error => RegistryError::Unreadable(error.to_string()),
    }
}

/// What it means that a folder cannot be listed.
fn of_list(error: ContentError) -> RegistryError {
    match of_file(error) {
        RegistryError::Unreadable(reason) => RegistryError::Unavailable(reason),
        error => error,
    }
}

/// What it means that a folder that belongs to the registry as a whole cannot be looked at.
fn not_judged(error: ContentError) -> NotJudged {
    of_file(error).into_not_judged()
}

/// The path of the repositories that need what lies in this folder below the root; empty for all.
fn repository_in(folder: &str) -> String {
    let below = folder.strip_prefix(REPOSITORIES).and_then(|below| below.strip_prefix('/'));
    below.unwrap_or_default().to_owned()
}

/// The folder of a repository's tags.
fn tags_folder(repository: &str) -> String {
    format!("{REPOSITORIES}/{repository}/_manifests/tags")
}

/// The link by which a repository contains this object; its content is the digest under which the object is stored.
fn link_path(repository: &str, kind: ObjectKind, digest: &Digest) -> String {
    let folder = match kind {
        ObjectKind::Manifest => "_manifests/revisions",
        ObjectKind::Blob => "_layers",
    };
    let (algorithm, digits) = digest.parts();
    format!("{REPOSITORIES}/{repository}/{folder}/{algorithm}/{digits}/link")
}

/// The digest in the path of a link or a blob.
fn digest_in(algorithm: &str, digits: &str) -> Option<Digest> {
    format!("{algorithm}:{digits}").parse().ok()
}

/// The file with the bytes.
fn data_path(digest: &Digest) -> String {
    let (algorithm, digits) = digest.parts();
    let start = digits.get(..2).unwrap_or_default();
    format!("{BLOBS}/{algorithm}/{start}/{digits}/data")
}
