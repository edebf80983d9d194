//! Lists and measures the regular files below a folder.

use std::path::{Path, PathBuf};

use stocktake_content::Root;
use stocktake_content::walk::{self, Walk};
use stocktake_domain::PathText;
use stocktake_domain::ports::{Extent, FoundStream};

/// All regular files below the root in the byte order of their paths; no link is followed.
pub(crate) fn list(root: PathBuf) -> FoundStream {
    walk::list(Walk { root, base: "".into(), thread: "list" }, walk::regular_files)
}

/// The size and the time of change of the file at this path as they are now.
pub(crate) fn measure(root: &Path, path: &str) -> Option<Extent> {
    let stat = Root::open(root).ok()?.open_to_read(PathText::new(path).to_bytes()).ok()?.stat;
    Some(Extent { size: walk::size(&stat), modified_at: Some(walk::modified_at(&stat)) })
}
