//! Lists what lies below a folder, in the byte order of the paths.
//!
//! A thread reads one folder after the other, each reached from the root without following a link, and sends what
//! it finds in chunks. Memory is bounded by the folders on the way down to the current one, and only one is open
//! at a time, however deep the tree is. What an entry means is up to the adapter: a function from [`Entry`] to
//! [`Action`]s.

use std::borrow::Cow;
use std::ffi::CStr;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use futures_util::{StreamExt as _, stream};
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, statat};
use rustix::io::Errno;
use stocktake_domain::ports::{Found, FoundStream, ListError, NoContent};
use stocktake_domain::{PathText, Timestamp};
use tokio::sync::mpsc;

use crate::beneath::{Links, Root};
use crate::storage_root::not_judged;
use crate::threads::try_spawn;

mod files;

pub use files::{modified_at, regular_files, size};

/// How many results are sent together, and how many such chunks may wait.
const CHUNK: usize = 256;
const CHUNKS: usize = 4;

type Listed = Result<Found, ListError>;

/// Where a listing begins.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The storage's root.
    pub root: PathBuf,
    /// The folder to list, beneath the root; empty for the root itself. Listed paths are relative to it.
    pub base: Cow<'static, str>,
    /// The name of the thread, at most 15 bytes.
    pub thread: &'static str,
}

/// What a listing does about an entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Lists the entry as content.
    List {
        /// In bytes, if known.
        size: Option<u64>,
        /// When it was last changed, if known.
        modified_at: Option<Timestamp>,
    },
    /// Lists what is in this folder.
    Enter,
    /// Reports that the entry is left out, and why.
    Skip(String),
    /// Reports that the entry is no content: what it is.
    PassOver(NoContent),
    /// Reports that this folder is left out with all that is in it, because of this error.
    SkipFolder(Errno),
}

/// An entry of a folder that is being listed.
#[derive(Debug)]
pub struct Entry<'walk> {
    root: &'walk Root,
    folder: &'walk OwnedFd,
    /// The folder's path beneath the root with a slash behind it; empty for the root.
    prefix: &'walk [u8],
    name: &'walk CStr,
    file_type: FileType,
}

/// Lists the folder. `select` is called once for each entry when its folder is read, and says what to do about it;
/// nothing if the entry is to be ignored.
///
/// A folder that vanishes meanwhile is ignored; of one that cannot be read to its end, what was read is listed. The
/// listing is broken if the folder where it begins cannot be read, or if the root is replaced while it is listed.
pub fn list<S, A>(walk: Walk, select: S) -> FoundStream
where
    S: Fn(&Entry<'_>) -> A + Send + 'static,
    A: IntoIterator<Item = Action>,
{
    let (sender, mut chunks) = mpsc::channel(CHUNKS);
    let failed = sender.clone();
    let thread = walk.thread;
    let started = try_spawn(thread.to_owned(), move || {
        let _span = tracing::debug_span!("list", storage.root = %walk.root.display()).entered();
        Walker { walk, select, sender, chunk: Vec::new() }.run();
    });
    if let Err(error) = started {
        let broken = ListError::Broken(format!("the system cannot start a thread: {error}"));
        // The channel is empty, and its receiver is below.
        let _sent = failed.try_send(vec![Err(broken)]);
    }
    drop(failed);
    Box::pin(stream::poll_fn(move |context| chunks.poll_recv(context)).flat_map(stream::iter))
}

impl Entry<'_> {
    /// The name, with replacement characters where it is not UTF-8.
    pub fn name(&self) -> Cow<'_, str> {
        self.name.to_string_lossy()
    }

    /// The type as the folder states it; `Unknown` on file systems that do not state it.
    pub fn stated_type(&self) -> FileType {
        self.file_type
    }

    /// Whether it is a folder. A link to a folder is not.
    pub fn is_folder(&self) -> bool {
        self.own_type() == Some(FileType::Directory)
    }

    /// What it is if it is neither a file nor a folder.
    pub fn no_content(&self) -> Option<NoContent> {
        self.own_type().and_then(files::no_content)
    }

    /// The type of the entry itself; `None` if it has vanished.
    fn own_type(&self) -> Option<FileType> {
        match self.file_type {
            FileType::Unknown => self.stat().ok().map(|stat| FileType::from_raw_mode(stat.st_mode)),
            stated => Some(stated),
        }
    }

    /// The metadata of the entry itself, also if it is a link.
    pub fn stat(&self) -> Result<Stat, Errno> {
        statat(self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens what is at this path below the entry.
    pub fn open(&self, path: &str, flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
        let path = [self.prefix, self.name.to_bytes(), b"/", path.as_bytes()].concat();
        self.root.open_at(path, flags, links)
    }
}

/// The listing has ended early: it is broken, or the stream was dropped.
#[derive(Debug)]
struct Ended;

struct Walker<S> {
    walk: Walk,
    select: S,
    sender: mpsc::Sender<Vec<Listed>>,
    chunk: Vec<Listed>,
}

/// The rest of a folder that is still to be listed, in order.
struct Folder {
    /// Its path relative to the base with a slash behind it; empty for the base.
    path: String,
    steps: std::vec::IntoIter<Step>,
    /// Why there may be more in it.
    error: Option<Errno>,
}

/// An action on an entry.
struct Step {
    /// As a [`PathText`].
    name: Box<str>,
    action: Action,
}

impl Step {
    fn new(name: &CStr, action: Action) -> Self {
        Self { name: PathText::of_bytes(name.to_bytes()).into_string().into(), action }
    }

    /// A folder sorts as the paths in it do: `a-b` comes before `a/x`, and `a.b` too, but `a0` after it.
    fn sort_key(&self) -> impl Iterator<Item = u8> + '_ {
        let slash = matches!(self.action, Action::Enter | Action::SkipFolder(_)).then_some(b'/');
        self.name.bytes().chain(slash)
    }
}

impl<S, A> Walker<S>
where
    S: Fn(&Entry<'_>) -> A,
    A: IntoIterator<Item = Action>,
{
    fn run(mut self) {
        if self.list_all().is_ok() {
            // If the stream was dropped, the rest is not needed.
            let _sent = self.send();
        }
    }

    fn list_all(&mut self) -> Result<(), Ended> {
        // Held open throughout, unlike for reading: otherwise two storages could end up in one listing.
        let root = Root::open(&self.walk.root).or_else(|error| self.end_broken(&error))?;
        let first = self.read_folder(&root, "").or_else(|error| self.end_broken(&error))?;
        if let Some(error) = first.error {
            return self.end_broken(&error);
        }
        let mut open = vec![first];
        while let Some(folder) = open.last_mut() {
            let Some(Step { name, action }) = folder.steps.next() else {
                open.pop();
                continue;
            };
            let path = format!("{}{name}", folder.path);
            match action {
                Action::List { size, modified_at } => self.add(Ok(Found { path, size, modified_at }))?,
                Action::Skip(reason) => self.add(Err(ListError::Skipped { path, reason }))?,
                Action::PassOver(what) => self.add(Err(ListError::PassedOver { path, what }))?,
                Action::SkipFolder(error) => self.add_unlisted(&path, error)?,
                Action::Enter => open.extend(self.enter(&root, &path)?),
            }
        }
        Ok(())
    }

    /// The folder, unless it cannot be read.
    fn enter(&mut self, root: &Root, path: &str) -> Result<Option<Folder>, Ended> {
        match self.read_folder(root, path) {
            Ok(folder) => {
                if let Some(error) = folder.error {
                    self.add_unlisted(path, error)?;
                }
                return Ok(Some(folder));
            }
            // It has vanished or was replaced since its parent was read, or the whole storage has.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                if !root.is_still_at(&self.walk.root) {
                    self.end_broken(&"it has vanished while it was listed")?;
                }
            }
            Err(error) => self.add_unlisted(path, error)?,
        }
        Ok(None)
    }

    /// Reads a whole folder, because its handle is not kept.
    fn read_folder(&self, root: &Root, path: &str) -> Result<Folder, Errno> {
        let prefix = format!("{}{}", with_slash(&self.walk.base), with_slash(path));
        let prefix = PathText::new(&prefix).to_bytes().into_owned();
        let at = prefix.strip_suffix(b"/").unwrap_or(b".");
        let folder = root.open_at(at, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY, Links::Refuse)?;
        let (mut steps, mut error) = (Vec::new(), None);
        for entry in Dir::read_from(&folder)? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(broken) => {
                    error = Some(broken);
                    break;
                }
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let file_type = entry.file_type();
            let actions = (self.select)(&Entry { root, folder: &folder, prefix: &prefix, name, file_type });
            steps.extend(actions.into_iter().map(|action| Step::new(name, action)));
        }
        steps.sort_unstable_by(|one, other| one.sort_key().cmp(other.sort_key()));
        Ok(Folder { path: with_slash(path), steps: steps.into_iter(), error })
    }

    /// Reports the folder, unless the error is none of the folder's own: then the listing is broken.
    fn add_unlisted(&mut self, path: &str, error: Errno) -> Result<(), Ended> {
        if not_judged(path, error).is_some() {
            return self.end_broken(&format_args!("{path}: {error}"));
        }
        self.add(Err(ListError::Unlisted { folder: with_slash(path), reason: error.to_string() }))
    }

    fn end_broken<T>(&mut self, reason: &dyn fmt::Display) -> Result<T, Ended> {
        let Walk { root, base, .. } = &self.walk;
        let at = if base.is_empty() {
            format!("storage root {}", root.display())
        } else {
            format!("storage folder {}", root.join(&**base).display())
        };
        self.chunk.push(Err(ListError::Broken(format!("{at}: {reason}"))));
        self.send()?;
        Err(Ended)
    }

    fn add(&mut self, listed: Listed) -> Result<(), Ended> {
        self.chunk.push(listed);
        if self.chunk.len() < CHUNK { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> Result<(), Ended> {
        let chunk = std::mem::take(&mut self.chunk);
        self.sender.blocking_send(chunk).map_err(|_dropped| Ended)
    }
}

/// A folder's path as the beginning of those in it.
fn with_slash(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}/") }
}

#[cfg(test)]
mod tests;
