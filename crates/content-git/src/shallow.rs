//! What replaces the parents of commits: the boundary of a shallow repository, and grafts.

use std::collections::HashMap;

use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use crate::space::{is_space, trim_end};

const SHALLOW: &[u8] = b"shallow";
const GRAFTS: &[u8] = b"info/grafts";

/// The most bytes of each of the two files.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The parents that git gives to commits instead of their own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parents {
    replaced: HashMap<ObjectId, Vec<ObjectId>>,
    /// The commits at the boundary.
    shallow: Vec<ObjectId>,
}

impl Parents {
    /// Reads the files, which need not exist.
    pub(crate) fn read(
        reader: &RepoReader<'_>,
        folder: &RepoFolder,
        format: ObjectFormat,
    ) -> Result<Self, ReadError> {
        let mut parents = Self::default();
        for name in [GRAFTS, SHALLOW] {
            let content = reader.read(folder, name, MAX_BYTES)?.unwrap_or_default();
            let content = content.strip_suffix(b"\n").unwrap_or(&content);
            if content.is_empty() {
                continue;
            }
            for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
                let is_read = match name {
                    GRAFTS => parents.add_graft(line, format),
                    _ => parents.add_shallow(line, format),
                };
                if !is_read {
                    let reason = format!("line {}: no object id", number + 1);
                    return Err(folder.suspect(name, reason));
                }
            }
        }
        Ok(parents)
    }

    /// A commit at the boundary. What is behind the id in a line git does not read.
    fn add_shallow(&mut self, line: &[u8], format: ObjectFormat) -> bool {
        let id = line.get(..2 * format.bytes()).and_then(|id| format.parse(id));
        if let Some(id) = id {
            self.replaced.insert(id, Vec::new());
            self.shallow.push(id);
        }
        id.is_some()
    }

    /// A commit, and the parents that it is to have.
    fn add_graft(&mut self, line: &[u8], format: ObjectFormat) -> bool {
        let line = trim_end(line);
        if line.is_empty() || line.starts_with(b"#") {
            return true;
        }
        let mut ids = line.split(|byte| is_space(*byte)).map(|id| format.parse(id));
        let Some(Some(commit)) = ids.next() else { return false };
        let parents: Option<Vec<_>> = ids.collect();
        parents.is_some_and(|parents| {
            self.replaced.insert(commit, parents);
            true
        })
    }

    /// The parents of this commit, if they are not its own.
    pub(crate) fn of(&self, commit: &ObjectId) -> Option<&[ObjectId]> {
        self.replaced.get(commit).map(Vec::as_slice)
    }

    /// Whether every commit has its own parents.
    pub(crate) fn is_empty(&self) -> bool {
        self.replaced.is_empty()
    }

    /// The commits at the boundary of a shallow repository.
    pub(crate) fn shallow(&self) -> &[ObjectId] {
        &self.shallow
    }
}
