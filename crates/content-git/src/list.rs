//! Lists the bare repositories below a folder in the byte order of their paths.

use std::fmt;
use std::path::PathBuf;
use std::thread;

use futures_util::{StreamExt, stream};
use rustix::fs::{AtFlags, Dir, FileType, OFlags, statat};
use rustix::io::Errno;
use stocktake_content::{Links, Root};
use stocktake_domain::ports::{Found, FoundStream, ListError};
use tokio::sync::mpsc;

/// How many findings travel together from the walking thread, and how many such parcels may wait.
const PARCEL: usize = 256;
const PARCELS: usize = 4;

type Finding = Result<Found, ListError>;

/// All repositories below the root; no link is followed, and no repository is gone into.
pub(crate) fn list(root: PathBuf) -> FoundStream {
    let (sender, mut parcels) = mpsc::channel(PARCELS);
    let failed = sender.clone();
    let walk = move || {
        let mut walker = Walker { root, sender, parcel: Vec::new() };
        if walker.walk().is_ok() {
            // Nobody listens any more: nothing is lost.
            let _unheard = walker.send();
        }
    };
    if let Err(error) = thread::Builder::new().name("list-git".to_owned()).spawn(walk) {
        let broken = ListError::Broken(format!("the system gives no thread: {error}"));
        // There is room, as nothing was sent.
        let _unheard = failed.try_send(vec![Err(broken)]);
    }
    drop(failed);
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

/// A folder in a folder.
struct Entry {
    name: Box<str>,
    kind: Kind,
}

enum Kind {
    Repository,
    Folder,
    /// It cannot be told of; why.
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
                Kind::Repository => self.tell(Ok(Found { path, size: None, modified_at: None }))?,
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

/// Reads which folders a folder holds, and which of them are repositories, as that decides on their order.
fn read_folder(root: &Root, path: &str) -> Result<Folder, Errno> {
    let at = if path.is_empty() { "." } else { path };
    let handle = root.open_at(at, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY, Links::Refuse)?;
    let path = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut entries = Vec::new();
    for entry in Dir::read_from(&handle)? {
        let entry = entry?;
        let name = entry.file_name();
        let file_type = match entry.file_type() {
            FileType::Unknown => statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
            known => known,
        };
        if file_type != FileType::Directory || matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(plain) = name.to_str() else {
            let kind = Kind::Skipped("the name is not UTF-8".to_owned());
            entries.push(Entry { name: name.to_string_lossy().into(), kind });
            continue;
        };
        let kind = match is_repository(root, &format!("{path}{plain}")) {
            Ok(true) => Kind::Repository,
            Ok(false) => Kind::Folder,
            Err(error) => Kind::Skipped(error.to_string()),
        };
        entries.push(Entry { name: plain.into(), kind });
    }
    entries.sort_unstable_by(|a, b| a.sort_key().cmp(b.sort_key()));
    Ok(Folder { path, entries: entries.into_iter() })
}

/// Whether the folder holds what a bare repository holds.
fn is_repository(root: &Root, path: &str) -> Result<bool, Errno> {
    for name in ["HEAD", "objects/", "refs/"] {
        match root.open_at(format!("{path}/{name}"), OFlags::PATH, Links::Follow) {
            Ok(_) => {}
            // A link that leads nowhere or outside makes no repository, and nothing is read through it.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

impl Entry {
    /// A folder sorts as its content does: `a-b` comes before `a/x`, and `a.git` too, but `a0` after it.
    fn sort_key(&self) -> impl Iterator<Item = u8> + '_ {
        let slash = matches!(self.kind, Kind::Folder).then_some(b'/');
        self.name.bytes().chain(slash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_ends_when_nobody_listens() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..PARCEL {
            for part in ["objects", "refs", "HEAD"] {
                std::fs::create_dir_all(folder.path().join(number.to_string()).join(part)).unwrap();
            }
        }
        let (sender, receiver) = mpsc::channel(PARCELS);
        drop(receiver);
        assert!(Walker { root: folder.path().to_owned(), sender, parcel: Vec::new() }.walk().is_err());
    }

    #[test]
    fn a_storage_that_goes_while_it_is_listed_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root");
        std::fs::create_dir(&path).unwrap();
        let root = Root::open(&path).unwrap();
        let (sender, mut receiver) = mpsc::channel(PARCELS);
        let mut walker = Walker { root: path.clone(), sender, parcel: Vec::new() };
        assert!(matches!(walker.enter(&root, "vanished".to_owned()), Ok(None)));
        std::fs::remove_dir(&path).unwrap();
        assert!(walker.enter(&root, "folder".to_owned()).is_err());
        let broken = format!("storage root {}: it has gone while it was listed", path.display());
        assert_eq!(receiver.try_recv().unwrap(), [Err(ListError::Broken(broken))]);
    }
}
