//! The folders in which git looks up a repository's objects: its own, and those of other repositories that are
//! listed in `objects/info/alternates`.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::error::{ReadError, display_name};
use crate::folder::RepoFolder;
use crate::reader::RepoReader;

/// A repository's folder of objects.
pub(crate) const OBJECTS: &[u8] = b"objects";

/// The file that lists other folders of objects, in that of objects.
pub(crate) const FILE: &[u8] = b"info/alternates";

/// How many repositories git follows from one to the next.
const MAX_STEPS: usize = 5;

/// The most bytes of the file.
const MAX_BYTES: usize = 1024 * 1024;

/// All these folders, the repository's own first.
pub(super) fn folders(
    reader: &RepoReader<'_>,
    repository: &RepoFolder,
) -> Result<Vec<RepoFolder>, ReadError> {
    folders_of_objects(reader, repository.folder(OBJECTS))
}

/// The same from a folder of objects on.
pub(super) fn folders_of_objects(
    reader: &RepoReader<'_>,
    own: RepoFolder,
) -> Result<Vec<RepoFolder>, ReadError> {
    let mut seen = Vec::new();
    if let Some((_, identity)) = reader.find(&own, b"")? {
        seen.push(identity.folder());
    }
    let mut folders = vec![own];
    let mut level = 0..1;
    for _ in 0..MAX_STEPS {
        for index in level.clone() {
            let Some(folder) = folders.get(index).cloned() else { continue };
            let content = reader.read(&folder, FILE, MAX_BYTES)?.unwrap_or_default();
            for line in content.split(|byte| *byte == b'\n').filter_map(path) {
                let (next, identity) = resolve(reader, &folder, &line)?;
                if !seen.contains(&identity) {
                    seen.push(identity);
                    folders.push(next);
                }
            }
        }
        level = level.end..folders.len();
    }
    Ok(folders)
}

/// The path in a line, unless it is a comment. White space belongs to the path, a carriage return at the end too.
pub(crate) fn path(line: &[u8]) -> Option<Vec<u8>> {
    match line {
        [] | [b'#', ..] => None,
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Some(inner.to_owned()),
        plain => Some(plain.to_owned()),
    }
}

/// The folder in this line, which is relative to the folder that lists it, or absolute.
fn resolve(
    reader: &RepoReader<'_>,
    from: &RepoFolder,
    line: &[u8],
) -> Result<(RepoFolder, (u64, u64)), ReadError> {
    let outside = || {
        ReadError::invalid(format!("{}: it leaves the storage: {}", from.display(FILE), display_name(line)))
    };
    let path = if line.starts_with(b"/") {
        below_root(reader.root_path(), line).ok_or_else(outside)?
    } else {
        from.path(line)
    };
    let folder = RepoFolder::new(&path, &format!("alternate {}: ", display_name(line)));
    let found = reader.find(&folder, b"").map_err(|error| match error {
        ReadError::Final(stocktake_domain::ContentError::Invalid(_)) => outside(),
        error => error,
    })?;
    match found {
        Some((file_type, identity)) if file_type.is_dir() => Ok((folder, identity.folder())),
        _ => Err(from.suspect(FILE, format!("the alternate is not there: {}", display_name(line)))),
    }
}

/// An absolute path, relative to the storage's root.
pub(crate) fn below_root(root: &Path, line: &[u8]) -> Option<Vec<u8>> {
    let strip = |root: &Path| {
        let root = root.as_os_str().as_bytes();
        let rest = line.strip_prefix(root.strip_suffix(b"/").unwrap_or(root))?.strip_prefix(b"/")?;
        Some(rest.to_owned())
    };
    strip(root).or_else(|| strip(&root.canonicalize().ok()?))
}
