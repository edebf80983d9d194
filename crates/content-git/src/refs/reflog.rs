//! The newest entries of the logs of refs, in files beside the refs.

use stocktake_content::num::{narrow, widen};

use super::name::{Ref, RefVisitor};
use crate::error::ReadError;
use crate::file::EntryKind;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;

/// Where the newest entry is looked for: at the end of the file, in more bytes than an entry has.
const TAIL: u64 = 16 * 1024;

/// Visits the objects before and after the newest entry of each log in the folder `logs`, under the name of its file.
pub(crate) fn visit(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    logs: &[u8],
    format: ObjectFormat,
    visitor: &mut RefVisitor<'_>,
) -> Result<(), ReadError> {
    let mut open = vec![logs.to_vec()];
    while let Some(name) = open.pop() {
        for entry in reader.entries(folder, &name)?.unwrap_or_default() {
            let path = [name.as_slice(), &entry.name].join(&b'/');
            if entry.kind == EntryKind::Folder {
                open.push(path);
            } else if !entry.name.ends_with(b".lock") {
                for id in newest(reader, folder, format, &path)? {
                    visitor(Ref { name: path.clone(), id, peeled: None })?;
                }
            }
        }
    }
    Ok(())
}

/// The objects before and after the last change, without those that stand for no ref; none if there is no entry that can
/// be read.
fn newest(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    format: ObjectFormat,
    path: &[u8],
) -> Result<Vec<ObjectId>, ReadError> {
    let Some(file) = reader.open(folder, path)? else { return Ok(Vec::new()) };
    let offset = file.size.saturating_sub(TAIL);
    let mut tail = vec![0; narrow(file.size - offset)];
    reader.wait_for_rate(widen(tail.len()))?;
    let read = reader.read_into(&file, offset, &mut tail).map_err(|error| folder.refused(path, error))?;
    let tail = tail.get(..read).unwrap_or_default();
    // Behind the last line end there may be an entry that is being written.
    let Some(last) = tail.strip_suffix(b"\n").and_then(|tail| tail.rsplit(|byte| *byte == b'\n').next())
    else {
        return Ok(Vec::new());
    };
    let ids = last.split(|byte| *byte == b' ').take(2).filter_map(|id| format.parse(id));
    Ok(ids.filter(|id| !id.is_null()).collect())
}
