//! Files of the directory, each opened beneath its root.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{Dir, FileType, OFlags, fstat};
use rustix::io::Errno;
use stocktake_content::{Links, OUTSIDE, Root, read_at, storage_root};

use crate::digest::Digest;
use crate::source::RegistryError;

/// The most bytes of a link; a digest has at most 135.
const MAX_LINK: usize = 1024;

/// The root, which is opened anew each time: a disk is neither pinned nor its return missed.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: Arc<Path>,
}

impl Files {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a regular file; its size in bytes.
    pub(super) fn open(&self, path: &str) -> Result<(OwnedFd, u64), RegistryError> {
        let root = Root::open(&self.root)
            .map_err(|error| RegistryError::NotJudged(storage_root::root_error(&self.root, error)))?;
        // A FIFO or a device must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK;
        let file = root.open_at(path, flags, Links::Follow).map_err(error)?;
        let stat = fstat(&file).map_err(error)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(RegistryError::Unreadable("not a regular file".to_owned()));
        }
        Ok((file, u64::try_from(stat.st_size).unwrap_or_default()))
    }

    /// The digest in a link, the registry's small file that names another.
    pub(super) fn digest(&self, path: &str) -> Result<Digest, RegistryError> {
        let (file, _) = self.open(path)?;
        let text = read_bytes(&file, 0, MAX_LINK)?;
        let text = std::str::from_utf8(&text).unwrap_or_default().trim();
        text.parse().map_err(|error| RegistryError::Unreadable(format!("{error} in its link")))
    }

    /// The names in a folder; [`Errno::TOOBIG`] if there are more than `most`.
    pub(super) fn names(&self, folder: &str, most: usize) -> Result<Vec<Box<str>>, Errno> {
        let root = Root::open(&self.root)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY;
        let mut names = Vec::new();
        for entry in Dir::read_from(root.open_at(folder, flags, Links::Follow)?)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if matches!(&*name, "." | "..") {
                continue;
            }
            if names.len() >= most {
                return Err(Errno::TOOBIG);
            }
            names.push(name.into());
        }
        Ok(names)
    }

    /// What is said of a folder that cannot be read.
    pub(super) fn of_folder(&self, folder: &str, error: Errno) -> String {
        format!("storage folder {}: {}", self.root.join(folder).display(), reason(error))
    }
}

/// Reads from this offset until there are `most` bytes, or the file ends.
pub(super) fn read_bytes(file: &OwnedFd, offset: u64, most: usize) -> Result<Bytes, RegistryError> {
    let mut bytes = vec![0; most];
    let filled = read_at(file, offset, &mut bytes).map_err(error)?;
    bytes.truncate(filled);
    Ok(bytes.into())
}

fn error(error: Errno) -> RegistryError {
    match error {
        Errno::NOENT | Errno::NOTDIR => RegistryError::Absent,
        error => RegistryError::Unreadable(reason(error)),
    }
}

fn reason(error: Errno) -> String {
    match error {
        OUTSIDE => "leads out of its storage through a link".to_owned(),
        error => error.to_string(),
    }
}
