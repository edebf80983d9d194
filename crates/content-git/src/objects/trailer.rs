//! Files that end with a checksum over everything before it.

use std::os::fd::AsFd as _;

use stocktake_content::num::{narrow, widen};
use stocktake_content::page_cache::PageCacheAdvice;

use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::id::{Hash, ObjectFormat, ObjectId};
use crate::pipeline::Pipeline;
use crate::reader::RepoReader;

/// From this size on, the page cache is left as it was.
const LARGE: u64 = 1024 * 1024;

/// Reads the file as a whole and compares it with the checksum at its end.
pub(super) fn check(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    name: &[u8],
    format: ObjectFormat,
    file: &OpenFile,
) -> Result<(), ReadError> {
    let body = file.size.checked_sub(widen(format.bytes()));
    let Some(body) = body else {
        return Err(reader.damaged(folder, name, file.identity, "too short to be whole"));
    };
    let calculated = hash(reader, folder, name, format, file, body)?;
    match id_from_end(reader, folder, name, format, file, 1)? {
        Some(stored) if stored == calculated => Ok(()),
        Some(_) => {
            let reason = "its content is not what the checksum at its end says";
            Err(reader.damaged(folder, name, file.identity, reason))
        }
        None => Err(ReadError::Changed),
    }
}

/// The hash over the first `length` bytes of the file.
fn hash(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    name: &[u8],
    format: ObjectFormat,
    file: &OpenFile,
    length: u64,
) -> Result<ObjectId, ReadError> {
    let mut advice = (length >= LARGE).then(|| PageCacheAdvice::new(file.as_fd(), file.size));
    let mut hashing = Pipeline::new(format.hash());
    let (mut buffer, mut offset, step) = (reader.take_buffer(), 0, widen(reader.step()));
    while offset < length {
        let wanted = step.min(length - offset);
        reader.wait_for_rate(wanted)?;
        let read = reader.read_at(file, offset, &mut buffer, narrow(wanted));
        let read = widen(read.map_err(|error| folder.refused(name, error))?);
        if read < wanted {
            return Err(ReadError::Changed);
        }
        offset += read;
        (hashing, buffer) = hashing.push(reader, buffer, Hash::update)?;
        if let Some(advice) = &mut advice {
            advice.advance_to(offset);
        }
    }
    reader.keep_buffer(buffer);
    Ok(hashing.finish(reader)?.finish())
}

/// The `number`-th id counted from the end of the file; `None` if the file is too short for it.
pub(super) fn id_from_end(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    name: &[u8],
    format: ObjectFormat,
    file: &OpenFile,
    number: u64,
) -> Result<Option<ObjectId>, ReadError> {
    let Some(offset) = file.size.checked_sub(number * widen(format.bytes())) else { return Ok(None) };
    let mut bytes = vec![0; format.bytes()];
    let read = reader.read_into(file, offset, &mut bytes).map_err(|error| folder.refused(name, error))?;
    Ok(bytes.get(..read).and_then(|bytes| format.id(bytes)))
}
