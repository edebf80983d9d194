//! Whether everything exists that the refs of a repository reach.

use std::collections::HashSet;

use super::alternates;
use super::check::Checked;
use super::descent::Depth;
use super::listing;
use super::lookup::Lookup;
use super::loose::{self, LooseObjects};
use super::root::Roots;
use super::sweep::Sweep;
use super::walk::Walk;
use crate::config::Format;
use crate::doubts::Doubts;
use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::pools::Key;
use crate::reader::RepoReader;
use crate::shallow::Parents;

/// What a repository's objects are checked with.
pub(crate) struct Connectivity<'a> {
    pub(crate) reader: &'a RepoReader<'a>,
    pub(crate) repository: &'a RepoFolder,
    pub(crate) format: Format,
    pub(crate) parents: &'a Parents,
    pub(crate) roots: &'a Roots<'a>,
    /// Whether every object is compared with its id.
    pub(crate) is_deep: bool,
}

impl Connectivity<'_> {
    /// Fails if an object is missing that a root reaches, or is not what its id says, as far as each is to be looked at.
    pub(crate) fn check(&self, checked: &mut Checked) -> Result<(), ReadError> {
        let folders = alternates::folders(self.reader, self.repository)?;
        if !self.reader.is_connected() {
            let own = if self.is_deep { folders.first() } else { None };
            return own.map_or(Ok(()), |own| self.own(&folders, own, checked).map(drop));
        }
        let mut doubts = Doubts::default();
        for (number, folder) in folders.iter().enumerate() {
            doubts.add(&if number == 0 {
                self.own(&folders, folder, checked)?
            } else {
                let key = alternate_key(self.reader, folder)?;
                self.reader.pools().get_or_sweep(
                    key,
                    || self.reader.check_cancelled(),
                    || self.pool(folder),
                )?
            });
        }
        if self.format.has_promisor {
            self.add_missing_roots(&folders, &mut doubts)?;
        }
        let mut lookup = Lookup::new(self.reader, &folders, self.format.objects)?;
        let mut missing = HashSet::new();
        for id in &doubts.missing {
            // It may be in a repository that uses this one.
            if !missing.contains(id) && !lookup.contains(id)? {
                missing.insert(*id);
            }
        }
        let promised = if self.format.has_promisor && !missing.is_empty() {
            self.promised(&folders, &mut missing)?
        } else {
            HashSet::new()
        };
        if missing.is_empty() && !doubts.more {
            return self.check_graph(&mut lookup, &doubts);
        }
        drop(missing);
        let (reader, format) = (self.reader, self.format);
        let mut walk =
            Walk::new(reader, &folders, format.objects, self.parents, format.has_promisor, promised)?;
        (self.roots)(&mut |root| walk.visit(&root))?;
        self.check_graph(&mut lookup, &doubts)
    }

    /// A commit graph that names a commit that is not there makes git fail, even if nothing else names it.
    fn check_graph(&self, lookup: &mut Lookup<'_>, doubts: &Doubts) -> Result<(), ReadError> {
        let Some((id, path)) = &doubts.graph else { return Ok(()) };
        if lookup.contains(id)? {
            return Ok(());
        }
        let objects = self.repository.folder(alternates::OBJECTS);
        Err(objects.suspect(path, format!("it names the commit {id}, which is missing")))
    }

    /// Sweeps over the repository's own objects.
    fn own(
        &self,
        folders: &[RepoFolder],
        folder: &RepoFolder,
        checked: &mut Checked,
    ) -> Result<Doubts, ReadError> {
        let listing = listing::list(self.reader, folder)?;
        if let Some((swept, doubts)) = &checked.swept
            && *swept == listing
        {
            return Ok(doubts.clone());
        }
        let nothing = LooseObjects::default();
        let loose = checked.loose.as_ref().unwrap_or(&nothing);
        let sweep = Sweep::new(self.reader, folders, folder, self.format.objects, self.parents, loose)?;
        let depth = Depth { links: self.reader.is_connected(), contents: self.is_deep };
        let doubts = sweep.run(depth, self.format.has_promisor, Some(self.roots))?;
        checked.swept = Some((listing, doubts.clone()));
        Ok(doubts)
    }

    /// Sweeps over the objects of an alternate. Each may have alternates of its own.
    fn pool(&self, folder: &RepoFolder) -> Result<Doubts, ReadError> {
        let folders = alternates::folders_of_objects(self.reader, folder.clone())?;
        let parents = std::sync::Arc::new(Parents::default());
        let loose = loose::check(self.reader, folder, self.format.objects, Some(&parents))?;
        let sweep = Sweep::new(self.reader, &folders, folder, self.format.objects, &parents, &loose)?;
        sweep.run(Depth { links: true, contents: false }, false, None)
    }

    /// A ref, too, may point to an object that is only promised.
    fn add_missing_roots(&self, folders: &[RepoFolder], doubts: &mut Doubts) -> Result<(), ReadError> {
        let mut lookup = Lookup::new(self.reader, folders, self.format.objects)?;
        (self.roots)(&mut |root| {
            if !lookup.contains(&root.id)? {
                doubts.add_missing(&root.id);
            }
            Ok(())
        })
    }

    /// Takes those out of `missing` that objects in promisor packs name, and returns them.
    fn promised(
        &self,
        folders: &[RepoFolder],
        missing: &mut HashSet<crate::id::ObjectId>,
    ) -> Result<HashSet<crate::id::ObjectId>, ReadError> {
        let mut promised = HashSet::new();
        for folder in folders {
            Sweep::visit_promised(self.reader, folder, self.format.objects, &mut |id| {
                if missing.remove(id) {
                    promised.insert(*id);
                }
            })?;
        }
        Ok(promised)
    }
}

/// What changes with the objects of an alternate: the files in its folder of packs, and the folders of loose objects.
fn alternate_key(reader: &RepoReader<'_>, folder: &RepoFolder) -> Result<Key, ReadError> {
    // Each fork names it by another path.
    let identity = reader.find(folder, b"")?.map(|(_, identity)| identity.folder());
    let identity = identity.ok_or(ReadError::Changed)?;
    let packs = listing::list(reader, folder)?;
    let mut loose = Vec::new();
    for entry in reader.entries(folder, b"")?.unwrap_or_default() {
        if entry.name.len() == 2
            && let Some((_, identity)) = reader.find(folder, &entry.name)?
        {
            loose.push((entry.name, identity));
        }
    }
    loose.sort_unstable();
    Ok(Key { folder: identity, packs, loose })
}
