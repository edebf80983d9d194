//! Whether the objects are there that refs point to.

use super::alternates;
use super::index::PackIndex;
use super::packs::{self, Listing};
use crate::id::{ObjectFormat, ObjectId};
use crate::refs::Ref;
use crate::visit::{Halt, Place, Visit};

/// So many are looked for at once, so that each index is opened once for all of them.
const BATCH: usize = 8_192;

/// How often the packs are listed anew because they changed while objects were looked for.
const LISTINGS: u32 = 8;

/// Looks for the objects of refs.
pub(crate) struct Targets<'a> {
    visit: &'a Visit<'a>,
    format: ObjectFormat,
    folders: Vec<Place>,
    /// The files in the folder of packs of each of these.
    packs: Vec<Listing>,
    waiting: Vec<Target>,
}

struct Target {
    id: ObjectId,
    /// The ref's name.
    of: Box<[u8]>,
}

impl<'a> Targets<'a> {
    pub(crate) fn new(visit: &'a Visit<'a>, repository: &Place, format: ObjectFormat) -> Result<Self, Halt> {
        let folders = alternates::folders(visit, repository)?;
        let mut targets = Self { visit, format, folders, packs: Vec::new(), waiting: Vec::new() };
        targets.packs = targets.list()?;
        Ok(targets)
    }

    /// Adds a ref. Whether its object is there is told now or later.
    pub(crate) fn add(&mut self, found: Ref) -> Result<(), Halt> {
        let of: Box<[u8]> = found.name.into();
        if let Some(id) = found.peeled {
            self.waiting.push(Target { id, of: of.clone() });
        }
        self.waiting.push(Target { id: found.id, of });
        if self.waiting.len() < BATCH { Ok(()) } else { self.look() }
    }

    /// Looks for all that were added.
    pub(crate) fn finish(mut self) -> Result<(), Halt> {
        self.look()
    }

    fn list(&self) -> Result<Vec<Listing>, Halt> {
        self.folders.iter().map(|folder| packs::list(self.visit, folder)).collect()
    }

    fn look(&mut self) -> Result<(), Halt> {
        let mut missing = std::mem::take(&mut self.waiting);
        // In the order of the index, so that places near each other are read one after the other.
        missing.sort_unstable_by_key(|target| target.id);
        for _ in 0..LISTINGS {
            self.remove_found(&mut missing)?;
            let Some(first) = missing.first() else { return Ok(()) };
            let packs = self.list()?;
            if packs == self.packs {
                let name = crate::text::shown(&first.of);
                return Err(Halt::Suspect(format!("{name}: its object {} is missing", first.id)));
            }
            self.packs = packs;
        }
        Err(Halt::Changed)
    }

    fn remove_found(&self, missing: &mut Vec<Target>) -> Result<(), Halt> {
        for (folder, files) in self.folders.iter().zip(&self.packs) {
            for (name, _) in files {
                if missing.is_empty() {
                    return Ok(());
                }
                if packs::stem(name, "idx").is_some() {
                    let path = [packs::FOLDER, name].join(&b'/');
                    let index = PackIndex::open(self.visit, folder, &path, self.format)?;
                    if let Some(index) = index {
                        retain(missing, |target| Ok(!index.contains(&target.id)?))?;
                    }
                }
            }
            retain(missing, |target| Ok(self.visit.kind(folder, &target.id.loose_path())?.is_none()))?;
        }
        Ok(())
    }
}

/// Like [`Vec::retain`], of a question that may fail. Asks once for each object, however many refs it has.
fn retain(
    targets: &mut Vec<Target>,
    mut keep: impl FnMut(&Target) -> Result<bool, Halt>,
) -> Result<(), Halt> {
    let (mut halt, mut last) = (None, None);
    targets.retain(|target| {
        if halt.is_some() {
            return true;
        }
        if let Some((id, kept)) = last
            && id == target.id
        {
            return kept;
        }
        match keep(target) {
            Ok(kept) => {
                last = Some((target.id, kept));
                kept
            }
            Err(error) => {
                halt = Some(error);
                true
            }
        }
    });
    halt.map_or(Ok(()), Err)
}
