//! Lists the files below a folder in the byte order of their paths.

use std::fmt;
use std::path::PathBuf;

use futures_util::{StreamExt, stream};
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, statat};
use rustix::io::Errno;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{Found, FoundStream, ListError};
use tokio::sync::mpsc;

use crate::beneath::{Links, Root};
use crate::sync::spawn;

/// How many findings travel together from the walking thread, and how many such parcels may wait.
const PARCEL: usize = 256;
const PARCELS: usize = 4;

type Finding = Result<Found, ListError>;

/// All regular files below the root; no link is followed.
pub(super) fn list(root: PathBuf) -> FoundStream {
    let (sender, mut parcels) = mpsc::channel(PARCELS);
    spawn("list".to_owned(), move || {
        let mut walker = Walker { root, sender, parcel: Vec::new() };
        if walker.walk().is_ok() {
            // Nobody listens any more: nothing is lost.
            let _unheard = walker.send();
        }
    });
    Box::pin(stream::poll_fn(move |context| parcels.poll_recv(context)).flat_map(stream::iter))
}

/// The listing ends early: it is broken, or nobody listens any more.
#[derive(Debug)]
struct Ended;

struct Walker {
    root: PathBuf,
    sender: mpsc::Sender<Vec<Finding>>,
    parcel: Vec<Finding>,
}

/// What a folder holds, in order, of which the part from `next` on is still to be told.
struct Folder {
    /// Its path with a slash behind; empty for the root.
    path: String,
    entries: std::vec::IntoIter<Entry>,
}

/// An entry of a folder.
struct Entry {
    name: Box<str>,
    kind: Kind,
}

enum Kind {
    /// A regular file; size in bytes and time of the last change.
    File {
        size: u64,
        modified_at: Timestamp,
    },
    Folder,
    /// Something that is there and cannot be told of; why.
    Skipped(String),
}

impl Walker {
    fn walk(&mut self) -> Result<(), Ended> {
        // Held open all the while, unlike for reading: a listing of two storages in one would be none.
        let root = Root::open(&self.root).or_else(|error| self.tell_broken(&error))?;
        let first = read_folder(&root, "").or_else(|error| self.tell_broken(&error))?;
        let mut open = vec![first];
        while let Some(folder) = open.last_mut() {
            let Some(Entry { name, kind }) = folder.entries.next() else {
                open.pop();
                continue;
            };
            let path = format!("{}{name}", folder.path);
            match kind {
                Kind::File { size, modified_at } => {
                    self.tell(Ok(Found { path, size: Some(size), modified_at: Some(modified_at) }))?;
                }
                Kind::Skipped(reason) => self.tell(Err(ListError::Skipped { path, reason }))?,
                Kind::Folder => open.extend(self.enter(&root, path)?),
            }
        }
        Ok(())
    }

    /// The folder, unless it cannot be read.
    fn enter(&mut self, root: &Root, path: String) -> Result<Option<Folder>, Ended> {
        match read_folder(root, &path) {
            Ok(folder) => return Ok(Some(folder)),
            // Gone, or replaced by something else, since its parent was read; unless all has gone.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                if !root.is_still_at(&self.root) {
                    self.tell_broken(&"it has gone while it was listed")?;
                }
            }
            Err(error) => self.tell(Err(ListError::Skipped { path, reason: error.to_string() }))?,
        }
        Ok(None)
    }

    fn tell_broken<T>(&mut self, reason: &dyn fmt::Display) -> Result<T, Ended> {
        let root = self.root.display();
        self.parcel.push(Err(ListError::Broken(format!("storage root {root}: {reason}"))));
        self.send()?;
        Err(Ended)
    }

    fn tell(&mut self, finding: Finding) -> Result<(), Ended> {
        self.parcel.push(finding);
        if self.parcel.len() < PARCEL { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> Result<(), Ended> {
        let parcel = std::mem::take(&mut self.parcel);
        self.sender.blocking_send(parcel).map_err(|_unheard| Ended)
    }
}

/// Reads a whole folder and the sizes of its files, as its handle is not kept: however deep the tree is,
/// only one is open at a time. Each is reached from the root, so that no link leads out of it.
fn read_folder(root: &Root, path: &str) -> Result<Folder, Errno> {
    let at = if path.is_empty() { "." } else { path };
    let handle = root.open_at(at, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY, Links::Refuse)?;
    let mut entries = Vec::new();
    for entry in Dir::read_from(&handle)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Directory => Some(Kind::Folder),
            FileType::RegularFile | FileType::Unknown => {
                kind_of(statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW))
            }
            _ => None,
        };
        let Some(kind) = kind else { continue };
        entries.push(match name.to_str() {
            Ok(name) => Entry { name: name.into(), kind },
            Err(_) => Entry {
                name: name.to_string_lossy().into(),
                kind: Kind::Skipped("the name is not UTF-8".to_owned()),
            },
        });
    }
    entries.sort_unstable_by(|a, b| a.sort_key().cmp(b.sort_key()));
    let path = if path.is_empty() { String::new() } else { format!("{path}/") };
    Ok(Folder { path, entries: entries.into_iter() })
}

impl Entry {
    /// A folder sorts as its content does: `a-b` comes before `a/x`, and `a.b` too, but `a0` after it.
    fn sort_key(&self) -> impl Iterator<Item = u8> + '_ {
        let slash = matches!(self.kind, Kind::Folder).then_some(b'/');
        self.name.bytes().chain(slash)
    }
}

/// What this is; `None` if it is nothing to be told of, or is there no more.
fn kind_of(stat: Result<Stat, Errno>) -> Option<Kind> {
    let stat = match stat {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return None,
        Err(error) => return Some(Kind::Skipped(error.to_string())),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some(Kind::Folder),
        FileType::RegularFile => {
            let millis = i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0);
            Some(Kind::File {
                size: u64::try_from(stat.st_size).unwrap_or(0),
                modified_at: Timestamp::from_millis(
                    stat.st_mtime.saturating_mul(1_000).saturating_add(millis),
                ),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walker(root: PathBuf) -> (Walker, mpsc::Receiver<Vec<Finding>>) {
        let (sender, receiver) = mpsc::channel(PARCELS);
        (Walker { root, sender, parcel: Vec::new() }, receiver)
    }

    #[test]
    fn the_walk_ends_when_nobody_listens() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..PARCEL {
            std::fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        let (mut walker, receiver) = walker(folder.path().to_owned());
        drop(receiver);
        assert!(walker.walk().is_err());
    }

    #[test]
    fn a_storage_that_goes_while_it_is_listed_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root");
        std::fs::create_dir(&path).unwrap();
        let root = Root::open(&path).unwrap();
        let (mut walker, mut receiver) = walker(path.clone());
        assert!(matches!(walker.enter(&root, "vanished".to_owned()), Ok(None)));
        std::fs::remove_dir(&path).unwrap();
        assert!(walker.enter(&root, "folder".to_owned()).is_err());
        let broken = format!("storage root {}: it has gone while it was listed", path.display());
        assert_eq!(receiver.try_recv().unwrap(), [Err(ListError::Broken(broken))]);
    }
}
