//! Files and entries of folders, as the system describes them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Stat};
use stocktake_content::RegularFile;

/// Tells whether a path still names the same, unchanged file. Git replaces files and does not change them in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
}

impl FileIdentity {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        }
    }

    /// What identifies a folder, whatever its size and time.
    pub(crate) fn folder(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

/// A regular file that has been opened.
#[derive(Debug)]
pub(crate) struct OpenFile {
    handle: OwnedFd,
    pub(crate) identity: FileIdentity,
    /// In bytes.
    pub(crate) size: u64,
}

impl OpenFile {
    pub(crate) fn new(file: RegularFile) -> Self {
        Self { identity: FileIdentity::of(&file.stat), size: file.size(), handle: file.handle }
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Folder,
    /// Anything else, whose type is known only once it is opened. A link to a folder is among these, so that no
    /// walk runs in circles.
    File,
}

impl From<FileType> for EntryKind {
    fn from(file_type: FileType) -> Self {
        if file_type == FileType::Directory { Self::Folder } else { Self::File }
    }
}

/// An entry of a folder.
#[derive(Debug)]
pub(crate) struct FolderEntry {
    pub(crate) name: Box<[u8]>,
    pub(crate) kind: EntryKind,
    pub(crate) inode: u64,
}

impl FolderEntry {
    /// The bytes by which paths sort: those of the paths in a folder have a slash behind its name.
    pub(crate) fn path_bytes(&self) -> impl Iterator<Item = u8> + '_ {
        let slash = (self.kind == EntryKind::Folder).then_some(b'/');
        self.name.iter().copied().chain(slash)
    }
}
