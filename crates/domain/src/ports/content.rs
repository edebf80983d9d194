//! The content of records, as a configured storage holds it.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_core::Stream;

use crate::digest::Algorithms;
use crate::digest_rule::DigestRule;
use crate::model::Model;
use crate::time::Timestamp;
use crate::unreferenced::Usage;
use crate::verdict::{ContentError, NotJudged, Observation, Reference};

/// One piece of content to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The record's model, which says whether a repository may be absent.
    pub model: Model,
    /// The path or key within the storage.
    pub path: String,
    /// The digests to calculate, all in one pass.
    pub algorithms: Algorithms,
    /// What the recorded digest and size are of.
    pub rule: DigestRule,
    /// The number of the attempt, from 1, by which a storage that looks deeper now and then chooses when; `None` asks for
    /// the deepest look.
    pub attempt: Option<u64>,
    /// What it will be compared with, so that what was told from afar and differs is looked at closely before it is told.
    pub reference: Reference,
}

impl Inspection {
    /// A piece whose recorded digest and size are of the stored bytes.
    pub fn new(model: Model, path: impl Into<String>, algorithms: Algorithms) -> Self {
        Self {
            model,
            path: path.into(),
            algorithms,
            rule: DigestRule::Stored,
            attempt: Some(1),
            reference: Reference::default(),
        }
    }

    /// What is to be told without looking at any storage: that the record's place could not be resolved, or that a scan
    /// could not list the folder that it stands for.
    pub fn refusal(&self) -> Option<ContentError> {
        match &self.rule {
            DigestRule::Unresolved(reason) => Some(ContentError::Invalid(reason.clone())),
            DigestRule::Unlisted(reason) => {
                Some(ContentError::Unreadable(format!("{reason} (when the folder was scanned)")))
            }
            _ => None,
        }
    }
}

/// A line between whoever asked for content to be read and whoever reads it.
///
/// The reader adds the bytes it has read, so that it can be seen to get on; the asker may call the reading
/// off, which the reader looks at between pieces of at most some hundred kilobytes.
#[derive(Debug, Default)]
pub struct Watch {
    cancelled: AtomicBool,
    bytes: AtomicU64,
    looked_in: Mutex<BTreeSet<String>>,
}

impl Watch {
    /// Calls the reading off; what is not done yet is reported as [`ContentError::CANCELLED`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the reading was called off.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Adds bytes that were read.
    pub fn add_bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    /// The bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Tells that content was looked for in the storage with this [identity](ProbedStorage::identity). A look at the storage
    /// before or after may have found another one at the same address.
    pub fn looked_in(&self, identity: &str) {
        let mut known = self.looked_in.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(identity) {
            known.insert(identity.to_owned());
        }
    }

    /// Whether content was looked for in this storage, and in no other.
    pub fn looked_only_in(&self, identity: &str) -> bool {
        let known = self.looked_in.lock().unwrap_or_else(PoisonError::into_inner);
        known.len() == 1 && known.contains(identity)
    }
}

/// Where an adapter puts what it saw, piece by piece, from any thread.
pub trait InspectionSink: Send + Sync {
    /// What was seen of the `index`-th piece asked for. Called once for each, in any order. Must not block.
    fn report(&self, index: usize, seen: Result<Observation, ContentError>);
}

/// One piece of content found in a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path or key within the storage.
    pub path: String,
    /// Size in bytes, where the storage says it without reading.
    pub size: Option<u64>,
    /// When it was last changed, where the storage says so.
    pub modified_at: Option<Timestamp>,
}

/// How much a piece of content is that consists of many files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The sizes of all files together, in bytes.
    pub size: u64,
    /// When a file was last changed, where the storage says so.
    pub modified_at: Option<Timestamp>,
}

/// What lies among content and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoContent {
    /// A symbolic link. A record with this path is read through it.
    Link,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device.
    Device,
}

impl fmt::Display for NoContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "symbolic link",
            Self::Pipe => "pipe",
            Self::Socket => "socket",
            Self::Device => "device",
        })
    }
}

/// Why a storage could not be listed, or a piece of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// This piece cannot be read, or not under this name; the listing goes on behind it. Inspecting the path tells why.
    #[error("{path}: {reason}")]
    Skipped {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// What lies in this folder cannot be listed, or not to the end; the listing goes on, perhaps within it.
    #[error("{folder}: {reason}")]
    Unlisted {
        /// The folder's path with a slash behind it, so that it comes in order before everything in it.
        folder: String,
        /// What the system said.
        reason: String,
    },
    /// This is no content, and nobody looks at it: a symbolic link, a pipe, a device. The listing goes on behind it.
    #[error("{path}: {what} is no content")]
    PassedOver {
        /// The path.
        path: String,
        /// What it is.
        what: NoContent,
    },
    /// The listing cannot go on.
    #[error("{0}")]
    Broken(String),
    /// This kind of storage cannot be listed.
    #[error("this kind of storage cannot be listed")]
    Unsupported,
}

/// What a storage holds, in the byte order of the paths, also of those of errors.
pub type FoundStream = Pin<Box<dyn Stream<Item = Result<Found, ListError>> + Send>>;

/// What a storage holds that something in it should refer to, in any order. An error is a piece that could not be looked at;
/// after [`ListError::Broken`], nothing more comes.
pub type UsageStream = Pin<Box<dyn Stream<Item = Result<Usage, ListError>> + Send>>;

/// A storage that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbedStorage {
    /// What tells it from another storage at the same address, such as a mounted disk from the folder below it; at most 64
    /// characters, and compared within one host. `None` where there is nothing of the kind.
    pub identity: Option<String>,
    /// Whether nothing at all lies in it.
    pub is_empty: bool,
    /// What is mounted below its root.
    pub mounts: BTreeSet<MountBelow>,
}

/// A folder of a storage at which something is mounted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountBelow {
    /// Its path below the storage's root, for people.
    pub folder: String,
    /// The paths of the records whose content needs it are this one and those below it; all, if it is empty.
    pub holds: String,
}

impl MountBelow {
    /// Whether the content at this path needs it: it lies below it, or, as a repository may, around it.
    pub fn concerns(&self, path: &str) -> bool {
        is_at_or_below(path, &self.holds) || is_at_or_below(&self.holds, path)
    }
}

/// Whether a path is that of a folder or lies below it; the root is the empty path.
pub fn is_at_or_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where the paths of a storage begin: at a folder, or behind a prefix of the keys of a bucket. Another storage may begin
/// there as well, or above or below it, so that the same content lies in both, under a path in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageAddress {
    /// The URL of the bucket; the kind of content, for a folder.
    pub service: String,
    /// The bucket or container; empty for a folder.
    pub bucket: String,
    /// What every path has before it there, as a [`crate::PathText`]: empty, or with a slash at its end.
    pub prefix: String,
}

impl StorageAddress {
    /// Whether both are in the same bucket, or in folders.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.service == other.service && self.bucket == other.bucket
    }

    /// Whether the same content may lie in both. Buckets of the same name may be the same one, because a service may have
    /// several hosts.
    pub fn may_overlap(&self, other: &Self) -> bool {
        let is_one = if self.bucket.is_empty() { self.is_beside(other) } else { self.bucket == other.bucket };
        let (one, two) = (self.prefix.as_str(), other.prefix.as_str());
        is_one && (one.starts_with(two) || two.starts_with(one))
    }

    /// The path that the content at this path has in another storage, if both are in the same bucket or in folders; `None` if
    /// it does not lie in the other one.
    pub fn path_in(&self, other: &Self, path: &str) -> Option<String> {
        let path = match other.prefix.strip_prefix(self.prefix.as_str()) {
            Some(below) => path.strip_prefix(below)?.to_owned(),
            None => format!("{}{path}", self.prefix.strip_prefix(other.prefix.as_str())?),
        };
        (!path.is_empty()).then_some(path)
    }
}

/// The content of one configured storage.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ContentStore: Send + Sync {
    /// Reads all these pieces of content and reports each to the sink exactly once, in any order, as soon as it is known;
    /// returns when every one was reported. Memory stays bounded whatever a piece's size. A piece that cannot be seen is
    /// reported and does not stop the others. Once the reading is cancelled ([`Watch::cancel`]), what is not done yet is
    /// reported as [`ContentError::CANCELLED`]. The bytes read are added to the watch.
    ///
    /// A piece is reported missing only by the storage's own word for it, and after the watch was told in which storage it was
    /// looked for ([`Watch::looked_in`]), if storages of this kind have an identity. Whatever is no verdict about the piece
    /// itself is reported as [`ContentError::NotJudged`].
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>);

    /// Looks at the storage as a whole: whether it is there and can be read now.
    ///
    /// Fails as [`NotJudged::Storage`] if its root or bucket is not there or cannot be read, and as [`NotJudged::Process`]
    /// if this process lacks something to look. An empty storage can be read.
    async fn probe(&self) -> Result<ProbedStorage, NotJudged>;

    /// Where its paths begin, so that it is known what else lies there; nothing is sent over a network for it. `None` if what it
    /// lists is named otherwise than by where it lies, and so lies in no other storage under another path.
    async fn address(&self) -> Option<StorageAddress>;

    /// Looks whether the content at this path is there and can be read, as cheaply as that can be told: only the beginning of
    /// it is read, or nothing where the storage's word is enough. Fails as [`ContentStore::inspect`] does.
    async fn look(&self, path: &str) -> Result<(), ContentError>;

    /// Lists all content, in the byte order of the paths; each path listed can be inspected. Memory stays bounded by the
    /// largest folder.
    fn list(&self) -> FoundStream;

    /// How much the content at this path is now: of a repository, which a listing does not measure, all files together; of a
    /// file, which may have grown since it was listed. `None` where it cannot be told, or not otherwise than by a listing.
    async fn measure(&self, path: &str) -> Option<Extent> {
        let _ = path;
        None
    }

    /// Looks for what the storage keeps though nothing in it refers to it; `None` for a kind of storage in which nothing
    /// refers to anything. Somebody may delete on the word of this: what is not known to be unreferenced counts as needed.
    /// What was changed at `changed_before` or later is not judged.
    fn unreferenced(&self, changed_before: Timestamp) -> Option<UsageStream> {
        let _ = changed_before;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_a_path_in_each_storage_around_it() {
        let at = |bucket: &str, prefix: &str| StorageAddress {
            service: "s3://host".to_owned(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        let whole = at("one", "");
        for (from, to, path, expected) in [
            (whole.clone(), whole.clone(), "a/b", Some("a/b")),
            (whole.clone(), at("one", "a/"), "a/b", Some("b")),
            (whole.clone(), at("one", "a/"), "ab", None),
            (whole.clone(), at("one", "a/"), "a/", None),
            (at("one", "a/"), whole.clone(), "b", Some("a/b")),
            (at("one", "a/b/"), at("one", "a/"), "c", Some("b/c")),
            (at("one", "a/"), at("one", "b/"), "c", None),
        ] {
            assert_eq!(from.path_in(&to, path).as_deref(), expected, "{from:?} {to:?} {path}");
        }
        assert!(whole.may_overlap(&at("one", "a/")) && at("one", "a/").may_overlap(&whole));
        assert!(!at("one", "a/").may_overlap(&at("one", "ab/")) && !whole.may_overlap(&at("two", "")));
        let elsewhere = StorageAddress { service: "s3://other".to_owned(), ..whole.clone() };
        assert!(whole.may_overlap(&elsewhere) && !whole.is_beside(&elsewhere));
        let folder = |service: &str| StorageAddress { service: service.to_owned(), ..at("", "/a/") };
        assert!(
            folder("files").may_overlap(&folder("files")) && !folder("files").may_overlap(&folder("git"))
        );
    }
}
