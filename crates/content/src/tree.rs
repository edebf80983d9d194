//! Files by their paths, wherever they lie: below a folder, or as objects in a bucket.
//!
//! A layout of files, as a container registry has one, is read through a [`FileTree`], so that one reader serves both. Paths
//! have `/` between their parts, and none at their beginning or end.

use async_trait::async_trait;
use bytes::Bytes;
use stocktake_domain::ports::{FoundStream, ProbedStorage};
use stocktake_domain::{ContentError, NotJudged};

mod folder;

pub use folder::FolderTree;

/// What lies directly in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The last part of its path; bytes that are not UTF-8 are escaped as in a
    /// [`PathText`](stocktake_domain::PathText).
    pub name: String,
    /// Whether it is a folder. A link to a folder is none.
    pub is_folder: bool,
}

/// The path of the records whose content lies in a folder; see
/// [`MountBelow::holds`](stocktake_domain::ports::MountBelow::holds).
pub type Holds = fn(&str) -> String;

/// The bytes of one file, in order.
#[async_trait]
pub trait FileReader: Send {
    /// The next piece, at most some hundred kilobytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError>;
}

/// Files below a root. All its methods can be dropped at any time, and none blocks.
///
/// What is not there is [`ContentError::MissingFile`], by the storage's own word; whatever says nothing of the file is
/// [`ContentError::NotJudged`]. Nothing outside of the root is ever opened.
#[async_trait]
pub trait FileTree: Send + Sync + 'static {
    /// How many files can be read at once.
    fn concurrency(&self) -> usize;

    /// The whole path of a folder, as messages name it.
    fn place(&self, folder: &str) -> String;

    /// Whether a folder can be there with nothing in it. In a bucket, there are only the folders that something lies in.
    fn keeps_empty_folders(&self) -> bool;

    /// What lies directly in a folder, in the order of the names; at most so much of it, whichever comes first. Of a folder
    /// that cannot be listed, the error names the folder.
    async fn names(&self, folder: &str, most: usize) -> Result<Vec<Name>, ContentError>;

    /// Whether this folder is there.
    async fn has_folder(&self, folder: &str) -> Result<bool, ContentError>;

    /// All files below a folder that is there, in the byte order of their paths, which begin below the folder. No link is
    /// followed.
    fn files(&self, folder: &str) -> FoundStream;

    /// The size of a file in bytes, without reading it.
    async fn size(&self, file: &str) -> Result<u64, ContentError>;

    /// The first bytes of a file, at most so many.
    async fn read(&self, file: &str, most: usize) -> Result<Bytes, ContentError>;

    /// Opens a file to read it from its beginning.
    async fn open(&self, file: &str) -> Result<Box<dyn FileReader>, ContentError>;

    /// What tells this root from another one at its place; see [`ProbedStorage::identity`].
    async fn identity(&self) -> Option<String>;

    /// Looks at the root, as [`ContentStore::probe`](stocktake_domain::ports::ContentStore::probe) does.
    async fn probe(&self, holds: Holds) -> Result<ProbedStorage, NotJudged>;
}
