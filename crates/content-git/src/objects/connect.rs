//! Whether everything exists that the refs of a repository reach.

use std::collections::HashSet;
use std::sync::Arc;

use stocktake_domain::ContentError;

use super::alternates;
use super::check::{Checked, Missing, Swept, Ways};
use super::descent::Depth;
use super::listing::{self, Listing};
use super::lookup::Lookup;
use super::loose::{self, LooseObjects};
use super::root::{Root, Roots};
use super::sweep::Sweep;
use super::walk::{Known, Walk};
use crate::config::Format;
use crate::doubts::Doubts;
use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::id::ObjectId;
use crate::pools::Key;
use crate::reader::RepoReader;
use crate::shallow::Parents;

/// What a repository's objects are checked with.
pub(crate) struct Connectivity<'a> {
    pub(crate) reader: &'a RepoReader<'a>,
    pub(crate) repository: &'a RepoFolder,
    pub(crate) format: Format,
    pub(crate) parents: &'a Arc<Parents>,
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
                    || self.pool(folder).map(|swept| swept.doubts),
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
        if let Some(found) = &checked.missing
            && missing.contains(&found.id)
            && (doubts.more || found.ids.is_subset(&missing))
            && found.ways == self.ways(&folders, lookup.listings())
            && self.has_root(&found.root)?
        {
            return Err(ReadError::Suspect(found.error.clone()));
        }
        // The type of what lies in an alternate was not compared with what a link of ours to it expects.
        let is_alone = folders.len() == 1;
        let most_missing = (!doubts.more).then_some(missing.len());
        let all_missing = (is_alone && !doubts.more).then_some(missing);
        self.walk(&folders, promised, (all_missing, most_missing), checked)?;
        self.check_graph(&mut lookup, &doubts)
    }

    /// Walks from the roots through everything that they reach, to all objects that can be missing. What has another fault than to
    /// be missing is told only if nothing is.
    fn walk(
        &self,
        folders: &[RepoFolder],
        promised: HashSet<ObjectId>,
        (all_missing, most_missing): (Option<HashSet<ObjectId>>, Option<usize>),
        checked: &mut Checked,
    ) -> Result<(), ReadError> {
        let (reader, format) = (self.reader, self.format);
        let kinds = checked.swept.as_ref().map(|swept| &swept.kinds);
        let known = Known { kinds, all_missing, most_missing };
        let (parents, has_promisor) = (self.parents, format.has_promisor);
        let mut walk = Walk::new(reader, folders, format.objects, parents, has_promisor, promised, known)?;
        let ways = self.ways(folders, walk.listings());
        let walked = (self.roots)(&mut |root| walk.visit(&root));
        if let Err(ReadError::Final(ContentError::NotJudged(_))) = walked {
            return walked;
        }
        let is_whole = walked.is_ok() || most_missing == Some(walk.lacking.ids().len());
        walk.lacking.may_be_more |= !is_whole;
        let Some((root, id)) = walk.first_missing.take() else { return walked };
        let error = walk.lacking.error();
        if let Some(ReadError::Suspect(error)) = &error {
            let ids = walk.lacking.ids().clone();
            checked.missing = Some(Missing { root, id, ids, error: error.clone(), ways });
        }
        error.map_or(walked, Err)
    }

    fn ways(&self, folders: &[RepoFolder], listings: &[Listing]) -> Ways {
        let folders = folders.iter().cloned().zip(listings.iter().cloned()).collect();
        Ways { folders, parents: Arc::clone(self.parents), has_promisor: self.format.has_promisor }
    }

    /// Whether this root is still there.
    fn has_root(&self, wanted: &Root) -> Result<bool, ReadError> {
        let mut is_there = false;
        (self.roots)(&mut |root| {
            is_there |= root == *wanted;
            Ok(())
        })?;
        Ok(is_there)
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
        if let Some(swept) = &checked.swept
            && swept.listing == listing::list(self.reader, folder)?
        {
            return Ok(swept.doubts.clone());
        }
        let nothing = LooseObjects::default();
        let loose = checked.loose.as_ref().unwrap_or(&nothing);
        let sweep = Sweep::new(self.reader, folders, folder, self.format.objects, self.parents, loose)?;
        let depth = Depth { links: self.reader.is_connected(), contents: self.is_deep };
        let swept = sweep.run(depth, self.format.has_promisor, Some(self.roots))?;
        let doubts = swept.doubts.clone();
        checked.swept = Some(swept);
        Ok(doubts)
    }

    /// Sweeps over the objects of an alternate. Each may have alternates of its own.
    fn pool(&self, folder: &RepoFolder) -> Result<Swept, ReadError> {
        let folders = alternates::folders_of_objects(self.reader, folder.clone())?;
        let parents = Arc::new(Parents::default());
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
        missing: &mut HashSet<ObjectId>,
    ) -> Result<HashSet<ObjectId>, ReadError> {
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
