//! Reading a repository's files: every access to them goes through [`RepoReader`].

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{AtFlags, Dir, FileType, OFlags, fstat, statat};
use rustix::io::Errno;
use stocktake_content::num::{narrow, widen};
use stocktake_content::{HashPool, Links, Root, read_at, storage_root};
use stocktake_domain::ContentError;
use stocktake_net::rate_limit::RateLimiter;

use crate::context::{BUFFER_BYTES, Buffer, Integrity, ReaderContext};
use crate::error::ReadError;
use crate::file::{EntryKind, FileIdentity, FolderEntry, OpenFile};
use crate::folder::RepoFolder;
use crate::memory::Memory;
use crate::pools::Pools;

/// Reads files of one repository, and of those whose objects it shares.
pub(crate) struct RepoReader<'context> {
    context: &'context ReaderContext<'context>,
    root: Root,
    bytes: Cell<u64>,
}

impl<'context> RepoReader<'context> {
    /// Opens the storage's root.
    pub(crate) fn new(context: &'context ReaderContext<'context>) -> Result<Self, ReadError> {
        let path = &context.store.settings.root;
        let root = context.batch.open_root(path).map_err(|error| storage_root::root_error(path, error))?;
        Ok(Self { context, root, bytes: Cell::new(0) })
    }

    /// Whether the storage's root is still the folder that was opened.
    pub(crate) fn is_current(&self) -> bool {
        self.root.is_still_at(self.root_path())
    }

    /// What is reported of a repository that is not found.
    pub(crate) fn missing(&self, folder: &RepoFolder) -> ContentError {
        folder.missing(&self.root)
    }

    /// The path of the storage's root.
    pub(crate) fn root_path(&self) -> &'context Path {
        &self.context.store.settings.root
    }

    pub(crate) fn reads_objects(&self) -> bool {
        self.context.store.settings.integrity >= Integrity::Objects
    }

    /// Whether everything has to exist that the refs reach.
    pub(crate) fn is_connected(&self) -> bool {
        self.context.store.settings.integrity >= Integrity::Connected
    }

    /// Whether the attempt of this number compares every object with its id; `None` stands for one that does.
    pub(crate) fn is_deep(&self, attempt: Option<u64>) -> bool {
        let every = widen(self.context.store.settings.deep_every.get());
        self.reads_objects() && attempt.is_none_or(|attempt| attempt.is_multiple_of(every))
    }

    /// What is known of alternates.
    pub(crate) fn pools(&self) -> &Pools {
        &self.context.store.pools
    }

    /// The memory for tables of objects.
    pub(crate) fn memory(&self) -> &Memory {
        &self.context.store.memory
    }

    pub(crate) fn pool(&self) -> &Arc<HashPool> {
        &self.context.store.pool
    }

    /// The number of bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes.get()
    }

    /// Fails if the inspection has been cancelled.
    pub(crate) fn check_cancelled(&self) -> Result<(), ReadError> {
        if self.is_cancelled() { Err(ReadError::Final(ContentError::CANCELLED)) } else { Ok(()) }
    }

    fn is_cancelled(&self) -> bool {
        self.context.batch.is_cancelled()
    }

    /// An empty buffer.
    pub(crate) fn take_buffer(&self) -> Buffer {
        self.context.take_buffer()
    }

    /// Keeps a buffer for later use.
    pub(crate) fn keep_buffer(&self, buffer: Buffer) {
        self.context.keep_buffer(buffer);
    }

    /// The type and identity of a file or folder, without opening it for reading; `None` if it does not exist.
    pub(crate) fn find(
        &self,
        folder: &RepoFolder,
        name: &[u8],
    ) -> Result<Option<(FileType, FileIdentity)>, ReadError> {
        let refused = |error| folder.refused(name, error);
        match self.root.open_at(folder.path(name), OFlags::PATH, Links::Follow) {
            Ok(handle) => {
                let stat = fstat(handle).map_err(refused)?;
                Ok(Some((FileType::from_raw_mode(stat.st_mode), FileIdentity::of(&stat))))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// What the symbolic link of this name says; `None` if there is something else, or nothing.
    pub(crate) fn link(&self, folder: &RepoFolder, name: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.root.read_link(folder.path(name)).map_err(|error| folder.refused(name, error))
    }

    /// Whether this is a folder or something else; `None` if it does not exist.
    pub(crate) fn kind(&self, folder: &RepoFolder, name: &[u8]) -> Result<Option<EntryKind>, ReadError> {
        Ok(self.find(folder, name)?.map(|(file_type, _)| EntryKind::from(file_type)))
    }

    /// Opens a regular file; `None` if it does not exist.
    pub(crate) fn open(&self, folder: &RepoFolder, name: &[u8]) -> Result<Option<OpenFile>, ReadError> {
        let file = match self.root.open_to_read(folder.path(name)) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(folder.refused(name, error)),
        };
        Ok(Some(OpenFile::new(file)))
    }

    /// Whether this is still the file of that name.
    pub(crate) fn is_still(
        &self,
        folder: &RepoFolder,
        name: &[u8],
        identity: FileIdentity,
    ) -> Result<bool, ReadError> {
        Ok(self.find(folder, name)?.is_some_and(|(_, now)| now == identity))
    }

    /// The error for a file that is damaged: that the repository changed, if the file has been replaced.
    pub(crate) fn damaged(
        &self,
        folder: &RepoFolder,
        name: &[u8],
        identity: FileIdentity,
        reason: &str,
    ) -> ReadError {
        match self.is_still(folder, name, identity) {
            Ok(true) => folder.damaged(name, reason),
            Ok(false) => ReadError::Changed,
            Err(error) => error,
        }
    }

    /// Adds up to `count` bytes from this offset to the buffer, fewer if the file ends; returns how many.
    pub(crate) fn read_at(
        &self,
        file: &OpenFile,
        offset: u64,
        buffer: &mut Buffer,
        count: usize,
    ) -> Result<usize, Errno> {
        let read = self.read_into(file, offset, buffer.unfilled(count))?;
        buffer.add_filled(read);
        Ok(read)
    }

    /// Fills `bytes` from this offset, with less if the file ends; returns how many.
    pub(crate) fn read_into(&self, file: &OpenFile, offset: u64, bytes: &mut [u8]) -> Result<usize, Errno> {
        let read = read_at(file, offset, bytes)?;
        self.bytes.set(self.bytes.get() + widen(read));
        self.context.batch.add_bytes(widen(read));
        Ok(read)
    }

    /// Reads a whole file of at most `max` bytes; `None` if it does not exist.
    pub(crate) fn read(
        &self,
        folder: &RepoFolder,
        name: &[u8],
        max: usize,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(file) = self.open(folder, name)? else { return Ok(None) };
        if file.size > widen(max) {
            return Err(folder.damaged(name, format!("longer than {max} bytes")));
        }
        self.wait_for_rate(file.size)?;
        let mut content = vec![0; narrow(file.size)];
        let read = self.read_into(&file, 0, &mut content).map_err(|error| folder.refused(name, error))?;
        content.truncate(read);
        Ok(Some(content))
    }

    /// How many bytes to read at a time.
    pub(crate) fn step(&self) -> usize {
        self.context.store.limiter.as_ref().map_or(BUFFER_BYTES, RateLimiter::step)
    }

    /// Waits until this many bytes may be read; fails if the inspection is cancelled.
    pub(crate) fn wait_for_rate(&self, bytes: u64) -> Result<(), ReadError> {
        self.check_cancelled()?;
        let Some(limiter) = &self.context.store.limiter else { return Ok(()) };
        let reservation = limiter.reserve(bytes, Instant::now());
        if limiter.wait(reservation, || self.is_cancelled()) { Ok(()) } else { self.check_cancelled() }
    }

    /// The entries of a folder, in no order; `None` if it does not exist.
    pub(crate) fn entries(
        &self,
        folder: &RepoFolder,
        name: &[u8],
    ) -> Result<Option<Vec<FolderEntry>>, ReadError> {
        self.check_cancelled()?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY;
        let refused = |error| folder.refused(name, error);
        let handle = match self.root.open_at(folder.path(name), flags, Links::Follow) {
            Ok(handle) => handle,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
        let mut entries = Vec::new();
        for entry in Dir::read_from(&handle).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let mut file_type = entry.file_type();
            if file_type == FileType::Unknown {
                let stat = statat(&handle, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
                file_type = stat.map_or(file_type, |stat| FileType::from_raw_mode(stat.st_mode));
            }
            entries.push(FolderEntry { name: name.into(), kind: file_type.into(), inode: entry.ino() });
        }
        Ok(Some(entries))
    }
}
