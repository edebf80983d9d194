//! What is said of a storage in a folder as a whole, and which failures of the system are no verdict about a file.

use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, OFlags};
use rustix::io::Errno;
use stocktake_domain::ports::{MountBelow, ProbedStorage, StorageAddress};
use stocktake_domain::{NotJudged, PathText};

use crate::beneath::{Links, Root};
use crate::file::read_at;
use crate::mounts;

/// How much of a file is read to see whether it can be read.
const BEGINNING: usize = 4_096;

/// What a failed system call says of the process or its storage, if it says nothing of the file it was for. `at` names
/// the file or folder.
pub fn not_judged(at: impl fmt::Display, error: Errno) -> Option<NotJudged> {
    match error {
        Errno::MFILE
        | Errno::NFILE
        | Errno::NOMEM
        | Errno::NOBUFS
        | Errno::AGAIN
        | Errno::NOSPC
        | Errno::DQUOT => Some(NotJudged::Process(error.to_string())),
        // A file system behind a network or a process that went away, whose keys are not there, or a device that was removed.
        Errno::NOTCONN
        | Errno::SHUTDOWN
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::CONNABORTED
        | Errno::CONNREFUSED
        | Errno::CONNRESET
        | Errno::TIMEDOUT
        | Errno::STALE
        | Errno::REMOTEIO
        | Errno::NOKEY
        | Errno::KEYEXPIRED
        | Errno::KEYREVOKED
        | Errno::KEYREJECTED
        | Errno::NOMEDIUM
        | Errno::NODEV => Some(NotJudged::Storage(format!("{at}: {error}"))),
        _ => None,
    }
}

/// The error of a root that cannot be opened.
pub fn root_error(root: &Path, error: Errno) -> NotJudged {
    let at = format!("storage root {}", root.display());
    if error == Errno::NOENT {
        return NotJudged::Storage(format!("{at} does not exist"));
    }
    not_judged(&at, error).unwrap_or_else(|| NotJudged::Storage(format!("{at}: {error}")))
}

/// Looks at a storage in a folder, as [`ContentStore::probe`](stocktake_domain::ports::ContentStore::probe) does. `holds` is
/// the path of the records whose content lies in a folder; see [`MountBelow::holds`].
pub async fn probe(root: PathBuf, holds: fn(&str) -> String) -> Result<ProbedStorage, NotJudged> {
    beside_readers(move || look(&root, holds).map_err(|error| root_error(&root, error))).await
}

/// The address of a storage in a folder whose content is of this kind, as
/// [`ContentStore::address`](stocktake_domain::ports::ContentStore::address) does. Links above and at the root are followed; what
/// cannot be looked at is taken for no link.
pub async fn address(root: PathBuf, kind: &'static str) -> Option<StorageAddress> {
    // It is cancelled only with the runtime.
    let folder = tokio::task::spawn_blocking(move || resolved(&root)).await.ok()?;
    let folder = PathText::of_bytes(folder.as_os_str().as_bytes()).into_string();
    let prefix = format!("{}/", folder.trim_end_matches('/'));
    Some(StorageAddress { service: kind.to_owned(), bucket: String::new(), prefix })
}

fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let known = path.ancestors().find_map(|above| {
        let below = path.strip_prefix(above).ok()?;
        Some(std::fs::canonicalize(above).ok()?.join(below))
    });
    known.unwrap_or(path)
}

/// Does this not by a reading thread: all that the storage has may be busy for long, or hang.
pub async fn beside_readers<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<NotJudged> + Send + 'static,
{
    // It is cancelled only with the runtime.
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(NotJudged::Cancelled.into()))
}

/// Reads the beginning of an open file, to see whether it can be read.
pub fn read_beginning(file: &OwnedFd) -> Result<(), Errno> {
    read_at(file, 0, &mut [0; BEGINNING]).map(drop)
}

fn look(path: &Path, holds: fn(&str) -> String) -> Result<ProbedStorage, Errno> {
    let root = Root::open(path)?;
    let folder = root.open_at(".", OFlags::RDONLY | OFlags::DIRECTORY, Links::Refuse)?;
    let mut is_empty = true;
    for entry in Dir::read_from(&folder)? {
        // `lost+found` is made with an ext file system.
        if !matches!(entry?.file_name().to_bytes(), b"." | b".." | b"lost+found") {
            is_empty = false;
            break;
        }
    }
    let mounts = mounts::below(path).into_iter();
    let mounts = mounts.map(|folder| MountBelow { holds: holds(&folder), folder }).collect();
    Ok(ProbedStorage { identity: Some(root.storage_identity()?), is_empty, mounts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_root_is_known_by_its_file_system_and_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        for root in [&one, &two] {
            std::fs::create_dir(root).unwrap();
        }
        let first = probe(one.clone(), str::to_owned).await.unwrap();
        assert!(first.is_empty && first.identity.is_some());
        std::fs::create_dir(one.join("lost+found")).unwrap();
        assert_eq!(probe(one.clone(), str::to_owned).await, Ok(first.clone()));
        std::fs::write(one.join("file"), "x").unwrap();
        assert_eq!(
            probe(one.clone(), str::to_owned).await,
            Ok(ProbedStorage { is_empty: false, ..first.clone() })
        );
        assert_ne!(probe(two, str::to_owned).await.unwrap().identity, first.identity);
    }

    #[tokio::test]
    async fn the_address_of_a_root_is_its_folder_without_links() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::create_dir(folder.join("one")).unwrap();
        std::os::unix::fs::symlink(folder.join("one"), folder.join("link")).unwrap();
        for (root, expected) in
            [("one", "one/"), ("one/", "one/"), ("link", "one/"), ("link/a/b", "one/a/b/")]
        {
            let found = address(folder.join(root), "files").await.unwrap();
            assert_eq!(found.prefix, format!("{}/{expected}", folder.display()));
            assert_eq!((found.service.as_str(), found.bucket.as_str()), ("files", ""));
        }
        assert_eq!(address(PathBuf::from("/"), "files").await.unwrap().prefix, "/");
    }

    #[tokio::test]
    async fn a_root_that_cannot_be_read_is_a_fault_of_the_storage() {
        let folder = tempfile::tempdir().unwrap();
        let (none, file) = (folder.path().join("none"), folder.path().join("file"));
        std::fs::write(&file, "x").unwrap();
        for (root, text) in [(&none, " does not exist"), (&file, ": Not a directory")] {
            let Err(NotJudged::Storage(reason)) = probe(root.clone(), str::to_owned).await else {
                panic!("{root:?}")
            };
            assert!(reason.starts_with(&format!("storage root {}{text}", root.display())), "{reason}");
        }
    }

    #[test]
    fn a_shortage_of_the_process_says_nothing_of_a_file() {
        let root = Path::new("/r");
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::NOSPC] {
            assert!(matches!(root_error(root, errno), NotJudged::Process(_)), "{errno}");
        }
        for errno in [Errno::NOTCONN, Errno::STALE, Errno::NETUNREACH, Errno::NOKEY, Errno::NOMEDIUM] {
            assert!(matches!(not_judged("a", errno), Some(NotJudged::Storage(_))), "{errno}");
        }
        for errno in [Errno::NOENT, Errno::ACCESS, Errno::IO, Errno::ISDIR] {
            assert_eq!(not_judged("a", errno), None, "{errno}");
        }
    }
}
