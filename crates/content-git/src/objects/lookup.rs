//! Where an object is: in a pack or loose, in a repository's own folder of objects or in that of an alternate.

use super::ids::Need;
use super::index::PackIndex;
use super::listing::{self, Listing};
use super::pack_ids::PackIds;
use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;

/// How many indexes are kept open.
const MAX_OPEN: usize = 64;

/// Where an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the pack of this number, at this place of its index.
    Packed(usize, u32),
    /// In a file of its own, in the folder of this number.
    Loose(usize),
}

/// Looks up objects in all folders.
pub(super) struct Lookup<'a> {
    reader: &'a RepoReader<'a>,
    folders: &'a [RepoFolder],
    format: ObjectFormat,
    listings: Vec<Listing>,
    /// All packs: the number of the folder and the path of the index in it.
    packs: Vec<(usize, Vec<u8>)>,
    /// The indexes of the first packs.
    open: Vec<Option<PackIndex<'a>>>,
    /// The ids of packs that are held in memory, if any are.
    ids: PackIds,
    /// Objects are mostly in the same pack as the last one.
    last: usize,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(
        reader: &'a RepoReader<'a>,
        folders: &'a [RepoFolder],
        format: ObjectFormat,
    ) -> Result<Self, ReadError> {
        let listings =
            folders.iter().map(|folder| listing::list(reader, folder)).collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::new();
        for (number, listing) in listings.iter().enumerate() {
            let indexes = listing.iter().filter(|(name, _)| listing::stem(name, "idx").is_some());
            found.extend(indexes.map(|(name, _)| (number, [listing::FOLDER, name].join(&b'/'))));
        }
        let mut open = Vec::new();
        for (number, name) in found.iter().take(MAX_OPEN) {
            let folder = folders.get(*number);
            open.push(match folder {
                Some(folder) => PackIndex::open(reader, folder, name, format)?,
                None => None,
            });
        }
        let ids = PackIds::default();
        Ok(Self { reader, folders, format, listings, packs: found, open, ids, last: 0 })
    }

    /// Holds the ids of all packs in memory, as far as that allows: for those who look up many objects.
    pub(super) fn hold_ids(&mut self) -> Result<(), ReadError> {
        let mut ids = PackIds::default();
        for (folder, name) in &self.packs {
            let folder = self.folders.get(*folder);
            let index = folder.map(|folder| PackIndex::open(self.reader, folder, name, self.format));
            let index = index.transpose()?.flatten().ok_or(ReadError::Changed)?;
            ids.add(self.reader.memory(), &index, self.format)?;
        }
        self.ids = ids;
        Ok(())
    }

    /// The folder and the path of the index of the pack of this number.
    pub(super) fn pack(&self, number: usize) -> Option<(&'a RepoFolder, &[u8])> {
        let (folder, name) = self.packs.get(number)?;
        Some((self.folders.get(*folder)?, name))
    }

    /// The numbers of the packs in the first folder, with the paths of their indexes.
    pub(super) fn own_packs(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let own = self.packs.iter().enumerate().filter(|(_, (folder, _))| *folder == 0);
        own.map(|(number, (_, name))| (number, name.as_slice()))
    }

    /// The folder of this number.
    pub(super) fn folder(&self, number: usize) -> Option<&'a RepoFolder> {
        self.folders.get(number)
    }

    /// Whether a promisor sent the pack of this number.
    pub(super) fn is_promised(&self, number: usize) -> bool {
        let Some((folder, path)) = self.packs.get(number) else { return false };
        let stem = path.strip_prefix(listing::FOLDER).and_then(|name| listing::stem(name.get(1..)?, "idx"));
        let name = [stem.unwrap_or_default(), b"promisor"].join(&b'.').into_boxed_slice();
        let listing = self.listings.get(*folder);
        listing.is_some_and(|listing| listing.iter().any(|(other, _)| *other == name))
    }

    pub(super) fn contains(&mut self, id: &ObjectId) -> Result<bool, ReadError> {
        Ok(self.find(id)?.is_some())
    }

    pub(super) fn find(&mut self, id: &ObjectId) -> Result<Option<Place>, ReadError> {
        if let Some((number, place)) = self.find_packed(id)? {
            return Ok(Some(Place::Packed(number, place)));
        }
        for (number, folder) in self.folders.iter().enumerate() {
            if self.reader.kind(folder, &id.loose_path())?.is_some() {
                return Ok(Some(Place::Loose(number)));
            }
        }
        Ok(None)
    }

    /// The number of a pack that holds the object, and the place in its index.
    pub(super) fn find_packed(&mut self, id: &ObjectId) -> Result<Option<(usize, u32)>, ReadError> {
        if let Some(found) = self.ids.find(id) {
            return Ok(Some(found));
        }
        let count = self.packs.len();
        for number in (self.last..count).chain(0..self.last.min(count)) {
            if let Some(place) = self.find_in(number, id)? {
                self.last = number;
                return Ok(Some((number, place)));
            }
        }
        Ok(None)
    }

    /// Takes out of `needs`, which are in order, those that are in any but the first folder.
    pub(super) fn take_found_in_alternates(&self, needs: &mut Vec<Need>) -> Result<(), ReadError> {
        for (number, (folder, name)) in self.packs.iter().enumerate() {
            if *folder == 0 || needs.is_empty() {
                continue;
            }
            match self.open.get(number) {
                Some(Some(index)) => index.take_found(needs, |_, _| {})?,
                Some(None) => {}
                None => {
                    let Some(folder) = self.folders.get(*folder) else { continue };
                    let index = PackIndex::open(self.reader, folder, name, self.format)?;
                    index.map_or(Ok(()), |index| index.take_found(needs, |_, _| {}))?;
                }
            }
        }
        for folder in self.folders.iter().skip(1) {
            let mut rest = Vec::new();
            for need in needs.drain(..) {
                if self.reader.kind(folder, &need.id.loose_path())?.is_none() {
                    rest.push(need);
                }
            }
            *needs = rest;
        }
        Ok(())
    }

    /// The place of the object in a pack whose ids are not in memory.
    fn find_in(&self, number: usize, id: &ObjectId) -> Result<Option<u32>, ReadError> {
        if self.ids.get(number).is_some() {
            return Ok(None);
        }
        if let Some(open) = self.open.get(number) {
            return open.as_ref().map_or(Ok(None), |index| index.find(id));
        }
        let Some((folder, name)) = self.pack(number) else { return Ok(None) };
        let index = PackIndex::open(self.reader, folder, name, self.format)?;
        index.map_or(Ok(None), |index| index.find(id))
    }

    /// The files in the folder of packs of each folder.
    pub(super) fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// Fails if the packs are not those any more that were looked at: an object may have moved.
    pub(super) fn check_current(&self) -> Result<(), ReadError> {
        for (folder, listing) in self.folders.iter().zip(&self.listings) {
            if listing::list(self.reader, folder)? != *listing {
                return Err(ReadError::Changed);
            }
        }
        Ok(())
    }
}
