//! Lists the files below a folder in the byte order of their paths.

use std::fmt;
use std::path::PathBuf;

use futures_util::{StreamExt, stream};
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, statat};
use rustix::io::Errno;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{Found, FoundStream, ListError};
use tokio::sync::mpsc;

use super::beneath::{Links, Root};
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

/// Nobody listens any more.
#[derive(Debug)]
struct Unheard;

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
    fn walk(&mut self) -> Result<(), Unheard> {
        // Held open all the while, unlike for reading: a listing of two storages in one would be none.
        let root = match Root::open(&self.root) {
            Ok(root) => root,
            Err(error) => return self.tell_broken(&error),
        };
        let first = match read_folder(&root, "") {
            Ok(folder) => folder,
            Err(error) => return self.tell_broken(&error),
        };
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
                Kind::Folder => match read_folder(&root, &path) {
                    Ok(folder) => open.push(folder),
                    // Gone, or replaced by something else, since its parent was read; unless all has gone.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                        if !root.is_still_at(&self.root) {
                            return self.tell_broken(&"it has gone while it was listed");
                        }
                    }
                    Err(error) => {
                        self.tell(Err(ListError::Skipped { path, reason: error.to_string() }))?;
                    }
                },
            }
        }
        Ok(())
    }

    fn tell_broken(&mut self, reason: &dyn fmt::Display) -> Result<(), Unheard> {
        let root = self.root.display();
        let broken = ListError::Broken(format!("storage root {root}: {reason}"));
        self.tell(Err(broken))
    }

    fn tell(&mut self, finding: Finding) -> Result<(), Unheard> {
        self.parcel.push(finding);
        if self.parcel.len() < PARCEL { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> Result<(), Unheard> {
        let parcel = std::mem::take(&mut self.parcel);
        self.sender.blocking_send(parcel).map_err(|_| Unheard)
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
