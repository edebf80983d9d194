//! The objects of a bucket as files: what lies below the prefix, in the folders that the slashes of the keys make.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use stocktake_content::HashPool;
use stocktake_content::tree::{FileReader, FileTree, Holds, Name};
use stocktake_domain::ports::{FoundStream, ProbedStorage, Watch};
use stocktake_domain::{ContentError, DigestRule, NotJudged};
use tokio::sync::OwnedSemaphorePermit;

use crate::access::{Access, changed};
use crate::reader::{ObjectReader, ReadError};
use crate::settings::{ObjectSettings, SettingsError};
use crate::throttle::Patience;
use crate::wire::{FULL_PAGE, PageOf};
use crate::{key, list};

/// The objects of one bucket, below one prefix, as files.
pub struct ObjectTree {
    access: Arc<Access>,
    requests: NonZeroUsize,
}

impl ObjectTree {
    /// The objects of a storage with these settings, of which the mode says nothing here. No request is sent yet.
    pub fn new(settings: ObjectSettings, pool: Arc<HashPool>) -> Result<Self, SettingsError> {
        let requests = settings.requests;
        let access = Access::new(settings, pool, Patience::default())?;
        Ok(Self { access: Arc::new(access), requests })
    }

    /// The right to one more request.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, ContentError> {
        let permits = Arc::clone(&self.access.permits);
        permits.acquire_owned().await.map_err(|_closed| ContentError::CANCELLED)
    }

    /// What the keys of the objects in a folder begin with.
    fn prefix_of(&self, folder: &str) -> String {
        let prefix = &self.access.prefix;
        if folder.is_empty() { prefix.clone() } else { format!("{prefix}{folder}/") }
    }

    fn reader(&self, file: &str) -> Result<ObjectReader<Arc<Access>>, ContentError> {
        let key = key::of_path(&self.access.prefix, file)?;
        Ok(ObjectReader::new(Arc::clone(&self.access), &key, false))
    }
}

impl std::fmt::Debug for ObjectTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectTree").field("at", &self.place("")).finish_non_exhaustive()
    }
}

#[async_trait]
impl FileTree for ObjectTree {
    fn concurrency(&self) -> usize {
        self.requests.get()
    }

    fn place(&self, folder: &str) -> String {
        self.access.remote.place.at(&format!("{}{folder}", self.access.prefix))
    }

    fn keeps_empty_folders(&self) -> bool {
        false
    }

    async fn names(&self, folder: &str, most: usize) -> Result<Vec<Name>, ContentError> {
        let _permit = self.permit().await?;
        let prefix = self.prefix_of(folder);
        let in_folder = |key: &str, is_folder| {
            let name = key.strip_prefix(&prefix)?;
            let name = if is_folder { name.strip_suffix('/')? } else { name };
            // An object of this very key only stands for the folder.
            (!name.is_empty()).then(|| Name { name: name.to_owned(), is_folder })
        };
        let (mut names, mut token) = (Vec::new(), None);
        loop {
            let of = PageOf { prefix: &prefix, token: token.as_deref(), most: FULL_PAGE, only_folders: true };
            let page = self.access.next_page(of, &Watch::default()).await?;
            names.extend(page.folders.iter().filter_map(|key| in_folder(key, true)));
            names.extend(page.objects.iter().filter_map(|object| in_folder(&object.key, false)));
            token = page.next;
            if token.is_none() || names.len() >= most {
                break;
            }
        }
        if names.is_empty() && !folder.is_empty() {
            return Err(ContentError::MissingFile { at: self.place(folder) });
        }
        names.sort_unstable();
        names.truncate(most);
        Ok(names)
    }

    async fn has_folder(&self, folder: &str) -> Result<bool, ContentError> {
        let _permit = self.permit().await?;
        let prefix = self.prefix_of(folder);
        let of = PageOf { prefix: &prefix, token: None, most: 1, only_folders: false };
        let page = self.access.next_page(of, &Watch::default()).await?;
        Ok(page.objects.iter().any(|object| object.key.starts_with(&prefix)))
    }

    fn files(&self, folder: &str) -> FoundStream {
        list::list(Arc::clone(&self.access), self.prefix_of(folder))
    }

    async fn size(&self, file: &str) -> Result<u64, ContentError> {
        let _permit = self.permit().await?;
        let key = key::of_path(&self.access.prefix, file)?;
        let seen = self.access.head(&DigestRule::Stored, &key, &Watch::default()).await?;
        let unknown = || ContentError::Unreadable(format!("no size is told of it: {}", self.place(file)));
        seen.stored.size.ok_or_else(unknown)
    }

    async fn read(&self, file: &str, most: usize) -> Result<Bytes, ContentError> {
        let _permit = self.permit().await?;
        let mut reader = self.reader(file)?;
        let mut bytes = BytesMut::new();
        while bytes.len() < most
            && let Some(piece) = next(&mut reader, || self.place(file)).await?
        {
            bytes.extend_from_slice(&piece);
        }
        bytes.truncate(most);
        Ok(bytes.freeze())
    }

    async fn open(&self, file: &str) -> Result<Box<dyn FileReader>, ContentError> {
        let permit = self.permit().await?;
        let (mut reader, at) = (self.reader(file)?, self.place(file));
        // So that what is not there is told at once.
        let first = next(&mut reader, || at.clone()).await?;
        Ok(Box::new(OpenObject { reader, at, first, _permit: permit }))
    }

    async fn identity(&self) -> Option<String> {
        None
    }

    async fn probe(&self, _: Holds) -> Result<ProbedStorage, NotJudged> {
        self.access.probe().await
    }
}

/// An object that is read piece by piece.
struct OpenObject {
    reader: ObjectReader<Arc<Access>>,
    at: String,
    first: Option<Bytes>,
    _permit: OwnedSemaphorePermit,
}

#[async_trait]
impl FileReader for OpenObject {
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => next(&mut self.reader, || self.at.clone()).await,
        }
    }
}

/// The next bytes; an object that was replaced meanwhile is not read from its beginning.
async fn next(
    reader: &mut ObjectReader<Arc<Access>>,
    at: impl FnOnce() -> String + Send,
) -> Result<Option<Bytes>, ContentError> {
    reader.next(&Watch::default()).await.map_err(|error| match error {
        ReadError::Changed => changed(&at()),
        ReadError::Failed(error) => error,
    })
}
