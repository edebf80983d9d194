//! Whether the objects exist that refs point to, and those that other files of a repository keep.

use super::alternates;
use super::index::PackIndex;
use super::listing::{self, Listing};
use super::root::Root;
use super::walk::missing_roots;
use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::id::ObjectFormat;
use crate::reader::RepoReader;

/// How many objects are looked up together, so that each index is opened once for all of them.
const GROUP: usize = 8_192;

/// How often the packs are listed again if they change while objects are looked up.
const LISTINGS: u32 = 8;

/// Looks up the objects of roots.
pub(crate) struct Targets<'a> {
    reader: &'a RepoReader<'a>,
    format: ObjectFormat,
    folders: Vec<RepoFolder>,
    /// The files in the folder of packs of each folder.
    packs: Vec<Listing>,
    waiting: Vec<Root>,
}

impl<'a> Targets<'a> {
    pub(crate) fn new(
        reader: &'a RepoReader<'a>,
        repository: &RepoFolder,
        format: ObjectFormat,
    ) -> Result<Self, ReadError> {
        let folders = alternates::folders(reader, repository)?;
        let mut targets = Self { reader, format, folders, packs: Vec::new(), waiting: Vec::new() };
        targets.packs = targets.list()?;
        Ok(targets)
    }

    /// Adds a root. Fails now or later if its object is missing.
    pub(crate) fn add(&mut self, root: Root) -> Result<(), ReadError> {
        self.waiting.push(root);
        if self.waiting.len() < GROUP { Ok(()) } else { self.look_up() }
    }

    /// Looks up the rest.
    pub(crate) fn finish(mut self) -> Result<(), ReadError> {
        self.look_up()
    }

    fn list(&self) -> Result<Vec<Listing>, ReadError> {
        self.folders.iter().map(|folder| listing::list(self.reader, folder)).collect()
    }

    fn look_up(&mut self) -> Result<(), ReadError> {
        let mut missing = std::mem::take(&mut self.waiting);
        // In the order of the indexes, so that neighbouring entries are read one after the other.
        missing.sort_unstable_by_key(|target| target.id);
        for _ in 0..LISTINGS {
            self.remove_found(&mut missing)?;
            let Some(error) = missing_roots(&missing) else { return Ok(()) };
            let packs = self.list()?;
            if packs == self.packs {
                return Err(error);
            }
            self.packs = packs;
        }
        Err(ReadError::Changed)
    }

    fn remove_found(&self, missing: &mut Vec<Root>) -> Result<(), ReadError> {
        for (folder, files) in self.folders.iter().zip(&self.packs) {
            for (name, _) in files {
                if missing.is_empty() {
                    return Ok(());
                }
                if listing::stem(name, "idx").is_some() {
                    let path = [listing::FOLDER, name].join(&b'/');
                    let index = PackIndex::open(self.reader, folder, &path, self.format)?;
                    if let Some(index) = index {
                        retain(missing, |target| Ok(!index.contains(&target.id)?))?;
                    }
                }
            }
            retain(missing, |target| Ok(self.reader.kind(folder, &target.id.loose_path())?.is_none()))?;
        }
        Ok(())
    }
}

/// Like [`Vec::retain`] with a predicate that may fail. It is called once for each object, however many refs it has.
fn retain(
    targets: &mut Vec<Root>,
    mut keep: impl FnMut(&Root) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let (mut failed, mut last) = (None, None);
    targets.retain(|target| {
        if failed.is_some() {
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
                failed = Some(error);
                true
            }
        }
    });
    failed.map_or(Ok(()), Err)
}
