//! A registry's own storage directory.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rustix::fs::Advice;
use stocktake_content::num::widen;
use stocktake_content::{ReaderPool, ReaderShare, page_cache, storage_root};
use stocktake_domain::NotJudged;
use stocktake_domain::ports::{FoundStream, ProbedStorage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::database::Database;
use crate::digest::Digest;
use crate::name;
use crate::settings::{RegistryDirectorySettings, SettingsError};
use crate::source::{BlobReader, MAX_MANIFEST, ObjectKind, RegistryError, RegistrySource, Tag};
use crate::store::RegistryStore;
use files::{BLOBS, Files, REPOSITORIES};

mod files;

/// How much of a blob is read at a time.
const PIECE: usize = 256 * 1024;

/// How many tags are read in one task.
const TAGS: usize = 64;

impl RegistryStore {
    /// A store of the repositories in a registry's own storage directory (the layout of `distribution`, also that of GitLab's
    /// registry, with its metadata database or without), read by a share of `pool`. The folder need not exist yet.
    pub fn of_directory(
        settings: RegistryDirectorySettings,
        pool: &Arc<ReaderPool>,
    ) -> Result<Self, SettingsError> {
        let source = DirectorySource {
            files: Files::new(settings.root, settings.database_url.is_some()),
            readers: Readers(Arc::new(pool.share(settings.readers))),
            open: Arc::new(Semaphore::new(settings.readers.get())),
            database: settings.database_url.as_ref().map(Database::new).transpose()?,
        };
        Ok(Self::of(source, Arc::clone(pool.hashes()), settings.integrity, settings.bytes_per_second))
    }
}

/// The store's share of the reading threads.
#[derive(Clone)]
struct Readers(Arc<ReaderShare>);

impl Readers {
    /// What this gives, done on one of the threads.
    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, RegistryError> + Send + 'static,
    ) -> Result<R, RegistryError> {
        let aborted = || RegistryError::Unavailable("reading was aborted by an internal error".to_owned());
        self.0.run(work).await.ok_or_else(aborted)?
    }
}

/// The directory as a source.
struct DirectorySource {
    files: Files,
    readers: Readers,
    /// Bounds the files that are open between two pieces.
    open: Arc<Semaphore>,
    /// Where tags and manifests are, if not in the directory.
    database: Option<Database>,
}

impl DirectorySource {
    /// Fails unless tags are where they are looked for.
    async fn check_lock(&self) -> Result<(), RegistryError> {
        let files = self.files.clone();
        self.readers.run(move || files.check_lock()).await
    }

    /// Finds the file of an object. If there is no link in the directory, the database has already said that the
    /// repository needs the object.
    async fn find<R: Send + 'static>(
        &self,
        repository: &str,
        kind: ObjectKind,
        digest: &Digest,
        then: impl FnOnce(OwnedFd, u64) -> Result<R, RegistryError> + Send + 'static,
    ) -> Result<R, RegistryError> {
        let (files, digest) = (self.files.clone(), *digest);
        let link = self.database.is_none().then(|| link_path(repository, kind, &digest));
        let find = move || {
            let digest = link.map_or(Ok(digest), |link| files.digest(&link))?;
            let (file, size) = files.open(&data_path(&digest))?;
            then(file, size)
        };
        self.readers.run(find).await
    }
}

/// A blob that is read piece by piece.
struct FileBlob {
    readers: Readers,
    file: Arc<OwnedFd>,
    position: u64,
    _open: OwnedSemaphorePermit,
}

#[async_trait]
impl RegistrySource for DirectorySource {
    fn concurrency(&self) -> usize {
        self.readers.0.limit().get()
    }

    async fn tags(&self, repository: &str) -> Result<Vec<Tag>, RegistryError> {
        self.check_lock().await?;
        if let Some(database) = &self.database {
            let found = database.tags(repository).await;
            let Err(RegistryError::NoRepository { .. }) = found else { return found };
            let files = self.files.clone();
            let looked_in = self.readers.run(move || Ok(files.identity())).await?;
            return Err(RegistryError::NoRepository { looked_in });
        }
        let folder = files::tags_folder(repository);
        let (files, name) = (self.files.clone(), repository.to_owned());
        let mut names = self.readers.run(move || files.tags(&name)).await?;
        let mut parts = Vec::new();
        while !names.is_empty() {
            parts.push(names.split_off(names.len().saturating_sub(TAGS)));
        }
        let parts = stream::iter(parts).map(|names| {
            let (files, folder) = (self.files.clone(), folder.clone());
            self.readers.run(move || Ok(names.into_iter().map(|name| tag(&files, &folder, name)).collect()))
        });
        let tags: Vec<Vec<Tag>> = parts.buffer_unordered(self.concurrency()).try_collect().await?;
        Ok(tags.into_iter().flatten().collect())
    }

    async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Bytes, RegistryError> {
        if let Some(database) = &self.database {
            return database.manifest(repository, digest).await;
        }
        let read = |file, size| {
            if size > widen(MAX_MANIFEST) {
                return Err(RegistryError::Unreadable(
                    "is larger than the 4 MiB a manifest may have".to_owned(),
                ));
            }
            files::read_bytes(&file, 0, MAX_MANIFEST)
        };
        self.find(repository, ObjectKind::Manifest, digest, read).await
    }

    async fn blob(
        &self,
        repository: &str,
        digest: &Digest,
        _: u64,
    ) -> Result<Box<dyn BlobReader>, RegistryError> {
        let closed = |_| RegistryError::Unavailable("the storage is closed".to_owned());
        let permit = Arc::clone(&self.open).acquire_owned().await.map_err(closed)?;
        let open = |file: OwnedFd, _| {
            for advice in [Advice::Sequential, Advice::NoReuse] {
                page_cache::advise(file.as_fd(), 0, None, advice);
            }
            Ok(Arc::new(file))
        };
        let file = self.find(repository, ObjectKind::Blob, digest, open).await?;
        Ok(Box::new(FileBlob { readers: self.readers.clone(), file, position: 0, _open: permit }))
    }

    async fn holds(
        &self,
        repository: &str,
        kind: ObjectKind,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        match self.find(repository, kind, digest, |_, _| Ok(())).await {
            Ok(()) => Ok(true),
            Err(RegistryError::Absent) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        let probed = storage_root::probe(self.files.root().to_owned(), files::repository_in).await?;
        // An empty folder says nothing of what it is to be.
        if !probed.is_empty {
            self.check_lock().await.map_err(RegistryError::into_not_judged)?;
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
        let (files, repository) = (self.files.clone(), repository.to_owned());
        storage_root::beside_readers(move || files.look(&repository)).await
    }

    fn list(&self) -> FoundStream {
        match &self.database {
            Some(database) => database.list(),
            None => files::list(self.files.root().to_owned()),
        }
    }
}

#[async_trait]
impl BlobReader for FileBlob {
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let (file, position) = (Arc::clone(&self.file), self.position);
        let piece = self.readers.run(move || files::read_bytes(&file, position, PIECE)).await?;
        self.position += widen(piece.len());
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

fn tag(files: &Files, folder: &str, name: Box<str>) -> Tag {
    if !name::is_tag(&name) {
        return Tag { name, digest: Err(RegistryError::Unreadable("no name of a tag".to_owned())) };
    }
    let digest = files.digest(&format!("{folder}/{name}/current/link"));
    Tag { name, digest }
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

/// The file with the bytes.
fn data_path(digest: &Digest) -> String {
    let (algorithm, digits) = digest.parts();
    let start = digits.get(..2).unwrap_or_default();
    format!("{BLOBS}/{algorithm}/{start}/{digits}/data")
}
