//! A short look at a repository: whether it is there, and its `HEAD` can be read.

use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use stocktake_content::{Links, Root, locked_folder, path, storage_root};
use stocktake_domain::{ContentError, NotJudged, PathText};

use crate::error::ReadError;
use crate::folder::RepoFolder;

const HEAD: &[u8] = b"HEAD";

/// See [`stocktake_domain::ports::ContentStore::look`].
pub(crate) fn look(root: &Path, path: &str) -> Result<(), ContentError> {
    let path = path.trim_end_matches('/');
    path::check(path)?;
    let root = Root::open(root).map_err(|error| storage_root::root_error(root, error))?;
    let folder = RepoFolder::new(&PathText::new(path).to_bytes(), "");
    let refused = |name: &[u8], error| match folder.refused(name, error) {
        ReadError::Final(error) | ReadError::Suspect(error) => error,
        ReadError::Changed => NotJudged::Cancelled.into(),
    };
    match root.open_to_read(folder.path(HEAD)) {
        Ok(file) => storage_root::read_beginning(&file.handle).map_err(|error| refused(HEAD, error)),
        Err(Errno::NOENT | Errno::NOTDIR) => {
            match root.open_at(folder.path(b""), OFlags::PATH | OFlags::DIRECTORY, Links::Follow) {
                Err(Errno::NOENT | Errno::NOTDIR) => Err(missing(&root, &folder)),
                Err(error) => Err(refused(b"", error)),
                Ok(_) => Err(refused(HEAD, Errno::NOENT)),
            }
        }
        Err(error) => Err(refused(HEAD, error)),
    }
}

/// What is reported of a repository that is not found.
pub(crate) fn missing(root: &Root, folder: &RepoFolder) -> ContentError {
    locked_folder(root, &folder.path(b""))
        .map_or(ContentError::MissingRepository, |locked| NotJudged::Folder(locked).into())
}
