//! How much a repository is.

use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, OFlags, statat};
use rustix::io::Errno;
use stocktake_content::{Links, Root};
use stocktake_domain::Timestamp;
use stocktake_domain::ports::Extent;

/// The sizes of all regular files below the folder at this path beneath the root, together, and the last change of
/// any; no link is followed. `None` if it is not there, or cannot be read as a whole.
pub(crate) fn measure(root: &Path, path: &str) -> Option<Extent> {
    let root = Root::open(root).ok()?;
    let mut folders = Folders { bytes: 0, newest: None, to_read: Vec::new() };
    folders.read(&root, path.as_bytes()).ok()?;
    while let Some(folder) = folders.to_read.pop() {
        match folders.read(&root, &folder) {
            // Gone, or replaced by something else, since its parent was read.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(_) => return None,
        }
    }
    Some(Extent { size: folders.bytes, modified_at: folders.newest.map(Timestamp::from_millis) })
}

struct Folders {
    bytes: u64,
    /// Milliseconds since 1970.
    newest: Option<i64>,
    /// Paths beneath the root. The last one is read first, so that there are never more than the folders of a
    /// few folders.
    to_read: Vec<Vec<u8>>,
}

impl Folders {
    fn read(&mut self, root: &Root, path: &[u8]) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY;
        let handle = root.open_at(path, flags, Links::Refuse)?;
        for entry in Dir::read_from(&handle)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.to_read.push([path, b"/", name.to_bytes()].concat()),
                FileType::RegularFile => {
                    self.bytes = self.bytes.saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
                    self.newest = self.newest.max(Some(stat.st_mtime.saturating_mul(1_000)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
