//! What all kinds of registry storage provide: tags, manifests and blobs.

use async_trait::async_trait;
use bytes::Bytes;
use stocktake_domain::ports::{FoundStream, ProbedStorage, UsageStream};
use stocktake_domain::{ContentError, NotJudged, Timestamp};

use crate::digest::Digest;

/// The most bytes of a manifest, as in the registry.
pub(crate) const MAX_MANIFEST: usize = 4 * 1024 * 1024;

/// The most tags of a repository: 2,000 pages of 100 in the registry's API.
pub(crate) const MAX_TAGS: usize = 200_000;

/// The failure text of a repository with more tags, as in GitLab.
pub(crate) const TOO_MANY_TAGS: &str = "too many pages requested";

/// Why something cannot be read from a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RegistryError {
    /// The registry does not know the repository.
    NoRepository {
        /// The [identity](ProbedStorage::identity) of the storage in which it was looked for, if it has one.
        looked_in: Option<String>,
    },
    /// The registry does not contain this object.
    Absent,
    /// This object does not match its digest or its recorded size; how.
    Altered(String),
    /// This piece cannot be where it is said to be; why.
    Invalid(String),
    /// This object is broken, or cannot be read; why.
    Unreadable(String),
    /// The repository cannot be read; why.
    Unavailable(String),
    /// This concerns this object or the registry as a whole: whichever it is must be found out.
    Unclear {
        /// What went wrong.
        reason: String,
        /// Where: scheme, host and port of the server that answered so.
        origin: String,
    },
    /// The registry as a whole cannot be read, or this process lacks something to read it.
    NotJudged(NotJudged),
}

impl RegistryError {
    /// The registry as a whole cannot be read, for this reason.
    pub(crate) fn storage(reason: impl Into<String>) -> Self {
        Self::NotJudged(NotJudged::Storage(reason.into()))
    }

    /// What this error means for the registry as a whole.
    pub(crate) fn into_not_judged(self) -> NotJudged {
        match self {
            Self::NotJudged(not_judged) => not_judged,
            error => NotJudged::Storage(error.into_error().to_string()),
        }
    }

    /// The error for a repository that cannot be read because of this.
    pub(crate) fn into_error(self) -> ContentError {
        match self {
            Self::NoRepository { .. } => ContentError::MissingRepository,
            Self::Absent => ContentError::Unreadable("not in the registry".to_owned()),
            Self::Altered(reason) => ContentError::Altered(reason),
            Self::Invalid(reason) => ContentError::Invalid(reason),
            Self::Unreadable(reason) | Self::Unavailable(reason) => ContentError::Unreadable(reason),
            Self::Unclear { reason, .. } => ContentError::storage(reason),
            Self::NotJudged(not_judged) => not_judged.into(),
        }
    }
}

impl From<NotJudged> for RegistryError {
    fn from(not_judged: NotJudged) -> Self {
        Self::NotJudged(not_judged)
    }
}

/// A tag, and the digest of the manifest that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Its name.
    pub(crate) name: Box<str>,
    /// The digest; [`RegistryError::Absent`] if there is no manifest.
    pub(crate) digest: Result<Digest, RegistryError>,
}

/// What is stored under a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    /// A manifest or an index.
    Manifest,
    /// A config or a layer.
    Blob,
}

/// The bytes of one blob, in order.
#[async_trait]
pub(crate) trait BlobReader: Send {
    /// The next piece, at most some hundred kilobytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError>;
}

/// A registry's storage. All its methods can be dropped at any time, and none blocks.
#[async_trait]
pub(crate) trait RegistrySource: Send + Sync + 'static {
    /// How many objects can be read at once.
    fn concurrency(&self) -> usize;

    /// The tags of a repository, at most [`MAX_TAGS`], in any order.
    async fn tags(&self, repository: &str) -> Result<Vec<Tag>, RegistryError>;

    /// Whether of a repository that has no tags nothing is left, or was ever there, but layers. A registry that answers over
    /// HTTP does not know such a repository.
    async fn has_layers_alone(&self, _: &str) -> Result<bool, RegistryError> {
        Ok(false)
    }

    /// The bytes of a manifest, at most [`MAX_MANIFEST`], as they are stored.
    async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Bytes, RegistryError>;

    /// Starts to read a blob that should have `size` bytes; it may turn out to have more or fewer.
    async fn blob(
        &self,
        repository: &str,
        digest: &Digest,
        size: u64,
    ) -> Result<Box<dyn BlobReader>, RegistryError>;

    /// Whether the repository contains this object, without reading it.
    async fn holds(&self, repository: &str, kind: ObjectKind, digest: &Digest)
    -> Result<bool, RegistryError>;

    /// See [`stocktake_domain::ports::ContentStore::probe`].
    async fn probe(&self) -> Result<ProbedStorage, NotJudged>;

    /// Fails as [`RegistrySource::tags`] does if the registry does not know the repository, or its tags cannot be listed.
    async fn look(&self, repository: &str) -> Result<(), RegistryError>;

    /// All repositories, in the byte order of their names.
    fn list(&self) -> FoundStream;

    /// See [`stocktake_domain::ports::ContentStore::unreferenced`].
    fn unreferenced(&self, _: Timestamp) -> Option<UsageStream> {
        None
    }
}
