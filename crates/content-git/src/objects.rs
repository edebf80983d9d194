//! Whether the objects of a repository are intact: every file that contains objects, or an index of them, is read
//! and compared with the checksum in it or in its name.

use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::id::ObjectFormat;
use crate::reader::RepoReader;
use check::Check;

mod alternates;
mod check;
mod index;
mod inflate;
mod loose;
mod packs;
mod targets;
mod trailer;

pub(crate) use check::Checked;
pub(crate) use targets::Targets;

/// Checks the files below `objects` that are not in `checked`, and adds them. Alternates belong to other
/// repositories and are not read here.
pub(crate) fn check(
    reader: &RepoReader<'_>,
    repository: &RepoFolder,
    format: ObjectFormat,
    checked: &mut Checked,
) -> Result<(), ReadError> {
    let mut check = Check::new(reader, repository.folder(alternates::OBJECTS), format, checked);
    packs::check(&mut check)?;
    check.commit_graphs()?;
    if !check.checked.loose {
        loose::check(reader, &check.folder, format)?;
        check.checked.loose = true;
    }
    Ok(())
}
