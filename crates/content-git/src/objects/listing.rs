//! The files in the folder of packs.

use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::reader::RepoReader;

/// The folder of packs, in that of objects.
pub(super) const FOLDER: &[u8] = b"pack";

/// The files in the folder of packs in the order of their names, each with its inode.
pub(super) type Listing = Vec<(Box<[u8]>, u64)>;

/// Lists the files in the folder of packs, without those that are being written.
pub(super) fn list(reader: &RepoReader<'_>, objects: &RepoFolder) -> Result<Listing, ReadError> {
    let entries = reader.entries(objects, FOLDER)?.unwrap_or_default();
    let is_complete = |name: &[u8]| !name.starts_with(b".") && !name.starts_with(b"tmp_");
    let entries = entries.into_iter().filter(|entry| is_complete(&entry.name));
    let mut files: Vec<_> = entries.map(|entry| (entry.name, entry.inode)).collect();
    files.sort_unstable();
    Ok(files)
}

/// The name without this extension.
pub(super) fn stem<'name>(name: &'name [u8], extension: &str) -> Option<&'name [u8]> {
    name.strip_suffix(extension.as_bytes())?.strip_suffix(b".")
}
