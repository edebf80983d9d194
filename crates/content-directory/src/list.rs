//! Lists and measures the regular files below a folder.

use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use stocktake_content::Root;
use stocktake_content::walk::{self, Action, Entry, Walk};
use stocktake_domain::ports::{Extent, FoundStream, NoContent};
use stocktake_domain::{PathText, Timestamp};

/// All regular files below the root in the byte order of their paths; no link is followed.
pub(crate) fn list(root: PathBuf) -> FoundStream {
    walk::list(Walk { root, base: "", thread: "list" }, action)
}

/// The size and the time of change of the file at this path as they are now.
pub(crate) fn measure(root: &Path, path: &str) -> Option<Extent> {
    let stat = Root::open(root).ok()?.open_to_read(PathText::new(path).to_bytes()).ok()?.stat;
    Some(Extent { size: size(&stat), modified_at: Some(modified_at(&stat)) })
}

fn action(entry: &Entry<'_>) -> Option<Action> {
    match entry.stated_type() {
        FileType::Directory => Some(Action::Enter),
        FileType::RegularFile | FileType::Unknown => action_by_stat(entry.stat()),
        other => Some(Action::PassOver(no_content(other))),
    }
}

fn action_by_stat(stat: Result<Stat, Errno>) -> Option<Action> {
    let stat = match stat {
        Ok(stat) => stat,
        // It has vanished since the folder was read.
        Err(Errno::NOENT) => return None,
        Err(error) => return Some(Action::Skip(error.to_string())),
    };
    Some(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Action::Enter,
        FileType::RegularFile => {
            Action::List { size: Some(size(&stat)), modified_at: Some(modified_at(&stat)) }
        }
        other => Action::PassOver(no_content(other)),
    })
}

/// What an entry is that is neither a file nor a folder.
const fn no_content(kind: FileType) -> NoContent {
    match kind {
        FileType::Symlink => NoContent::Link,
        FileType::Fifo => NoContent::Pipe,
        FileType::Socket => NoContent::Socket,
        _ => NoContent::Device,
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn modified_at(stat: &Stat) -> Timestamp {
    let millis = i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0);
    Timestamp::from_millis(stat.st_mtime.saturating_mul(1_000).saturating_add(millis))
}
