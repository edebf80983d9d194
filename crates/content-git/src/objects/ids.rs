//! Ids in memory.

use std::cmp::Ordering;
use std::collections::HashSet;

use stocktake_content::num::{narrow, widen};

use crate::id::ObjectId;

/// An object that is to be looked up, with the bits of the types that it has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    pub(super) id: ObjectId,
    pub(super) bits: u8,
}

/// Ids in order, one behind the other, and what is known of each.
#[derive(Debug, Default)]
pub(super) struct Ids {
    bytes: Vec<u8>,
    /// The bytes of an id.
    step: usize,
    /// For each value of the first two bytes, how many ids begin with it or a lower one.
    fan_out: Vec<u32>,
}

impl Ids {
    /// `bytes` are ids of `step` bytes, in order.
    pub(super) fn new(bytes: Vec<u8>, step: usize) -> Self {
        let mut fan_out = vec![0_u32; 1 << 16];
        for id in bytes.chunks_exact(step) {
            if let Some(count) = fan_out.get_mut(prefix(id)) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut fan_out {
            sum += *count;
            *count = sum;
        }
        Self { bytes, step, fan_out }
    }

    /// The id at this place.
    pub(super) fn get(&self, place: u32) -> &[u8] {
        self.at(narrow(u64::from(place)))
    }

    fn at(&self, place: usize) -> &[u8] {
        self.bytes.get(place * self.step..(place + 1) * self.step).unwrap_or_default()
    }

    /// The place of this id.
    pub(super) fn find(&self, id: &ObjectId) -> Option<u32> {
        let id = id.as_bytes();
        let number = |index: usize| self.fan_out.get(index).map_or(0, |count| narrow(u64::from(*count)));
        let first = prefix(id);
        let (mut low, mut high) = (first.checked_sub(1).map_or(0, number), number(first));
        let wanted = middle_bytes(id);
        // Ids are hashes: the bytes behind the first two tell about where it is, and it is looked for around there.
        let mut at = low + narrow(((wanted >> 32) * widen(high - low)) >> 32);
        let mut step = 1;
        while low < high {
            let found = self.at(at);
            match middle_bytes(found).cmp(&wanted).then_with(|| found.cmp(id)) {
                Ordering::Equal => return u32::try_from(at).ok(),
                Ordering::Less => {
                    low = at + 1;
                    at += step;
                }
                Ordering::Greater => {
                    high = at;
                    at = at.saturating_sub(step);
                }
            }
            if at < low || at >= high {
                at = low + (high - low) / 2;
            }
            step *= 2;
        }
        None
    }
}

/// The eight bytes behind the first two.
fn middle_bytes(id: &[u8]) -> u64 {
    id.get(2..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn prefix(id: &[u8]) -> usize {
    id.first_chunk::<2>().map_or(0, |bytes| narrow(u64::from(u16::from_be_bytes(*bytes))))
}

/// A few ids among many: whether one is another is mostly told by its first bytes.
pub(super) struct IdSet {
    ids: HashSet<ObjectId>,
    /// For each value of the first two bytes, whether an id begins with it.
    prefixes: Vec<bool>,
}

impl IdSet {
    pub(super) fn new(ids: HashSet<ObjectId>) -> Self {
        let mut prefixes = vec![false; 1 << 16];
        for id in &ids {
            if let Some(is_there) = prefixes.get_mut(prefix(id.as_bytes())) {
                *is_there = true;
            }
        }
        Self { ids, prefixes }
    }

    pub(super) fn contains(&self, id: &ObjectId) -> bool {
        self.prefixes.get(prefix(id.as_bytes())).copied().unwrap_or_default() && self.ids.contains(id)
    }
}

/// Ids that were looked up lately with their types. The entries of a folder are mostly those of its last version.
pub(super) struct Recent {
    slots: Vec<Option<(ObjectId, u8)>>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { slots: vec![None; 1 << 15] }
    }

    /// Adds the id with these bits; whether it was there with all of them.
    pub(super) fn contains_or_add(&mut self, id: &ObjectId, bits: u8) -> bool {
        let place = id.as_bytes().last_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let places = self.slots.len().max(1);
        let Some(slot) = self.slots.get_mut(narrow(u64::from(place)) % places) else { return false };
        match slot {
            Some((found, known)) if found == id => {
                let was_known = *known & bits == bits;
                *known |= bits;
                was_known
            }
            _ => {
                *slot = Some((*id, bits));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectFormat;

    #[test]
    fn ids_are_found_at_their_places() {
        let of = |number: u32| {
            let mixed = number.wrapping_mul(0x9e37_79b9);
            let bytes = [mixed.to_be_bytes().as_slice(), &[7; 16]].concat();
            ObjectFormat::Sha1.id(&bytes).unwrap()
        };
        let mut all: Vec<_> = (0..10_000).map(of).collect();
        all.sort_unstable();
        let ids = Ids::new(all.iter().flat_map(|id| id.as_bytes().to_vec()).collect(), 20);
        for (place, id) in (0_u32..).zip(&all) {
            assert_eq!(ids.find(id), Some(place));
            assert_eq!(ids.get(place), id.as_bytes());
        }
        for number in 10_000..20_000 {
            assert_eq!(ids.find(&of(number)), None);
        }
        assert_eq!(Ids::default().find(&of(1)), None);
    }

    #[test]
    fn an_id_is_in_a_set_as_a_whole() {
        let id = |bytes: [u8; 2]| ObjectFormat::Sha1.id(&[&bytes[..], &[7; 18]].concat()).unwrap();
        let other = ObjectFormat::Sha1.id(&[1; 20]).unwrap();
        let set = IdSet::new([id([1, 1]), id([2, 0])].into());
        assert!(set.contains(&id([1, 1])) && set.contains(&id([2, 0])));
        assert!(!set.contains(&other) && !set.contains(&id([0, 2])));
    }

    #[test]
    fn recent_ids_are_known_with_their_types() {
        let id = |byte| ObjectFormat::Sha1.id(&[byte; 20]).unwrap();
        let mut recent = Recent::new();
        assert!(!recent.contains_or_add(&id(1), 1));
        assert!(recent.contains_or_add(&id(1), 1));
        assert!(!recent.contains_or_add(&id(1), 2));
        assert!(recent.contains_or_add(&id(1), 3));
        assert!(!recent.contains_or_add(&id(2), 1));
        assert!(recent.contains_or_add(&id(1), 1));
    }
}
