//! Checks of files that end with a checksum, each made only once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use stocktake_domain::ContentError;

use super::listing::Listing;
use super::loose::LooseObjects;
use super::root::Root;
use super::{alternates, trailer};
use crate::doubts::Doubts;
use crate::error::ReadError;
use crate::file::FileIdentity;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use crate::shallow::Parents;

/// The most bytes of the list of a chain.
const MAX_CHAIN_BYTES: usize = 1024 * 1024;

/// The files of one repository that have been found intact, so that none is read twice when the repository changes
/// while it is read.
#[derive(Default)]
pub(crate) struct Checked {
    files: HashSet<(Box<[u8]>, FileIdentity)>,
    /// What is known of the loose objects, once all have been read. Those that are added later are newer than the request.
    pub(super) loose: Option<LooseObjects>,
    /// What was found of the objects.
    pub(super) swept: Option<Swept>,
    /// What the walk from the refs ended with.
    pub(super) missing: Option<Missing>,
}

/// The types of the objects in each pack, by the path of its index: for each place the bit of the type, or 0.
pub(super) type Kinds = HashMap<Vec<u8>, Vec<u8>>;

/// What was found of a repository's own objects.
pub(super) struct Swept {
    /// The files in the folder of packs.
    pub(super) listing: Listing,
    pub(super) doubts: Doubts,
    /// Only if there are doubts.
    pub(super) kinds: Kinds,
}

/// Missing objects that roots reach. What an object names never changes, so that this stays so as long as the root of the first
/// is there, the objects are not, and nothing has changed of what can cut the way short.
pub(super) struct Missing {
    pub(super) root: Root,
    /// The first.
    pub(super) id: ObjectId,
    /// All.
    pub(super) ids: HashSet<ObjectId>,
    pub(super) error: ContentError,
    pub(super) ways: Ways,
}

/// What decides besides the objects themselves where a walk goes.
#[derive(PartialEq, Eq)]
pub(super) struct Ways {
    /// Where objects are looked up, with the files in each folder of packs: those that a promisor sent are not followed.
    pub(super) folders: Vec<(RepoFolder, Listing)>,
    pub(super) parents: Arc<Parents>,
    pub(super) has_promisor: bool,
}

/// A check of the files in a folder of objects.
pub(super) struct Check<'a> {
    pub(super) reader: &'a RepoReader<'a>,
    pub(super) folder: RepoFolder,
    pub(super) format: ObjectFormat,
    pub(super) checked: &'a mut Checked,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        reader: &'a RepoReader<'a>,
        folder: RepoFolder,
        format: ObjectFormat,
        checked: &'a mut Checked,
    ) -> Self {
        Self { reader, folder, format, checked }
    }

    /// Compares a file with the checksum at its end, if it exists.
    pub(super) fn file(&mut self, name: &[u8]) -> Result<(), ReadError> {
        let Some(file) = self.reader.open(&self.folder, name)? else { return Ok(()) };
        let key = (Box::from(name), file.identity);
        if !self.checked.files.contains(&key) {
            trailer::check(self.reader, &self.folder, name, self.format, &file)?;
            self.checked.files.insert(key);
        }
        Ok(())
    }

    /// Checks the commit graph, and the chain of commit graphs.
    pub(super) fn commit_graphs(&mut self) -> Result<(), ReadError> {
        self.file(b"info/commit-graph")?;
        self.chain(b"info/commit-graphs", "commit-graph", "graph")
    }

    /// Checks a chain of files in which each but the first builds on the one before. `<kind>-chain` lists their
    /// checksums, by which they are named.
    pub(super) fn chain(&mut self, chain_folder: &[u8], kind: &str, ending: &str) -> Result<(), ReadError> {
        // "graph-<checksum>.graph" and "multi-pack-index-<checksum>.midx"
        let prefix = if ending == "graph" { "graph" } else { kind };
        for entry in self.reader.entries(&self.folder, chain_folder)?.unwrap_or_default() {
            if entry.name.ends_with(format!(".{ending}").as_bytes()) {
                self.file(&[chain_folder, &entry.name].join(&b'/'))?;
            }
        }
        let path = [chain_folder, format!("{kind}-chain").as_bytes()].join(&b'/');
        let chain = self.reader.read(&self.folder, &path, MAX_CHAIN_BYTES)?.unwrap_or_default();
        for line in chain.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let id = self.format.parse(line);
            let id = id.ok_or_else(|| self.folder.suspect(&path, "a line of it is no checksum"))?;
            let file = [chain_folder, format!("{prefix}-{id}.{ending}").as_bytes()].join(&b'/');
            // A file of another repository is found there.
            if self.reader.kind(&self.folder, &file)?.is_none() && !self.has_alternates()? {
                return Err(self.folder.suspect(&file, "the chain names it, and it is not there"));
            }
        }
        Ok(())
    }

    /// Whether objects of other repositories are used.
    fn has_alternates(&self) -> Result<bool, ReadError> {
        Ok(self.reader.kind(&self.folder, alternates::FILE)?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_another_one_with_other_packs_alternates_or_promises() {
        let ways = |folders: &[&str], files: &[(&str, u64)], has_promisor| {
            let listing: Listing =
                files.iter().map(|(name, inode)| (Box::from(name.as_bytes()), *inode)).collect();
            let folder = |name: &&str| (RepoFolder::new(name.as_bytes(), ""), listing.clone());
            Ways { folders: folders.iter().map(folder).collect(), parents: Arc::default(), has_promisor }
        };
        let (folders, files) = (["a.git/objects"], [("pack-1.idx", 7), ("pack-1.pack", 8)]);
        let first = ways(&folders, &files, false);
        assert!(first == ways(&folders, &files, false));
        assert!(first != ways(&folders, &files, true));
        assert!(first != ways(&["a.git/objects", "pool.git/objects"], &files, false));
        // Written anew under the same name, and a promise beside it.
        assert!(first != ways(&folders, &[("pack-1.idx", 7), ("pack-1.pack", 9)], false));
        let promised = [("pack-1.idx", 7), ("pack-1.pack", 8), ("pack-1.promisor", 9)];
        assert!(first != ways(&folders, &promised, false));
    }
}
