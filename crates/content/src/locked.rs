//! Folders that are encrypted by the file system, and locked.
//!
//! Without its key, the names in such a folder (fscrypt: ext4, F2FS, UBIFS, Ceph) are others, and what is looked for under
//! its right name is not found.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxAttributes, StatxFlags, openat, statat, statx};
use rustix::io::Errno;
use stocktake_domain::{PathText, UnreadableFolder};

use crate::beneath::{Links, Root};

/// At how many entries is looked for a file that tells whether a folder is locked.
const MOST_ENTRIES: usize = 1_000;

/// The folder in which what should be at this path, and is not found, cannot be found because the folder is locked.
pub fn locked_folder(root: &Root, path: &[u8]) -> Option<UnreadableFolder> {
    let (folder, handle) = nearest_folder(root, path)?;
    let mut entries_left = MOST_ENTRIES;
    let attributes = statx(&handle, "", AtFlags::EMPTY_PATH, StatxFlags::empty()).ok()?.stx_attributes;
    if !attributes.contains(StatxAttributes::ENCRYPTED) || !is_locked(&handle, &mut entries_left) {
        return None;
    }
    let folder = PathText::of_bytes(folder).into_string();
    let named = if folder.is_empty() { "its root folder".to_owned() } else { format!("its folder {folder}") };
    Some(UnreadableFolder { reason: format!("{named} is encrypted, and the key is not there"), folder })
}

/// The deepest folder on the way to this path that there is.
fn nearest_folder<'path>(root: &Root, path: &'path [u8]) -> Option<(&'path [u8], OwnedFd)> {
    let mut folder = path;
    loop {
        folder =
            folder.iter().rposition(|byte| *byte == b'/').and_then(|end| folder.get(..end)).unwrap_or(b"");
        let at = if folder.is_empty() { b"." } else { folder };
        match root.open_at(at, OFlags::RDONLY | OFlags::DIRECTORY, Links::Follow) {
            Ok(handle) => return Some((folder, handle)),
            Err(Errno::NOENT | Errno::NOTDIR) if !folder.is_empty() => {}
            Err(_) => return None,
        }
    }
}

/// Whether the first file that is found in this folder cannot be opened for want of its key.
fn is_locked(folder: &OwnedFd, entries_left: &mut usize) -> bool {
    let Ok(entries) = Dir::read_from(folder) else { return false };
    for entry in entries.flatten() {
        let Some(left) = entries_left.checked_sub(1) else { return false };
        *entries_left = left;
        let name = entry.file_name();
        let kind = match entry.file_type() {
            FileType::Unknown => statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
            kind => kind,
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match kind {
            FileType::RegularFile => {
                return openat(folder, name, flags, Mode::empty()).is_err_and(|error| error == Errno::NOKEY);
            }
            FileType::Directory if !matches!(name.to_bytes(), b"." | b"..") => {
                let opened = openat(folder, name, flags | OFlags::DIRECTORY, Mode::empty());
                if opened.is_ok_and(|below| is_locked(&below, entries_left)) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}
