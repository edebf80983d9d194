//! The folders in which git looks for a repository's objects: its own, and those of other repositories that
//! `objects/info/alternates` names.

use super::FOLDER;
use crate::text::shown;
use crate::visit::{Halt, Place, Visit};

/// The file that names other folders, in that of objects.
pub(super) const FILE: &[u8] = b"info/alternates";

/// How many repositories git goes from one to the other.
const MOST_STEPS: usize = 5;

/// The most bytes of the file.
const MOST_BYTES: usize = 1024 * 1024;

/// All these folders, the repository's own first.
pub(super) fn folders(visit: &Visit<'_>, repository: &Place) -> Result<Vec<Place>, Halt> {
    let own = repository.folder(FOLDER);
    let mut seen = Vec::new();
    if let Some((_, identity)) = visit.find(&own, b"")? {
        seen.push(identity.folder());
    }
    let mut folders = vec![own];
    let mut level = 0..1;
    for _ in 0..MOST_STEPS {
        for index in level.clone() {
            let Some(folder) = folders.get(index).cloned() else { continue };
            let content = visit.read(&folder, FILE, MOST_BYTES)?.unwrap_or_default();
            for line in content.split(|byte| *byte == b'\n').filter_map(path) {
                let (next, identity) = resolve(visit, &folder, &line)?;
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

/// The path in a line, unless it is a comment.
fn path(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line {
        [] | [b'#', ..] => None,
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Some(inner.to_owned()),
        plain => Some(plain.to_owned()),
    }
}

/// The folder of this name, which is relative to the folder that names it, or absolute.
fn resolve(visit: &Visit<'_>, from: &Place, line: &[u8]) -> Result<(Place, (u64, u64)), Halt> {
    let outside = || Halt::invalid(format!("{}: it leaves the storage: {}", from.shown(FILE), shown(line)));
    let path =
        if line.starts_with(b"/") { below_root(visit, line).ok_or_else(outside)? } else { from.path(line) };
    let place = Place::new(&path, &format!("alternate {}: ", shown(line)));
    let found = visit.find(&place, b"").map_err(|halt| match halt {
        Halt::Told(stocktake_domain::ContentError::Invalid(_)) => outside(),
        halt => halt,
    })?;
    match found {
        Some((file_type, identity)) if file_type.is_dir() => Ok((place, identity.folder())),
        _ => Err(from.suspect(FILE, format!("the alternate is not there: {}", shown(line)))),
    }
}

/// An absolute path as one below the storage's root.
fn below_root(visit: &Visit<'_>, line: &[u8]) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt as _;
    let root = visit.root_path();
    let strip = |root: &std::path::Path| {
        let root = root.as_os_str().as_bytes();
        let rest = line.strip_prefix(root.strip_suffix(b"/").unwrap_or(root))?.strip_prefix(b"/")?;
        Some(rest.to_owned())
    };
    strip(root).or_else(|| strip(&root.canonicalize().ok()?))
}
