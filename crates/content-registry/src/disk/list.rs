//! Lists the repositories in the registry's folder of repositories.

use std::path::PathBuf;

use rustix::fs::OFlags;
use rustix::io::Errno;
use stocktake_content::Links;
use stocktake_content::walk::{self, Action, Entry, Walk};
use stocktake_domain::ports::FoundStream;

use crate::name;

/// All repositories that the registry knows in the byte order of their names: those with a folder of tags, even an
/// empty one. `repositories` is the folder in which they are, beneath the root.
pub(super) fn list(root: PathBuf, repositories: &'static str) -> FoundStream {
    walk::list(Walk { root, base: repositories, thread: "registry-list" }, actions)
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
