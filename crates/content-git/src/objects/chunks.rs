//! Files that consist of chunks: commit graphs and multi-pack indexes (git's `Documentation/gitformat-chunk`).

use stocktake_content::num::{narrow, widen};

use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::reader::RepoReader;

/// The bytes of an entry in the table of chunks: a name, and where the chunk begins.
const ENTRY_BYTES: usize = 12;

/// Calls `visitor` with the content of the chunk of this name, in pieces of `step` bytes or a multiple of that. A file
/// that is not there has no such chunk. `header` is the bytes before the table, whose seventh is the number of chunks.
pub(super) fn read(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    path: &[u8],
    (header, name): (usize, &[u8; 4]),
    step: usize,
    visitor: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let Some(file) = reader.open(folder, path)? else { return Ok(()) };
    let head = piece(reader, folder, path, &file, 0, header)?;
    let count = head.get(6).map_or(0, |count| usize::from(*count));
    // The last entry says only where the last chunk ends.
    let table = piece(reader, folder, path, &file, widen(header), (count + 1) * ENTRY_BYTES)?;
    let offsets: Vec<_> = table.chunks_exact(ENTRY_BYTES).filter_map(offset).collect();
    let place = table.chunks_exact(ENTRY_BYTES).position(|entry| entry.starts_with(name));
    let bounds = place.and_then(|place| Some((*offsets.get(place)?, *offsets.get(place + 1)?)));
    let Some((mut at, end)) = bounds else { return Ok(()) };
    let step = (reader.step() / step).max(1) * step;
    while at < end {
        let wanted = step.min(narrow(end - at));
        reader.wait_for_rate(widen(wanted))?;
        visitor(&piece(reader, folder, path, &file, at, wanted)?)?;
        at += widen(wanted);
    }
    Ok(())
}

fn offset(entry: &[u8]) -> Option<u64> {
    entry.get(4..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

fn piece(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    path: &[u8],
    file: &OpenFile,
    offset: u64,
    count: usize,
) -> Result<Vec<u8>, ReadError> {
    if offset.saturating_add(widen(count)) > file.size {
        return Err(folder.suspect(path, "its table of chunks is damaged"));
    }
    let mut bytes = vec![0; count];
    let read = reader.read_into(file, offset, &mut bytes).map_err(|error| folder.refused(path, error))?;
    if read < count { Err(ReadError::Changed) } else { Ok(bytes) }
}
