//! A short look at a repository: whether it is there, its `HEAD` can be read, and so can what it borrows objects from.

use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use stocktake_content::{Links, Root, path, read_at, storage_root};
use stocktake_domain::{ContentError, NotJudged, PathText};

use crate::error::{ReadError, display_name};
use crate::folder::RepoFolder;
use crate::objects::alternates;

const HEAD: &[u8] = b"HEAD";

/// So many bytes of the list of alternates are looked at.
const MOST_LOOKED_AT: usize = 4_096;

/// See [`stocktake_domain::ports::ContentStore::look`].
pub(crate) fn look(root_path: &Path, path: &str) -> Result<(), ContentError> {
    let path = path.trim_end_matches('/');
    path::check(path)?;
    let root = Root::open(root_path).map_err(|error| storage_root::root_error(root_path, error))?;
    let folder = RepoFolder::new(&PathText::new(path).to_bytes(), "");
    let refused = |name: &[u8], error| match folder.refused(name, error) {
        ReadError::Final(error) | ReadError::Suspect(error) => error,
        ReadError::Changed => NotJudged::Cancelled.into(),
    };
    match root.open_to_read(folder.path(HEAD)) {
        Ok(file) => {
            storage_root::read_beginning(&file.handle).map_err(|error| refused(HEAD, error))?;
            look_at_alternates(&root, root_path, &folder)
        }
        Err(Errno::NOENT | Errno::NOTDIR) => {
            match root.open_at(folder.path(b""), OFlags::PATH | OFlags::DIRECTORY, Links::Follow) {
                Err(Errno::NOENT | Errno::NOTDIR) => Err(folder.missing(&root)),
                Err(error) => Err(refused(b"", error)),
                // A branch that is packed is no file to which a link could lead.
                Ok(_) if matches!(root.read_link(folder.path(HEAD)), Ok(Some(_))) => {
                    look_at_alternates(&root, root_path, &folder)
                }
                Ok(_) => Err(refused(HEAD, Errno::NOENT)),
            }
        }
        Err(error) => Err(refused(HEAD, error)),
    }
}

/// Fails if a folder is not there in which the repository, whose own objects may be few, has the rest of them: a pool of forks
/// on another disk.
fn look_at_alternates(root: &Root, root_path: &Path, folder: &RepoFolder) -> Result<(), ContentError> {
    let objects = folder.folder(alternates::OBJECTS);
    let Ok(file) = root.open_to_read(objects.path(alternates::FILE)) else { return Ok(()) };
    let mut content = vec![0; MOST_LOOKED_AT];
    let length = read_at(&file.handle, 0, &mut content).unwrap_or_default();
    content.truncate(length);
    for line in content.split(|byte| *byte == b'\n').filter_map(alternates::path) {
        let path = if line.starts_with(b"/") {
            alternates::below_root(root_path, &line)
        } else {
            Some(objects.path(&line))
        };
        let found = path.map(|path| root.open_at(path, OFlags::PATH | OFlags::DIRECTORY, Links::Follow));
        if let Some(Err(Errno::NOENT | Errno::NOTDIR)) = found {
            let reason = format!("the alternate is not there: {}", display_name(&line));
            return Err(ContentError::Unreadable(reason));
        }
    }
    Ok(())
}
