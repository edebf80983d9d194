//! Files below a folder of this machine.

use std::num::NonZeroUsize;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{AtFlags, Dir, DirEntry, FileType, OFlags, statat};
use rustix::io::Errno;
use stocktake_domain::ports::{FoundStream, ProbedStorage};
use stocktake_domain::{ContentError, NotJudged, PathText};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{FileReader, FileTree, Holds, Name};
use crate::beneath::{Links, NOT_REGULAR, OUTSIDE, Root};
use crate::file::read_at;
use crate::locked::locked_folder;
use crate::num::widen;
use crate::reader_pool::{ReaderPool, ReaderShare};
use crate::walk::{self, Walk};
use crate::{page_cache, storage_root};

/// How much of a file is read at a time.
const PIECE: usize = 256 * 1024;

/// The files below a folder, each opened beneath it and nowhere else. The folder need not exist yet, and is opened for each
/// file: an unmounted disk is not kept busy, and one that returns is noticed.
pub struct FolderTree {
    root: Arc<Path>,
    threads: Threads,
    /// Bounds the files that are open between two pieces.
    open: Arc<Semaphore>,
    readers: NonZeroUsize,
}

/// Where calls of the system are made that block.
#[derive(Clone)]
enum Threads {
    /// On the storage's share of the reading threads.
    Share(Arc<ReaderShare>),
    /// Beside the reading threads, all of which may be busy for long, or hang.
    Beside,
}

impl FolderTree {
    /// The files below this folder, of which so many are read at once by a share of `pool`.
    pub fn new(root: PathBuf, pool: &Arc<ReaderPool>, readers: NonZeroUsize) -> Self {
        let threads = Threads::Share(Arc::new(pool.share(readers)));
        Self { root: root.into(), threads, open: Arc::new(Semaphore::new(readers.get())), readers }
    }

    /// The same files, looked at beside the reading threads.
    #[must_use]
    pub fn beside_readers(&self) -> Self {
        let (root, open) = (Arc::clone(&self.root), Arc::clone(&self.open));
        Self { root, threads: Threads::Beside, open, readers: self.readers }
    }

    /// Does this with the root.
    async fn with_root<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<R, ContentError> + Send + 'static,
    ) -> Result<R, ContentError> {
        let root = Arc::clone(&self.root);
        self.threads.run(move || work(&Folder::open(root)?)).await
    }
}

impl std::fmt::Debug for FolderTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FolderTree").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Threads {
    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, ContentError> + Send + 'static,
    ) -> Result<R, ContentError> {
        let aborted = || ContentError::Unreadable("reading was aborted by an internal error".to_owned());
        match self {
            Self::Share(share) => share.run(work).await.ok_or_else(aborted)?,
            Self::Beside => storage_root::beside_readers(work).await,
        }
    }
}

#[async_trait]
impl FileTree for FolderTree {
    fn concurrency(&self) -> usize {
        self.readers.get()
    }

    fn place(&self, folder: &str) -> String {
        format!("storage folder {}", self.root.join(folder).display())
    }

    fn keeps_empty_folders(&self) -> bool {
        true
    }

    async fn names(&self, folder: &str, most: usize) -> Result<Vec<Name>, ContentError> {
        let folder = folder.to_owned();
        self.with_root(move |root| root.names(&folder, most)).await
    }

    async fn has_folder(&self, folder: &str) -> Result<bool, ContentError> {
        let folder = folder.to_owned();
        self.with_root(move |root| {
            match root.root.open_at(&folder, OFlags::PATH | OFlags::DIRECTORY, Links::Follow) {
                Ok(_) => Ok(true),
                Err(errno) => match root.folder_error(&folder, errno) {
                    ContentError::MissingFile { .. } => Ok(false),
                    error => Err(error),
                },
            }
        })
        .await
    }

    fn files(&self, folder: &str) -> FoundStream {
        let (root, base) = (self.root.to_path_buf(), folder.to_owned().into());
        walk::list(Walk { root, base, thread: "list-tree" }, walk::regular_files)
    }

    async fn size(&self, file: &str) -> Result<u64, ContentError> {
        let file = file.to_owned();
        self.with_root(move |root| Ok(root.file(&file)?.1)).await
    }

    async fn read(&self, file: &str, most: usize) -> Result<Bytes, ContentError> {
        let path = file.to_owned();
        self.with_root(move |root| {
            let (file, size) = root.file(&path)?;
            // One that grows meanwhile is read up to its size of before.
            let most = usize::try_from(size).unwrap_or(most).min(most);
            read_bytes(&file, 0, most).map_err(|errno| root.error(&path, errno))
        })
        .await
    }

    async fn open(&self, file: &str) -> Result<Box<dyn FileReader>, ContentError> {
        let closed = |_| ContentError::CANCELLED;
        let permit = Arc::clone(&self.open).acquire_owned().await.map_err(closed)?;
        let path = file.to_owned();
        let file = self.with_root(move |root| {
            let (file, _) = root.file(&path)?;
            for advice in [rustix::fs::Advice::Sequential, rustix::fs::Advice::NoReuse] {
                page_cache::advise(file.as_fd(), 0, None, advice);
            }
            Ok(Arc::new(file))
        });
        let (file, threads, root) = (file.await?, self.threads.clone(), Arc::clone(&self.root));
        Ok(Box::new(FileInFolder { threads, root, file, position: 0, _open: permit }))
    }

    async fn identity(&self) -> Option<String> {
        self.with_root(|root| Ok(root.root.storage_identity().ok())).await.ok().flatten()
    }

    async fn probe(&self, holds: Holds) -> Result<ProbedStorage, NotJudged> {
        storage_root::probe(self.root.to_path_buf(), holds).await
    }
}

/// A file that is read piece by piece.
struct FileInFolder {
    threads: Threads,
    root: Arc<Path>,
    file: Arc<OwnedFd>,
    position: u64,
    _open: OwnedSemaphorePermit,
}

#[async_trait]
impl FileReader for FileInFolder {
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        let (file, root, position) = (Arc::clone(&self.file), Arc::clone(&self.root), self.position);
        let piece = self
            .threads
            .run(move || read_bytes(&file, position, PIECE).map_err(|errno| of_file(&root, errno)));
        let piece = piece.await?;
        self.position += widen(piece.len());
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

/// The root, open.
struct Folder {
    path: Arc<Path>,
    root: Root,
}

impl Folder {
    fn open(path: Arc<Path>) -> Result<Self, ContentError> {
        match Root::open(&path) {
            Ok(root) => Ok(Self { path, root }),
            Err(errno) => Err(storage_root::root_error(&path, errno).into()),
        }
    }

    /// Opens a regular file; its size in bytes.
    fn file(&self, path: &str) -> Result<(OwnedFd, u64), ContentError> {
        let file = self.root.open_to_read(path).map_err(|errno| self.error(path, errno))?;
        let size = file.size();
        Ok((file.handle, size))
    }

    fn names(&self, folder: &str, most: usize) -> Result<Vec<Name>, ContentError> {
        let mut names = self.entries(folder, most).map_err(|errno| self.folder_error(folder, errno))?;
        names.sort_unstable();
        Ok(names)
    }

    fn entries(&self, folder: &str, most: usize) -> Result<Vec<Name>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY;
        let handle = self.root.open_at(folder, flags, Links::Follow)?;
        let is_own = |entry: &DirEntry| matches!(entry.file_name().to_bytes(), b"." | b"..");
        let entries = Dir::read_from(&handle)?.filter(|entry| !entry.as_ref().is_ok_and(is_own));
        let name = |entry: Result<DirEntry, Errno>| {
            let entry = entry?;
            let name = entry.file_name();
            let file_type = match entry.file_type() {
                FileType::Unknown => statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                stated => stated,
            };
            let is_folder = file_type == FileType::Directory;
            Ok(Name { name: PathText::of_bytes(name.to_bytes()).into_string(), is_folder })
        };
        entries.take(most).map(name).collect()
    }

    /// Why a folder cannot be listed.
    fn folder_error(&self, folder: &str, errno: Errno) -> ContentError {
        match self.error(folder, errno) {
            ContentError::Unreadable(reason) => ContentError::Unreadable(format!(
                "storage folder {}: {reason}",
                self.path.join(folder).display()
            )),
            error => error,
        }
    }

    /// Why what lies at this path cannot be read.
    fn error(&self, path: &str, errno: Errno) -> ContentError {
        if !matches!(errno, Errno::NOENT | Errno::NOTDIR) {
            return of_file(&self.path, errno);
        }
        match locked_folder(&self.root, path.as_bytes()) {
            Some(locked) => NotJudged::Folder(locked).into(),
            None => ContentError::MissingFile { at: self.path.join(path).display().to_string() },
        }
    }
}

/// Why a file that is there cannot be read.
fn of_file(root: &Path, errno: Errno) -> ContentError {
    match errno {
        OUTSIDE => ContentError::Invalid("leads out of its storage through a link".to_owned()),
        NOT_REGULAR => ContentError::Unreadable("not a regular file".to_owned()),
        errno => storage_root::not_judged(format_args!("storage root {}", root.display()), errno)
            .map_or_else(|| ContentError::Unreadable(errno.to_string()), ContentError::NotJudged),
    }
}

/// Reads from this offset until there are `most` bytes, or the file ends.
fn read_bytes(file: &OwnedFd, offset: u64, most: usize) -> Result<Bytes, Errno> {
    let mut bytes = vec![0; most];
    let filled = read_at(file, offset, &mut bytes)?;
    bytes.truncate(filled);
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use futures_util::StreamExt as _;

    use super::*;
    use crate::hash_plan::Secrets;
    use crate::pool::HashPool;

    fn trees(root: &Path) -> [FolderTree; 2] {
        let two = NonZeroUsize::new(2).unwrap();
        let pool = ReaderPool::start(two, HashPool::start(two, Secrets::default()).unwrap()).unwrap();
        let tree = FolderTree::new(root.to_owned(), &pool, two);
        [tree.beside_readers(), tree]
    }

    fn is_missing<T>(found: &Result<T, ContentError>) -> bool {
        matches!(found, Err(ContentError::MissingFile { .. }))
    }

    #[tokio::test]
    async fn files_are_read_beneath_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(root.join("empty")).unwrap();
        let large = vec![7; PIECE + 1];
        for (path, content) in [("a/b/one", &large[..]), ("a/b-c", b"22"), ("outside", b"secret")] {
            let root = if path == "outside" { folder.path() } else { &root };
            fs::write(root.join(path), content).unwrap();
        }
        symlink("b-c", root.join("a/inside")).unwrap();
        symlink("../../outside", root.join("a/outside")).unwrap();
        for tree in trees(&root) {
            let name = |name: &str, is_folder| Name { name: name.to_owned(), is_folder };
            let expected =
                [name("b", true), name("b-c", false), name("inside", false), name("outside", false)];
            assert_eq!(tree.names("a", 9).await, Ok(expected.to_vec()));
            assert_eq!(tree.names("a", 2).await.unwrap().len(), 2);
            assert_eq!(
                (tree.names("empty", 9).await, tree.has_folder("empty").await),
                (Ok(vec![]), Ok(true))
            );
            assert!(is_missing(&tree.names("none", 9).await) && is_missing(&tree.names("a/b-c", 9).await));
            assert_eq!(
                (tree.has_folder("a/b-c").await, tree.has_folder("none").await),
                (Ok(false), Ok(false))
            );
            assert_eq!(
                (tree.size("a/b-c").await, tree.read("a/inside", 1).await.unwrap()),
                (Ok(2), "2".into())
            );
            let mut file = tree.open("a/b/one").await.unwrap();
            let sizes = [file.next().await, file.next().await, file.next().await];
            let sizes = sizes.map(|piece| piece.unwrap().map(|piece| piece.len()));
            assert_eq!(sizes, [Some(PIECE), Some(1), None]);
            assert!(
                is_missing(&tree.size("a/none").await) && is_missing(&tree.open("a/none").await.map(drop))
            );
            assert!(matches!(tree.read("a/outside", 9).await, Err(ContentError::Invalid(_))));
            assert!(matches!(tree.size("a/b").await, Err(ContentError::Unreadable(_))));
            let files = tree.files("a").filter_map(|found| std::future::ready(found.ok()));
            let files = files.map(|found| (found.path, found.size));
            let expected = [("b-c".to_owned(), Some(2)), ("b/one".to_owned(), Some(widen(large.len())))];
            assert_eq!(files.collect::<Vec<_>>().await, expected);
            assert!(tree.identity().await.is_some());
        }
        fs::rename(&root, folder.path().join("away")).unwrap();
        for tree in trees(&root) {
            assert!(matches!(tree.size("a/b-c").await, Err(ContentError::NotJudged(_))));
            assert!(matches!(tree.has_folder("a").await, Err(ContentError::NotJudged(_))));
        }
    }
}
