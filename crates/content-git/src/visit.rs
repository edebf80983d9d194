//! One visit to a repository: every access to its files goes through here.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, fstat, statat};
use rustix::io::{Errno, pread};
use stocktake_content::{HashPool, LARGEST_STEP, Limiter, Links, OUTSIDE, Order, Root};
use stocktake_domain::ContentError;

use crate::num::{narrow, widen};
use crate::store::Shared;
use crate::text::shown;

/// The size of a buffer in bytes.
pub(crate) const BUFFER_BYTES: usize = LARGEST_STEP;

/// Why the reading of a repository stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Halt {
    /// This is what is to be told.
    Told(ContentError),
    /// It looks broken, which it may do for a moment while git writes to it.
    Suspect(String),
    /// It changed while it was read.
    Changed,
}

impl Halt {
    pub(crate) fn unreadable(reason: impl Into<String>) -> Self {
        Self::Told(ContentError::Unreadable(reason.into()))
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Told(ContentError::Invalid(reason.into()))
    }
}

/// What a reading thread has at hand.
pub(crate) struct Desk<'store> {
    pub(crate) shared: &'store Shared,
    pub(crate) order: &'store Order,
    buffers: RefCell<Vec<Buffer>>,
}

impl<'store> Desk<'store> {
    pub(crate) fn new(shared: &'store Shared, order: &'store Order) -> Self {
        Self { shared, order, buffers: RefCell::default() }
    }
}

/// A piece of a file, or several small files.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    pub(crate) fn room(&self) -> usize {
        self.bytes.len() - self.filled
    }

    pub(crate) fn truncate(&mut self, filled: usize) {
        self.filled = self.filled.min(filled);
    }
}

/// A folder of the storage: the repository, or the folder of objects of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The path below the storage's root.
    path: Vec<u8>,
    /// What is put before the names of its files in texts.
    label: String,
}

impl Place {
    pub(crate) fn new(path: &[u8], label: &str) -> Self {
        Self { path: path.to_owned(), label: label.to_owned() }
    }

    /// The path below the root of this file or folder in it; of the place itself if the name is empty.
    pub(crate) fn path(&self, name: &[u8]) -> Vec<u8> {
        if name.is_empty() { self.path.clone() } else { [&self.path, name].join(&b'/') }
    }

    /// How a file in it is called in texts; or the place itself if the name is empty.
    pub(crate) fn shown(&self, name: &[u8]) -> String {
        if name.is_empty() { shown(&self.path) } else { format!("{}{}", self.label, shown(name)) }
    }

    /// A folder in this place, whose files are called as before.
    pub(crate) fn folder(&self, name: &[u8]) -> Self {
        Self { path: self.path(name), label: format!("{}{}/", self.label, shown(name)) }
    }

    /// What is told when the system refuses a file.
    pub(crate) fn refused(&self, name: &[u8], error: Errno) -> Halt {
        match error {
            OUTSIDE => Halt::invalid(format!("{}: leaves its storage through a link", self.shown(name))),
            // Replaced on a network file system.
            Errno::STALE => Halt::Changed,
            Errno::NXIO => self.broken(name, "not a regular file"),
            error => self.broken(name, error),
        }
    }

    /// What is told of a file that is not as it must be.
    pub(crate) fn broken(&self, name: &[u8], reason: impl std::fmt::Display) -> Halt {
        Halt::unreadable(format!("{}: {reason}", self.shown(name)))
    }

    /// Like [`Place::broken`], of a file that git may be writing.
    pub(crate) fn suspect(&self, name: &[u8], reason: impl std::fmt::Display) -> Halt {
        Halt::Suspect(format!("{}: {reason}", self.shown(name)))
    }
}

/// Which file it is, and whether it is still the same. Git replaces files and never changes one in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        }
    }

    /// Which folder it is, whatever its size and time.
    pub(crate) fn folder(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

/// A regular file that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    file: OwnedFd,
    pub(crate) identity: Identity,
    pub(crate) size: u64,
}

impl AsFd for Opened {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    /// Anything else, which has to be opened to be known. A link to a folder counts here, so that no walk goes
    /// in circles.
    File,
}

/// An entry of a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Box<[u8]>,
    pub(crate) kind: Kind,
    pub(crate) inode: u64,
}

/// One visit to the storage.
pub(crate) struct Visit<'desk> {
    desk: &'desk Desk<'desk>,
    root: Root,
    bytes: Cell<u64>,
    /// Whether the files so far were our own, which may be read without noting the time of access.
    owner: Cell<bool>,
}

impl<'desk> Visit<'desk> {
    pub(crate) fn new(desk: &'desk Desk<'desk>) -> Result<Self, Halt> {
        let path = &desk.shared.settings.root;
        let root = Root::open(path)
            .map_err(|error| Halt::unreadable(format!("storage root {}: {error}", path.display())))?;
        Ok(Self { desk, root, bytes: Cell::new(0), owner: Cell::new(true) })
    }

    /// Whether the storage's root is still the folder that this visit began with.
    pub(crate) fn is_current(&self) -> bool {
        self.root.is_still_at(self.root_path())
    }

    /// The storage's root.
    pub(crate) fn root_path(&self) -> &'desk Path {
        &self.desk.shared.settings.root
    }

    pub(crate) fn shared(&self) -> &'desk Shared {
        self.desk.shared
    }

    pub(crate) fn pool(&self) -> &Arc<HashPool> {
        &self.desk.shared.pool
    }

    /// The bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes.get()
    }

    /// Stops if nobody waits for the result any more.
    pub(crate) fn go_on(&self) -> Result<(), Halt> {
        if self.is_called_off() { Err(Halt::Told(ContentError::Cancelled)) } else { Ok(()) }
    }

    pub(crate) fn is_called_off(&self) -> bool {
        self.desk.order.is_called_off()
    }

    /// An empty buffer.
    pub(crate) fn take_buffer(&self) -> Buffer {
        let kept = self.desk.buffers.borrow_mut().pop();
        kept.unwrap_or_else(|| Buffer { bytes: vec![0; BUFFER_BYTES].into_boxed_slice(), filled: 0 })
    }

    /// Keeps a buffer for the next who needs one.
    pub(crate) fn keep_buffer(&self, mut buffer: Buffer) {
        buffer.filled = 0;
        self.desk.buffers.borrow_mut().push(buffer);
    }

    /// What is there, without opening it for reading; `None` if there is nothing.
    pub(crate) fn find(&self, place: &Place, name: &[u8]) -> Result<Option<(FileType, Identity)>, Halt> {
        let refused = |error| place.refused(name, error);
        match self.root.open_at(place.path(name), OFlags::PATH, Links::Follow) {
            Ok(handle) => {
                let stat = fstat(handle).map_err(refused)?;
                Ok(Some((FileType::from_raw_mode(stat.st_mode), Identity::of(&stat))))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// Whether there is a folder or something else; `None` if there is nothing.
    pub(crate) fn kind(&self, place: &Place, name: &[u8]) -> Result<Option<Kind>, Halt> {
        let kind = |(file_type, _)| if file_type == FileType::Directory { Kind::Folder } else { Kind::File };
        Ok(self.find(place, name)?.map(kind))
    }

    /// Opens a regular file; `None` if there is nothing of this name.
    pub(crate) fn open(&self, place: &Place, name: &[u8]) -> Result<Option<Opened>, Halt> {
        let refused = |error| place.refused(name, error);
        let file = match self.open_below_root(&place.path(name)) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
        let stat = fstat(&file).map_err(refused)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(place.broken(name, "not a regular file"));
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Some(Opened { file, identity: Identity::of(&stat), size }))
    }

    fn open_below_root(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        // A fifo without a writer must not make us wait for one.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        if self.owner.get() {
            match self.root.open_at(path, flags | OFlags::NOATIME, Links::Follow) {
                Err(Errno::PERM) => self.owner.set(false),
                result => return result,
            }
        }
        self.root.open_at(path, flags, Links::Follow)
    }

    /// Whether this is still the file of that name.
    pub(crate) fn is_still(&self, place: &Place, name: &[u8], identity: Identity) -> Result<bool, Halt> {
        Ok(self.find(place, name)?.is_some_and(|(_, now)| now == identity))
    }

    /// Reads up to `wanted` bytes from this offset behind what the buffer holds; fewer if the file ends.
    pub(crate) fn read_at(
        &self,
        file: &Opened,
        offset: u64,
        buffer: &mut Buffer,
        wanted: usize,
    ) -> Result<usize, Errno> {
        let filled = buffer.filled;
        let room = buffer.bytes.get_mut(filled..).unwrap_or_default();
        let wanted = wanted.min(room.len());
        let read = self.read_into(file, offset, room.get_mut(..wanted).unwrap_or_default())?;
        buffer.filled += read;
        Ok(read)
    }

    /// Fills `room` from this offset; returns fewer bytes than there is room if the file ends.
    pub(crate) fn read_into(&self, file: &Opened, offset: u64, room: &mut [u8]) -> Result<usize, Errno> {
        let mut read = 0;
        while let Some(rest) = room.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match pread(&file.file, rest, offset + widen(read)) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.set(self.bytes.get() + widen(read));
        self.desk.order.add_bytes(widen(read));
        Ok(read)
    }

    /// Reads a whole file of at most `most` bytes; `None` if there is nothing of this name.
    pub(crate) fn read(&self, place: &Place, name: &[u8], most: usize) -> Result<Option<Vec<u8>>, Halt> {
        let Some(file) = self.open(place, name)? else { return Ok(None) };
        if file.size > widen(most) {
            return Err(place.broken(name, format!("longer than {most} bytes")));
        }
        self.wait_for_turn(file.size)?;
        let mut content = vec![0; narrow(file.size)];
        let read = self.read_into(&file, 0, &mut content).map_err(|error| place.refused(name, error))?;
        content.truncate(read);
        Ok(Some(content))
    }

    /// How many bytes are read at a time.
    pub(crate) fn step(&self) -> usize {
        self.desk.shared.limiter.as_ref().map_or(BUFFER_BYTES, Limiter::step)
    }

    /// Waits until this many bytes may be read; stops if nobody waits for the result any more.
    pub(crate) fn wait_for_turn(&self, bytes: u64) -> Result<(), Halt> {
        self.go_on()?;
        let Some(limiter) = &self.desk.shared.limiter else { return Ok(()) };
        let turn = limiter.turn(bytes, std::time::Instant::now());
        if limiter.wait(turn, || self.is_called_off()) { Ok(()) } else { self.go_on() }
    }

    /// What a folder holds, in no order; `None` if there is no such folder.
    pub(crate) fn entries(&self, place: &Place, name: &[u8]) -> Result<Option<Vec<Entry>>, Halt> {
        self.go_on()?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY;
        let refused = |error| place.refused(name, error);
        let handle = match self.root.open_at(place.path(name), flags, Links::Follow) {
            Ok(handle) => handle,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
        let mut entries = Vec::new();
        for entry in Dir::read_from(&handle).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let stat = statat(&handle, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
                kind = stat.map_or(kind, |stat| FileType::from_raw_mode(stat.st_mode));
            }
            let kind = if kind == FileType::Directory { Kind::Folder } else { Kind::File };
            entries.push(Entry { name: bytes.into(), kind, inode: entry.ino() });
        }
        Ok(Some(entries))
    }
}

impl Entry {
    /// The bytes by which paths sort: what is in a folder has a slash behind the folder's name.
    pub(crate) fn path_bytes(&self) -> impl Iterator<Item = u8> + '_ {
        let slash = (self.kind == Kind::Folder).then_some(b'/');
        self.name.iter().copied().chain(slash)
    }
}
