//! Listing of regular files, with their sizes and times.

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::NoContent;

use super::{Action, Entry};

/// Lists regular files, and what is in folders; no link is followed.
pub fn regular_files(entry: &Entry<'_>) -> Option<Action> {
    match entry.stated_type() {
        FileType::Directory => Some(Action::Enter),
        FileType::RegularFile | FileType::Unknown => action_by_stat(entry.stat()),
        other => no_content(other).map(Action::PassOver),
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
            Some(Action::List { size: Some(size(&stat)), modified_at: Some(modified_at(&stat)) })
        }
        other => no_content(other).map(Action::PassOver),
    }
}

/// What an entry of this type is if it is neither a file nor a folder.
pub(super) const fn no_content(kind: FileType) -> Option<NoContent> {
    match kind {
        FileType::Directory | FileType::RegularFile | FileType::Unknown => None,
        FileType::Symlink => Some(NoContent::Link),
        FileType::Fifo => Some(NoContent::Pipe),
        FileType::Socket => Some(NoContent::Socket),
        FileType::CharacterDevice | FileType::BlockDevice => Some(NoContent::Device),
    }
}

/// The size in bytes of what has these metadata.
pub fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// When it was last changed.
pub fn modified_at(stat: &Stat) -> Timestamp {
    let millis = i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0);
    Timestamp::from_millis(stat.st_mtime.saturating_mul(1_000).saturating_add(millis))
}
