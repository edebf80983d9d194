//! Files of the directory, each opened beneath its root, and the list of the repositories in it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{Dir, OFlags};
use rustix::io::Errno;
use stocktake_content::walk::{self, Action, Entry, Walk};
use stocktake_content::{Links, NOT_REGULAR, OUTSIDE, Root, locked_folder, read_at, storage_root};
use stocktake_domain::ports::FoundStream;
use stocktake_domain::{NotJudged, UnreadableFolder};

use crate::digest::Digest;
use crate::name;
use crate::source::{MAX_TAGS, RegistryError, TOO_MANY_TAGS};

/// Where the registry keeps its repositories, below its root.
pub(super) const REPOSITORIES: &str = "docker/registry/v2/repositories";

/// Where it keeps the blobs that they share.
pub(super) const BLOBS: &str = "docker/registry/v2/blobs";

/// Where GitLab's registry notes whether its tags are in the metadata database or in the folder of repositories.
const IN_DATABASE: &str = "docker/registry/lockfiles/database-in-use";
const IN_FOLDER: &str = "docker/registry/lockfiles/filesystem-in-use";

/// What is in the folder of a repository to which only layers were pushed so far.
const WITHOUT_MANIFESTS: [&str; 2] = ["_layers", "_uploads"];

/// The most bytes of a link; a digest has at most 135.
const MAX_LINK: usize = 1024;

/// The root, which is opened for each file: an unmounted disk is not kept busy, and one that returns is noticed.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: Arc<Path>,
    /// Whether the tags are in the metadata database.
    has_database: bool,
}

impl Files {
    pub(super) fn new(root: PathBuf, has_database: bool) -> Self {
        Self { root: root.into(), has_database }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// What tells the root from another folder at its place.
    pub(super) fn identity(&self) -> Option<String> {
        self.open_root().ok()?.storage_identity().ok()
    }

    fn open_root(&self) -> Result<Root, RegistryError> {
        Root::open(&self.root)
            .map_err(|error| RegistryError::NotJudged(storage_root::root_error(&self.root, error)))
    }

    /// Opens a regular file; its size in bytes.
    pub(super) fn open(&self, path: &str) -> Result<(OwnedFd, u64), RegistryError> {
        let root = self.open_root()?;
        let file = root.open_to_read(path).map_err(|errno| self.refused(&root, errno))?;
        let size = file.size();
        Ok((file.handle, size))
    }

    /// The digest in a link, the registry's small file that names another.
    pub(super) fn digest(&self, path: &str) -> Result<Digest, RegistryError> {
        let (file, _) = self.open(path)?;
        let text = read_bytes(&file, 0, MAX_LINK)?;
        let text = std::str::from_utf8(&text).unwrap_or_default().trim();
        text.parse().map_err(|error| RegistryError::Unreadable(format!("{error} in its link")))
    }

    /// Fails if the registry notes that its tags are elsewhere.
    pub(super) fn check_lock(&self) -> Result<(), RegistryError> {
        let root = self.open_root()?;
        let is_there = |path| match root.open_at(path, OFlags::PATH, Links::Follow) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(RegistryError::storage(self.of_folder(path, errno))),
        };
        let reason = match self.has_database {
            false if is_there(IN_DATABASE)? => {
                "its tags are in the registry's metadata database: set database_url, or use kind = \"registry\""
            }
            true if is_there(IN_FOLDER)? && !is_there(IN_DATABASE)? => {
                "its tags are in this folder, not in the registry's metadata database: remove database_url"
            }
            _ => return Ok(()),
        };
        Err(RegistryError::storage(format!("storage folder {}: {reason}", self.root.display())))
    }

    /// The names in a repository's folder of tags. The registry knows a repository by this folder; to one that has only
    /// layers, no tag was ever pushed.
    pub(super) fn tags(&self, repository: &str) -> Result<Vec<Box<str>>, RegistryError> {
        let root = self.open_root()?;
        let folder = tags_folder(repository);
        match names(&root, &folder, MAX_TAGS) {
            Ok(names) => Ok(names),
            Err(Errno::TOOBIG) => Err(RegistryError::Unavailable(TOO_MANY_TAGS.to_owned())),
            Err(errno) => self.check_untagged(&root, repository, errno).map(|()| Vec::new()),
        }
    }

    /// Fails as [`Files::tags`] does, or if the first of the tags that the system names cannot be read.
    pub(super) fn look(&self, repository: &str) -> Result<(), RegistryError> {
        let root = self.open_root()?;
        let folder = tags_folder(repository);
        let untagged = |errno| self.check_untagged(&root, repository, errno).map(|()| None);
        let tag = first_name(&root, &folder).or_else(untagged)?;
        let Some(tag) = tag else { return Ok(()) };
        match self.digest(&format!("{folder}/{tag}/current/link")) {
            Ok(_) | Err(RegistryError::Absent) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Why a repository's folder of tags cannot be listed.
    fn unlisted(&self, root: &Root, folder: &str, errno: Errno) -> RegistryError {
        match self.refused(root, errno) {
            RegistryError::Absent => match locked_folder(root, folder.as_bytes()) {
                Some(locked) => {
                    let folder = repository_in(&locked.folder);
                    NotJudged::Folder(UnreadableFolder { folder, ..locked }).into()
                }
                None => RegistryError::NoRepository { looked_in: root.storage_identity().ok() },
            },
            RegistryError::Unreadable(_) => RegistryError::Unavailable(self.of_folder(folder, errno)),
            error => error,
        }
    }

    /// Fails, with the reason why its folder of tags cannot be listed, unless no tag was ever pushed to the repository.
    fn check_untagged(&self, root: &Root, repository: &str, errno: Errno) -> Result<(), RegistryError> {
        match self.unlisted(root, &tags_folder(repository), errno) {
            RegistryError::NoRepository { .. } if self.never_had_manifests(root, repository)? => Ok(()),
            error => Err(error),
        }
    }

    fn never_had_manifests(&self, root: &Root, repository: &str) -> Result<bool, RegistryError> {
        let is_there = |name: &str| {
            let path = format!("{REPOSITORIES}/{repository}/{name}");
            match root.open_at(&path, OFlags::PATH | OFlags::DIRECTORY, Links::Follow) {
                Ok(_) => Ok(true),
                Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
                Err(errno) => Err(RegistryError::Unavailable(self.of_folder(&path, errno))),
            }
        };
        if is_there("_manifests")? {
            return Ok(false);
        }
        for name in WITHOUT_MANIFESTS {
            if is_there(name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why something beneath this root cannot be opened. It is absent only where the registry is.
    fn refused(&self, root: &Root, errno: Errno) -> RegistryError {
        let refused = error(errno);
        if refused != RegistryError::Absent {
            return refused;
        }
        let folder = if self.has_database { BLOBS } else { REPOSITORIES };
        match root.open_at(folder, OFlags::PATH | OFlags::DIRECTORY, Links::Follow) {
            Ok(_) => refused,
            // In this case the disk is missing, not the file.
            Err(errno) => RegistryError::storage(self.of_folder(folder, errno)),
        }
    }

    /// The error for a folder that cannot be read.
    fn of_folder(&self, folder: &str, errno: Errno) -> String {
        format!("storage folder {}: {}", self.root.join(folder).display(), reason(errno))
    }
}

/// The path of the repositories that need what lies in this folder below the root; empty for all.
pub(super) fn repository_in(folder: &str) -> String {
    let below = folder.strip_prefix(REPOSITORIES).and_then(|below| below.strip_prefix('/'));
    below.unwrap_or_default().to_owned()
}

/// The folder of a repository's tags.
pub(super) fn tags_folder(repository: &str) -> String {
    format!("{REPOSITORIES}/{repository}/_manifests/tags")
}

/// The names in a folder; [`Errno::TOOBIG`] if there are more than `most`.
fn names(root: &Root, folder: &str, most: usize) -> Result<Vec<Box<str>>, Errno> {
    let mut names = Vec::new();
    for name in entries(root, folder)? {
        if names.len() >= most {
            return Err(Errno::TOOBIG);
        }
        names.push(name?);
    }
    Ok(names)
}

/// The name in a folder that the system tells first.
fn first_name(root: &Root, folder: &str) -> Result<Option<Box<str>>, Errno> {
    entries(root, folder)?.next().transpose()
}

fn entries(root: &Root, folder: &str) -> Result<impl Iterator<Item = Result<Box<str>, Errno>>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY;
    let entries = Dir::read_from(root.open_at(folder, flags, Links::Follow)?)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into()));
    Ok(names.filter(|name| !matches!(name.as_deref(), Ok("." | ".."))))
}

/// Reads from this offset until there are `most` bytes, or the file ends.
pub(super) fn read_bytes(file: &OwnedFd, offset: u64, most: usize) -> Result<Bytes, RegistryError> {
    let mut bytes = vec![0; most];
    let filled = read_at(file, offset, &mut bytes).map_err(error)?;
    bytes.truncate(filled);
    Ok(bytes.into())
}

fn error(error: Errno) -> RegistryError {
    match error {
        Errno::NOENT | Errno::NOTDIR => RegistryError::Absent,
        OUTSIDE => RegistryError::Invalid(reason(OUTSIDE)),
        error => storage_root::not_judged("the registry's directory", error)
            .map_or_else(|| RegistryError::Unreadable(reason(error)), RegistryError::NotJudged),
    }
}

fn reason(error: Errno) -> String {
    match error {
        NOT_REGULAR => "not a regular file".to_owned(),
        OUTSIDE => "leads out of its storage through a link".to_owned(),
        error => error.to_string(),
    }
}

/// All repositories that the registry knows in the byte order of their names: those with a folder of tags, even an
/// empty one.
pub(super) fn list(root: PathBuf) -> FoundStream {
    walk::list(Walk { root, base: REPOSITORIES, thread: "registry-list" }, actions)
}

/// A folder can be a repository, and contain others.
fn actions(entry: &Entry<'_>) -> Vec<Action> {
    let name = entry.name();
    // Names with this prefix are those of the registry's own folders.
    if name.starts_with('_') || !entry.is_folder() {
        return Vec::new();
    }
    if !name::is_component(&name) {
        return vec![Action::Skip("no name of a container repository".to_owned())];
    }
    let repository = match entry.open("_manifests/tags", OFlags::PATH | OFlags::DIRECTORY, Links::Refuse) {
        Ok(_) => Some(Action::List { size: None, modified_at: None }),
        Err(Errno::NOENT | Errno::NOTDIR) => None,
        Err(error) => Some(Action::Skip(error.to_string())),
    };
    repository.into_iter().chain([Action::Enter]).collect()
}
