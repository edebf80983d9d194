//! The ids of packs in memory.

use stocktake_content::num::widen;

use super::ids::Ids;
use super::index::PackIndex;
use crate::error::ReadError;
use crate::id::{ObjectFormat, ObjectId};
use crate::memory::{Held, Memory};

/// How many bytes `count` ids take, with a byte for what is known of each.
fn bytes(count: u32, step: usize) -> u64 {
    u64::from(count) * (widen(step) + 1)
}

/// The ids of packs, as far as memory allows. The packs have the numbers in which their indexes were given.
#[derive(Debug, Default)]
pub(super) struct PackIds {
    /// `None` of a pack whose ids are not in memory.
    tables: Vec<Option<Ids>>,
    /// The memory that they take.
    held: Vec<Held>,
    /// Objects are mostly in the same pack as the last one.
    last: usize,
}

impl PackIds {
    /// Reads the ids of one more pack, if they fit.
    pub(super) fn add(
        &mut self,
        memory: &Memory,
        index: &PackIndex<'_>,
        format: ObjectFormat,
    ) -> Result<(), ReadError> {
        let step = format.bytes();
        let held = memory.hold(bytes(index.objects(), step));
        self.tables.push(if held.is_some() { Some(Ids::new(index.all_ids()?, step)) } else { None });
        self.held.extend(held);
        Ok(())
    }

    /// The ids of the pack of this number, if they are in memory.
    pub(super) fn get(&self, number: usize) -> Option<&Ids> {
        self.tables.get(number)?.as_ref()
    }

    /// Whether the ids of all packs are in memory.
    pub(super) fn are_all_held(&self) -> bool {
        self.tables.iter().all(Option::is_some)
    }

    /// The number of a pack whose ids are in memory and that holds this object, and the place in its index.
    pub(super) fn find(&mut self, id: &ObjectId) -> Option<(usize, u32)> {
        let count = self.tables.len();
        for number in (self.last..count).chain(0..self.last.min(count)) {
            if let Some(place) = self.get(number).and_then(|ids| ids.find(id)) {
                self.last = number;
                return Some((number, place));
            }
        }
        None
    }
}
