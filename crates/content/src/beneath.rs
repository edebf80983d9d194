//! Opening what lies beneath a folder, and nothing else.
//!
//! The kernel resolves the whole path in one call and refuses what leads outside (`openat2`), so that nothing can
//! be exchanged between a check and the opening. Where the kernel has no such call, or it is forbidden, the path is
//! resolved here, component by component; the kernel then follows no link, each is read and resolved as well.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, fstatvfs, open, openat, openat2,
    readlinkat, statat,
};
use rustix::io::{Errno, retry_on_intr};

/// How often the kernel is asked again after a concurrent rename, before the path is resolved here.
const ATTEMPTS: u32 = 8;

/// The most links followed in one path, as in the kernel.
const MAX_LINKS: u32 = 40;

/// The longest path that the kernel takes in one call, in bytes.
const LONGEST: usize = 4_095;

/// The error for a path that leads outside.
pub const OUTSIDE: Errno = Errno::XDEV;

/// The error for anything but a regular file: what the system says of a socket, and of a device without a driver.
pub const NOT_REGULAR: Errno = Errno::NXIO;

/// How a file is opened that is to be read.
const TO_READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Whether symbolic links that stay inside are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Links are followed.
    Follow,
    /// Links are refused with `ELOOP`.
    Refuse,
}

/// The root folder of a storage. Hold it only for a short while: an open handle keeps a disk from being unmounted,
/// and does not see one that is mounted over it.
#[derive(Debug)]
pub struct Root {
    handle: OwnedFd,
    identity: (u64, u64),
    /// Whether all files so far belong to this process's user, who may read without updating the access time.
    noatime: Cell<bool>,
    /// The folder from which a file was last opened: the next one mostly lies in the same.
    folder: RefCell<Option<(Vec<u8>, OwnedFd)>>,
}

impl Root {
    /// Opens the folder at this path of the file system, through any links.
    pub fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = retry_on_intr(|| open(path, flags, Mode::empty()))?;
        let stat = fstat(&handle)?;
        Ok(Self {
            handle,
            identity: (stat.st_dev, stat.st_ino),
            noatime: Cell::new(true),
            folder: RefCell::new(None),
        })
    }

    /// What tells this folder from another one at the same path; see
    /// [`ProbedStorage::identity`](stocktake_domain::ports::ProbedStorage::identity).
    pub fn storage_identity(&self) -> Result<String, Errno> {
        // Of the file system and not of the device, whose number may be another one after a restart.
        let file_system = fstatvfs(&self.handle)?.f_fsid;
        Ok(format!("{file_system:x}:{}", self.identity.1))
    }

    /// Whether this is still the folder at `path`.
    pub fn is_still_at(&self, path: &Path) -> bool {
        statat(CWD, path, AtFlags::empty()).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity)
    }

    /// Opens what is at this path beneath the folder; [`OUTSIDE`] if the path leads out of it.
    pub fn open_at(&self, path: impl AsRef<[u8]>, flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
        let (path, flags) = (path.as_ref(), flags | OFlags::CLOEXEC);
        match open_in_reach(self.handle.as_fd(), path, flags, links) {
            // Links can lead out of the folder where a piece of a long path begins, and stay beneath the root.
            Some(Err(OUTSIDE)) if path.len() > LONGEST => {}
            Some(result) => return result,
            None => {}
        }
        Resolver::new(self.handle.as_fd(), path, links).open(flags)
    }

    /// Opens a regular file beneath the folder for reading, through links that stay inside; [`NOT_REGULAR`] if it is
    /// something else. Leaves the access time as it is where the system allows that.
    ///
    /// What is there is looked at before it is opened: to open a FIFO or a device may block, or set something off.
    pub fn open_to_read(&self, path: impl AsRef<[u8]>) -> Result<RegularFile, Errno> {
        let path = path.as_ref();
        if let Some(file) = self.open_in_folder(path) {
            return Ok(file);
        }
        let looked_at = self.open_at(path, OFlags::PATH, Links::Follow)?;
        let stat = fstat(&looked_at)?;
        if !is_regular(&stat) {
            return Err(NOT_REGULAR);
        }
        self.without_access_time(|flags| self.open_again(path, &looked_at, &stat, flags))
    }

    /// Opens a regular file by its name in its folder, which takes half as long where several lie in one. `None` if that fails,
    /// or if it is a link: then everything is to be looked at that leads there.
    fn open_in_folder(&self, path: &[u8]) -> Option<RegularFile> {
        let opened = self.in_folder(path, |folder, name| {
            let seen = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)?;
            if !is_regular(&seen) {
                return Err(NOT_REGULAR);
            }
            let handle = self.without_access_time(|flags| {
                retry_on_intr(|| openat(folder, name, TO_READ | OFlags::NOFOLLOW | flags, Mode::empty()))
            })?;
            // What took its place in this moment is opened, but never read.
            let stat = fstat(&handle)?;
            if is_regular(&stat) { Ok(RegularFile { handle, stat }) } else { Err(NOT_REGULAR) }
        });
        opened.ok()
    }

    /// What the symbolic link at this path says, wherever that leads; `None` if there is something else, or nothing.
    pub fn read_link(&self, path: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Errno> {
        match self.in_folder(path.as_ref(), |folder, name| readlinkat(folder, name, Vec::new())) {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Calls `use_name` with the folder in which a path lies and with the name there. The folder stays open for the next path.
    /// Fails with `EINVAL` if the path has no name at its end.
    fn in_folder<T>(
        &self,
        path: &[u8],
        use_name: impl FnOnce(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let (folder, name) = slash.map_or((&[][..], path), |at| {
            (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default())
        });
        if matches!(name, b"" | b"." | b"..") || (folder.is_empty() && slash.is_some()) {
            return Err(Errno::INVAL);
        }
        if folder.is_empty() {
            return use_name(self.handle.as_fd(), name);
        }
        let mut last = self.folder.borrow_mut();
        let (path, opened) = match last.take() {
            Some((path, opened)) if path == folder => (path, opened),
            _ => (folder.to_vec(), self.open_at(folder, OFlags::PATH | OFlags::DIRECTORY, Links::Follow)?),
        };
        let used = use_name(opened.as_fd(), name);
        *last = Some((path, opened));
        used
    }

    /// Opens with the flag that leaves the access time as it is, unless that is not allowed.
    fn without_access_time<F>(&self, open: impl Fn(OFlags) -> Result<F, Errno>) -> Result<F, Errno> {
        if self.noatime.get() {
            match open(OFlags::NOATIME) {
                Err(Errno::PERM) => self.noatime.set(false),
                result => return result,
            }
        }
        open(OFlags::empty())
    }

    /// Opens for reading what has been looked at, and nothing that has taken its place.
    fn open_again(
        &self,
        path: &[u8],
        looked_at: &OwnedFd,
        stat: &Stat,
        flags: OFlags,
    ) -> Result<RegularFile, Errno> {
        let flags = flags | TO_READ;
        let at = format!("/proc/self/fd/{}", looked_at.as_raw_fd());
        match retry_on_intr(|| open(at.as_str(), flags, Mode::empty())) {
            Ok(handle) => Ok(RegularFile { handle, stat: *stat }),
            // There is no /proc. What takes the place of a regular file in this moment is opened, but never read.
            Err(Errno::NOENT) => {
                let handle = self.open_at(path, flags, Links::Follow)?;
                let stat = fstat(&handle)?;
                if is_regular(&stat) { Ok(RegularFile { handle, stat }) } else { Err(NOT_REGULAR) }
            }
            Err(error) => Err(error),
        }
    }
}

/// A regular file that is open for reading.
#[derive(Debug)]
pub struct RegularFile {
    /// The open file.
    pub handle: OwnedFd,
    /// What it was when it was opened.
    pub stat: Stat,
}

impl RegularFile {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        u64::try_from(self.stat.st_size).unwrap_or(0)
    }
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn is_link(opened: &OwnedFd) -> Result<bool, Errno> {
    Ok(FileType::from_raw_mode(fstat(opened)?.st_mode) == FileType::Symlink)
}

/// Opens by the kernel what is at this path, of any length, beneath a folder; `None` if the kernel cannot do it.
fn open_in_reach(
    folder: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    links: Links,
) -> Option<Result<OwnedFd, Errno>> {
    if path.len() <= LONGEST {
        return open_by_kernel(folder, path, flags, links);
    }
    let slash = path.get(..LONGEST)?.iter().rposition(|byte| *byte == b'/').filter(|slash| *slash > 0);
    let Some(slash) = slash else { return Some(Err(Errno::NAMETOOLONG)) };
    let (first, rest) = path.split_at(slash);
    let rest = rest.get(1..)?;
    match open_by_kernel(folder, first, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, links)? {
        Ok(next) => open_in_reach(next.as_fd(), rest, flags, links),
        Err(error) => Some(Err(error)),
    }
}

/// One call of the kernel; `None` if it has none such, or says for too long that it is to be asked again.
fn open_by_kernel(
    folder: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    links: Links,
) -> Option<Result<OwnedFd, Errno>> {
    if !has_openat2() {
        return None;
    }
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    resolve.set(ResolveFlags::NO_SYMLINKS, links == Links::Refuse);
    let mut tries = (0..ATTEMPTS).map(|_| openat2(folder, path, flags, Mode::empty(), resolve));
    tries.find(|result| !matches!(result, Err(Errno::AGAIN | Errno::INTR)))
}

/// Whether the kernel resolves beneath a folder (since Linux 5.6; sandboxes may forbid it).
fn has_openat2() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let answer = openat2(CWD, ".", flags, Mode::empty(), ResolveFlags::BENEATH);
        !matches!(answer, Err(Errno::NOSYS | Errno::PERM))
    })
}

/// Resolution without `openat2`: opens each component in the handle of the one before.
struct Resolver<'root> {
    root: BorrowedFd<'root>,
    /// The folders from below the root down to the current one. `..` in a link goes back to one of these handles,
    /// whatever has been renamed meanwhile, and never above the root.
    folders: Vec<OwnedFd>,
    /// The components that are still to be resolved, the next one last.
    rest: Vec<Vec<u8>>,
    links: Links,
    followed: u32,
}

impl<'root> Resolver<'root> {
    fn new(root: BorrowedFd<'root>, path: &[u8], links: Links) -> Self {
        let mut resolver = Self { root, folders: Vec::new(), rest: Vec::new(), links, followed: 0 };
        resolver.prepend(path);
        resolver
    }

    fn prepend(&mut self, path: &[u8]) {
        self.rest.extend(path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
    }

    fn current(&self) -> BorrowedFd<'_> {
        self.folders.last().map_or(self.root, AsFd::as_fd)
    }

    fn open(mut self, flags: OFlags) -> Result<OwnedFd, Errno> {
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        while let Some(name) = self.rest.pop() {
            let last = self.rest.is_empty();
            if name == b".." {
                self.folders.pop().ok_or(OUTSIDE)?;
            } else if !matches!(name.as_slice(), b"" | b".") {
                let flags = OFlags::NOFOLLOW | if last { flags } else { folder };
                match retry_on_intr(|| openat(self.current(), &name, flags, Mode::empty())) {
                    // A handle that is not for reading may be one of a link.
                    Ok(opened) if last && flags.contains(OFlags::PATH) && is_link(&opened)? => {
                        self.follow(name, Errno::LOOP)?;
                    }
                    Ok(opened) if last => return Ok(opened),
                    Ok(opened) => self.folders.push(opened),
                    Err(error @ (Errno::LOOP | Errno::NOTDIR)) => self.follow(name, error)?,
                    Err(error) => return Err(error),
                }
            }
        }
        openat(self.current(), ".", flags, Mode::empty())
    }

    /// Puts the link's target in front of the rest; `error` is that of opening `name`.
    fn follow(&mut self, name: Vec<u8>, error: Errno) -> Result<(), Errno> {
        self.followed += 1;
        if self.followed > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        match readlinkat(self.current(), &name, Vec::new()) {
            Ok(_) if self.links == Links::Refuse => Err(Errno::LOOP),
            Ok(target) if target.as_bytes().starts_with(b"/") => Err(OUTSIDE),
            Ok(target) => {
                self.prepend(target.as_bytes());
                Ok(())
            }
            // The link has been replaced by something else since it was opened: try again.
            Err(Errno::INVAL) if error == Errno::LOOP => {
                self.rest.push(name);
                Ok(())
            }
            Err(Errno::INVAL) => Err(error),
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests;
