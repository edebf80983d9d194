//! Whether the objects of a repository are whole: every file that holds some, or helps to find them, is read
//! and compared with the checksum in it or in its name.

use std::collections::HashSet;

use crate::id::ObjectFormat;
use crate::visit::{Halt, Identity, Opened, Place, Visit};

mod alternates;
mod graphs;
mod index;
mod inflate;
mod loose;
mod packs;
mod targets;
mod trailer;

pub(crate) use targets::Targets;

/// The folder of a repository's objects.
const FOLDER: &[u8] = b"objects";

/// The files of one repository that were found good, so that none is read twice when the repository changes
/// while it is read.
#[derive(Default)]
pub(crate) struct Checked {
    files: HashSet<(Box<[u8]>, Identity)>,
    /// Whether all loose objects were. Those that were added since have come after the repository was asked for.
    loose: bool,
}

impl Checked {
    /// Checks the files below `objects`. Alternates belong to other repositories, and are not read here.
    pub(crate) fn check(
        &mut self,
        visit: &Visit<'_>,
        repository: &Place,
        format: ObjectFormat,
    ) -> Result<(), Halt> {
        let mut check = Check { visit, place: repository.folder(FOLDER), format, checked: self };
        packs::check(&mut check)?;
        graphs::check(&mut check)?;
        if !check.checked.loose {
            loose::check(visit, &check.place, format)?;
            check.checked.loose = true;
        }
        Ok(())
    }
}

/// A check of the files in a folder of objects.
struct Check<'a> {
    visit: &'a Visit<'a>,
    place: Place,
    format: ObjectFormat,
    checked: &'a mut Checked,
}

impl Check<'_> {
    /// Compares a file with the checksum at its end. Returns the file; `None` if it has gone.
    fn file(&mut self, name: &[u8]) -> Result<Option<Opened>, Halt> {
        let Some(file) = self.visit.open(&self.place, name)? else { return Ok(None) };
        let key = (Box::from(name), file.identity);
        if !self.checked.files.contains(&key) {
            trailer::check(self.visit, &self.place, name, self.format, &file)?;
            self.checked.files.insert(key);
        }
        Ok(Some(file))
    }

    /// Whether objects of other repositories are used.
    fn has_alternates(&self) -> Result<bool, Halt> {
        Ok(self.visit.kind(&self.place, alternates::FILE)?.is_some())
    }
}

/// What is told of a file that is broken: nothing, if it is not there any more.
fn broken(visit: &Visit<'_>, place: &Place, name: &[u8], identity: Identity, reason: &str) -> Halt {
    match visit.is_still(place, name, identity) {
        Ok(true) => place.broken(name, reason),
        Ok(false) => Halt::Changed,
        Err(halt) => halt,
    }
}
