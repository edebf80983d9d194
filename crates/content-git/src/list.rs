//! Lists the bare repositories below a folder, and measures one.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, statat};
use rustix::io::Errno;
use stocktake_content::walk::{self, Action, Entry, Walk};
use stocktake_content::{Links, Root};
use stocktake_domain::ports::{Extent, FoundStream};
use stocktake_domain::{PathText, Timestamp};

/// All repositories below the root in the byte order of their paths. No link is followed, and no repository is
/// entered. Links, pipes and devices are passed over; files are nothing here.
pub(crate) fn list(root: PathBuf) -> FoundStream {
    walk::list(Walk { root, base: "".into(), thread: "list-git" }, action)
}

fn action(entry: &Entry<'_>) -> Option<Action> {
    if !entry.is_folder() {
        return entry.no_content().map(Action::PassOver);
    }
    Some(match is_repository(entry) {
        Ok(true) => Action::List { size: None, modified_at: None },
        Ok(false) => Action::Enter,
        Err(error) => Action::SkipFolder(error),
    })
}

/// Whether the folder is a bare repository, or what is left of one: it contains two of the three parts of each, or one and has
/// a repository's name.
fn is_repository(entry: &Entry<'_>) -> Result<bool, Errno> {
    let name = entry.name();
    let mut parts = u8::from(name.ends_with(".git") && name != ".git");
    for part in ["HEAD", "objects/", "refs/"] {
        match entry.open(part, OFlags::PATH, Links::Follow) {
            Ok(_) => parts += 1,
            // A link that leads nowhere or outside makes no repository, and nothing is read through it.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(parts >= 2)
}

/// The total size of all regular files below the folder at this path beneath the root, and the last change of any;
/// no link is followed. `None` if it does not exist, or cannot be read as a whole.
pub(crate) fn measure(root: &Path, path: &str) -> Option<Extent> {
    let root = Root::open(root).ok()?;
    let mut total = Total { bytes: 0, newest: None, unread: Vec::new() };
    total.add_folder(&root, &PathText::new(path).to_bytes()).ok()?;
    while let Some(folder) = total.unread.pop() {
        match total.add_folder(&root, &folder) {
            // It has vanished or was replaced since its parent was read.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(_) => return None,
        }
    }
    Some(Extent { size: total.bytes, modified_at: total.newest.map(Timestamp::from_millis) })
}

struct Total {
    bytes: u64,
    /// Milliseconds since 1970.
    newest: Option<i64>,
    /// Paths beneath the root of folders to be read, the last one first: so there are never more than those in a
    /// few folders.
    unread: Vec<Vec<u8>>,
}

impl Total {
    fn add_folder(&mut self, root: &Root, path: &[u8]) -> Result<(), Errno> {
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
                FileType::Directory => self.unread.push([path, b"/", name.to_bytes()].concat()),
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
