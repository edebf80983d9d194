//! Where the folders of a container are on the machine that runs it.

use std::path::{Path, PathBuf};

/// The volumes of GitLab's image.
#[derive(Debug, Clone)]
pub(crate) struct Volumes(Vec<(PathBuf, PathBuf)>);

impl Volumes {
    /// The usual ones, below one folder of the machine.
    pub(crate) fn below(folder: &Path) -> Self {
        Self(vec![
            ("/etc/gitlab".into(), folder.join("config")),
            ("/var/opt/gitlab".into(), folder.join("data")),
        ])
    }

    /// A path of the container on this machine; `None` if it is on no volume.
    pub(crate) fn of_host(&self, path: &Path) -> Option<PathBuf> {
        self.0.iter().find_map(|(inside, outside)| Some(outside.join(path.strip_prefix(inside).ok()?)))
    }
}
