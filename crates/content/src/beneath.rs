//! Opening what lies beneath a folder, and nothing else.
//!
//! The kernel resolves the whole path in one call and refuses what leads outside (`openat2`), so that nothing can
//! be exchanged between a check and the opening. Where the kernel has no such call, or it is forbidden, the path is
//! resolved here, component by component; the kernel then follows no link, each is read and resolved as well.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2, readlinkat, statat,
};
use rustix::io::{Errno, retry_on_intr};

/// How often the kernel is asked again after a concurrent rename, before the path is resolved here.
const ATTEMPTS: u32 = 8;

/// The most links followed in one path, as in the kernel.
const MAX_LINKS: u32 = 40;

/// The error for a path that leads outside.
pub const OUTSIDE: Errno = Errno::XDEV;

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
}

impl Root {
    /// Opens the folder at this path of the file system, through any links.
    pub fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = retry_on_intr(|| open(path, flags, Mode::empty()))?;
        let stat = fstat(&handle)?;
        Ok(Self { handle, identity: (stat.st_dev, stat.st_ino), noatime: Cell::new(true) })
    }

    /// The numbers of its device and inode.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Whether this is still the folder at `path`.
    pub fn is_still_at(&self, path: &Path) -> bool {
        statat(CWD, path, AtFlags::empty()).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity)
    }

    /// Opens what is at this path beneath the folder; [`OUTSIDE`] if the path leads out of it.
    pub fn open_at(&self, path: impl AsRef<[u8]>, flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
        let (path, flags) = (path.as_ref(), flags | OFlags::CLOEXEC);
        if has_openat2() {
            let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            resolve.set(ResolveFlags::NO_SYMLINKS, links == Links::Refuse);
            for _ in 0..ATTEMPTS {
                match openat2(&self.handle, path, flags, Mode::empty(), resolve) {
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    result => return result,
                }
            }
        }
        Resolver::new(self.handle.as_fd(), path, links).open(flags)
    }

    /// Opens a file beneath the folder for reading, through links that stay inside. Never waits for a writer of a
    /// FIFO, and leaves the access time as it is where the system allows that.
    pub fn open_to_read(&self, path: impl AsRef<[u8]>) -> Result<OwnedFd, Errno> {
        let (path, flags) = (path.as_ref(), OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY);
        if self.noatime.get() {
            match self.open_at(path, flags | OFlags::NOATIME, Links::Follow) {
                Err(Errno::PERM) => self.noatime.set(false),
                result => return result,
            }
        }
        self.open_at(path, flags, Links::Follow)
    }
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
