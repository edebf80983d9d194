//! Lists the regular files below a folder.

use std::path::PathBuf;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use stocktake_content::walk::{self, Action, Entry, Walk};
use stocktake_domain::Timestamp;
use stocktake_domain::ports::FoundStream;

/// All regular files below the root in the byte order of their paths; no link is followed.
pub(crate) fn list(root: PathBuf) -> FoundStream {
    walk::list(Walk { root, base: "", thread: "list" }, action)
}

fn action(entry: &Entry<'_>) -> Option<Action> {
    match entry.stated_type() {
        FileType::Directory => Some(Action::Enter),
        FileType::RegularFile | FileType::Unknown => action_by_stat(entry.stat()),
        _ => None,
    }
}

fn action_by_stat(stat: Result<Stat, Errno>) -> Option<Action> {
    let stat = match stat {
        Ok(stat) => stat,
        // It has vanished since the folder was read.
        Err(Errno::NOENT) => return None,
        Err(error) => return Some(Action::Skip(error.to_string())),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some(Action::Enter),
        FileType::RegularFile => {
            let millis = i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0);
            let modified_at = stat.st_mtime.saturating_mul(1_000).saturating_add(millis);
            Some(Action::List {
                size: Some(u64::try_from(stat.st_size).unwrap_or(0)),
                modified_at: Some(Timestamp::from_millis(modified_at)),
            })
        }
        _ => None,
    }
}
