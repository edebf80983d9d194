//! The file system that a database lies on.

use std::ffi::OsString;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Access, FallocateFlags, access, fallocate, fstat, statvfs};

/// How much is written to see whether anything can be written.
const SAMPLE_BYTES: usize = 64 * 1024;

/// SQLite extends the memory that its processes share by a byte for each of these, and relies on the blocks around it.
const PAGE_BYTES: u64 = 4096;

/// How much of that memory gets its blocks in advance: it is enough for a write-ahead log of 512 MiB.
const SHARED_BYTES: u64 = 1024 * 1024;

/// All that this process has opened.
static KNOWN: Mutex<Vec<SharedMemory>> = Mutex::new(Vec::new());

/// Which file a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of the file that is there now.
    pub(super) fn of(file: &Path) -> io::Result<Self> {
        let there = std::fs::metadata(file)?;
        Ok(Self { device: there.dev(), inode: there.ino() })
    }

    /// Fails, with a sentence, if another file is there now, or none: what is open would then be read and written by
    /// nobody else.
    pub(super) fn check(self, file: &Path) -> Result<(), String> {
        if Self::of(file).is_ok_and(|there| there == self) {
            return Ok(());
        }
        let name = file.display();
        Err(format!("{name} was replaced or removed while it was open: start this program anew"))
    }
}

/// Fails with what the system says if the database, or anything beside it, cannot be written now. Blocks.
pub(super) fn check_writable(file: &Path) -> io::Result<()> {
    access(file, Access::WRITE_OK)?;
    write_sample(folder_of(file))
}

/// Whether this process may make files beside the database.
pub(super) fn can_be_written_beside(file: &Path) -> bool {
    access(folder_of(file), Access::WRITE_OK).is_ok()
}

/// Whether there is a write-ahead log with something in it, without which the file is not the whole database.
pub(super) fn has_log(file: &Path) -> bool {
    let mut path = OsString::from(file);
    path.push("-wal");
    std::fs::metadata(path).is_ok_and(|log| log.len() > 0)
}

/// What prevents the database, or what SQLite puts into its folder for temporary files, from being written now: a
/// sentence, where there is one. Blocks.
pub(super) fn obstacle(file: &Path) -> Option<String> {
    if let Err(error) = write_sample(folder_of(file)) {
        return Some(sentence(&error));
    }
    let temporary = temporary_folder()?;
    let error = write_sample(&temporary).err()?;
    Some(format!("in the folder for temporary files, {}, {}", temporary.display(), sentence(&error)))
}

/// Why the database in this file cannot be written, with its name.
pub(super) fn refusal(file: &Path, error: &io::Error) -> String {
    format!("{}: {}", file.display(), sentence(error))
}

/// The sentence for an error of writing.
fn sentence(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull => "the disk is full".to_owned(),
        ErrorKind::QuotaExceeded => "the quota of its owner on the disk is used up".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        _ => format!("nothing can be written there: {error}"),
    }
}

fn write_sample(folder: &Path) -> io::Result<()> {
    let mut sample = tempfile::tempfile_in(folder)?;
    sample.write_all(&vec![0xa5; SAMPLE_BYTES])?;
    // Some file systems look for room only when they write.
    sample.sync_data()
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where SQLite puts temporary files: the first of these that is a folder.
fn temporary_folder() -> Option<PathBuf> {
    let named = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let usual = ["/var/tmp", "/usr/tmp", "/tmp"].into_iter().map(PathBuf::from);
    named.chain(usual).find(|folder| folder.is_dir())
}

/// Shared memory of a database on a file system with small blocks.
struct SharedMemory {
    /// Never closed: the system would drop the locks that SQLite has on the file in this process.
    handle: OwnedFd,
    /// Whether it has all its blocks.
    is_whole: bool,
}

impl SharedMemory {
    fn is_at(&self, there: &Metadata) -> bool {
        fstat(&self.handle).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (there.dev(), there.ino()))
    }

    fn reserve(&mut self) -> io::Result<()> {
        if !self.is_whole {
            fallocate(&self.handle, FallocateFlags::empty(), 0, SHARED_BYTES)?;
            self.is_whole = true;
        }
        Ok(())
    }
}

/// Fails if a database that is about to be opened lies on a file system with small blocks that has no room for its shared
/// memory.
pub(super) fn check_room_for_shared_memory(file: &Path) -> io::Result<()> {
    let space = statvfs(folder_of(file))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if space.f_bsize >= PAGE_BYTES || free >= 2 * SHARED_BYTES {
        return Ok(());
    }
    let there = std::fs::metadata(shared_memory_of(file));
    let is_whole =
        there.is_ok_and(|there| known().iter().any(|memory| memory.is_whole && memory.is_at(&there)));
    if is_whole { Ok(()) } else { Err(ErrorKind::StorageFull.into()) }
}

/// Gives the shared memory of an open database all its blocks, where those of the file system are smaller than SQLite
/// relies on. Otherwise a process would be killed by the system when it touches the memory while the disk is full.
pub(super) fn reserve_shared_memory(file: &Path) -> io::Result<()> {
    if statvfs(folder_of(file))?.f_bsize >= PAGE_BYTES {
        return Ok(());
    }
    let path = shared_memory_of(file);
    let there = match std::fs::metadata(&path) {
        Ok(there) => there,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut known = known();
    if let Some(memory) = known.iter_mut().find(|memory| memory.is_at(&there)) {
        return memory.reserve();
    }
    let handle = OwnedFd::from(OpenOptions::new().read(true).write(true).open(&path)?);
    let mut memory = SharedMemory { handle, is_whole: false };
    let reserved = memory.reserve();
    known.push(memory);
    reserved
}

fn known() -> MutexGuard<'static, Vec<SharedMemory>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shared_memory_of(file: &Path) -> PathBuf {
    let mut path = OsString::from(file);
    path.push("-shm");
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_be_written_is_no_obstacle_and_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        std::fs::write(&file, "x").unwrap();
        check_writable(&file).unwrap();
        assert_eq!(obstacle(&file), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        check_room_for_shared_memory(&file).unwrap();
    }

    #[test]
    fn a_full_disk_is_called_full() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap().write_all(b"x").unwrap_err();
        assert_eq!(sentence(&full), "the disk is full");
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone/test.db");
        assert!(obstacle(&gone).unwrap().starts_with("nothing can be written there: No such file"));
        assert_eq!(check_writable(&gone).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
