//! Whether the objects of a repository are intact: every file that contains objects, or an index of them, is read
//! and compared with the checksum in it or in its name.

use std::sync::Arc;

use crate::error::ReadError;
use crate::file::EntryKind;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use crate::shallow::Parents;
use check::Check;
use lookup::Lookup;

pub(crate) mod alternates;
mod check;
mod chunks;
mod connect;
mod delta;
mod descent;
mod entries;
mod forest;
mod ids;
mod index;
mod inflate;
mod kind;
mod lacking;
mod listing;
mod lookup;
mod loose;
mod order;
mod pack;
mod pack_ids;
mod packs;
mod root;
mod staged;
mod sweep;
mod targets;
mod trailer;
mod walk;

pub(crate) use check::Checked;
pub(crate) use connect::Connectivity;
pub(crate) use kind::Kind;
pub(crate) use root::{Root, RootVisitor};
pub(crate) use staged::visit as visit_index;
pub(crate) use targets::Targets;

/// Checks the files below `objects` that are not in `checked`, and adds them. Alternates belong to other
/// repositories and are not read here.
pub(crate) fn check(
    reader: &RepoReader<'_>,
    repository: &RepoFolder,
    format: ObjectFormat,
    parents: &Arc<Parents>,
    checked: &mut Checked,
) -> Result<(), ReadError> {
    let mut check = Check::new(reader, repository.folder(alternates::OBJECTS), format, checked);
    packs::check(&mut check)?;
    check.commit_graphs()?;
    if check.checked.loose.is_none() {
        let parents = reader.is_connected().then_some(parents);
        check.checked.loose = Some(loose::check(reader, &check.folder, format, parents)?);
    }
    Ok(())
}

/// Whether the repository or an alternate has this object.
pub(crate) fn contain(
    reader: &RepoReader<'_>,
    repository: &RepoFolder,
    format: ObjectFormat,
    id: &ObjectId,
) -> Result<bool, ReadError> {
    let folders = alternates::folders(reader, repository)?;
    Lookup::new(reader, &folders, format)?.contains(id)
}

/// Whether the repository has objects of its own.
pub(crate) fn exist(reader: &RepoReader<'_>, repository: &RepoFolder) -> Result<bool, ReadError> {
    let folder = repository.folder(alternates::OBJECTS);
    if listing::list(reader, &folder)?.iter().any(|(name, _)| listing::stem(name, "pack").is_some()) {
        return Ok(true);
    }
    for entry in reader.entries(&folder, b"")?.unwrap_or_default() {
        let is_loose = entry.kind == EntryKind::Folder && entry.name.len() == 2;
        if is_loose && !reader.entries(&folder, &entry.name)?.unwrap_or_default().is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
