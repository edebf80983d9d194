//! Which objects of a pack are kept as deltas on which others.
//!
//! Delta chains branch: several objects may build on the same one. Seen from the objects that are kept as a whole, they form
//! trees; going down these, every object is inflated once, and what it builds on is at hand. The order of the offsets does
//! not give that: git writes trees by age, and fetched packs in whatever order they were sent.

use stocktake_content::num::{narrow, widen};

use super::kind::Kind;
use super::order::Ordered;
use super::pack::{BASE_MISSING, Base, Pack};
use crate::error::ReadError;
use crate::id::ObjectId;
use crate::reader::RepoReader;

/// Behind the last of a list.
const END: u32 = u32::MAX;

/// In place of a number of an object: it builds on none of the part. Above it are the types of objects that are kept as a
/// whole, by [`Kind::bit`].
const ROOT: u32 = END - 16;

/// The objects of a part of a pack, by what they build on.
pub(super) struct DeltaForest {
    objects: Vec<Ordered>,
    /// For each object the first one that builds on it.
    first: Vec<u32>,
    /// For each object that builds on another one the next that builds on the same; for others what they are.
    next: Vec<u32>,
}

/// An object that builds on none of the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Whole(Kind),
    /// A delta on an object of another part.
    Outside,
}

impl DeltaForest {
    /// Reads the headers of these objects, which are in the order of their offsets. `place_of` gives the place of an id in the
    /// pack's index.
    pub(super) fn read(
        reader: &RepoReader<'_>,
        pack: &mut Pack<'_>,
        objects: Vec<Ordered>,
        place_of: impl Fn(&Pack<'_>, &ObjectId) -> Result<Option<u32>, ReadError>,
    ) -> Result<Self, ReadError> {
        let mut next = Vec::with_capacity(objects.len());
        // Until the next step the numbers of the objects by their places, if they are needed and those of the whole pack.
        let mut first = Vec::new();
        for (at, (offset, _)) in objects.iter().enumerate() {
            if at % 1_024 == 0 {
                reader.check_cancelled()?;
            }
            next.push(match pack.base(*offset)? {
                Base::None(kind) => ROOT + u32::from(kind.bit()),
                Base::Offset(base) => position(&objects, at, base).map_or(ROOT, number),
                Base::Id(id) => {
                    let place = place_of(pack, &id)?.ok_or_else(|| pack.damaged(*offset, BASE_MISSING))?;
                    if first.is_empty() && widen(objects.len()) == u64::from(pack.index.objects()) {
                        first = by_place(&objects);
                    }
                    match first.get(index(place)) {
                        Some(found) => *found,
                        None => position(&objects, at, pack.index.offset(place)?).map_or(ROOT, number),
                    }
                }
            });
        }
        first.clear();
        first.resize(objects.len(), END);
        // From the last one on, so that the lists are in order.
        for (at, next) in next.iter_mut().enumerate().rev() {
            if *next < ROOT
                && let Some(first) = first.get_mut(index(*next))
            {
                *next = std::mem::replace(first, number(at));
            }
        }
        Ok(Self { objects, first, next })
    }

    /// How many objects there are.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Where the object of this number is.
    pub(super) fn object(&self, at: usize) -> Option<Ordered> {
        self.objects.get(at).copied()
    }

    /// The bytes from the object of this number to the next one; `None` of the last.
    pub(super) fn length(&self, at: usize) -> Option<u64> {
        let (offset, _) = self.objects.get(at)?;
        let (end, _) = self.objects.get(at + 1)?;
        Some(end - offset)
    }

    /// What the object of this number is; `None` if it builds on another one of the part.
    pub(super) fn origin(&self, at: usize) -> Option<Origin> {
        let mark = self.next.get(at)?.checked_sub(ROOT)?;
        match u8::try_from(mark) {
            Ok(0) => Some(Origin::Outside),
            Ok(bit) => Kind::of_bit(bit).map(Origin::Whole),
            Err(_) => None,
        }
    }

    /// The first object that builds on the one of this number.
    pub(super) fn first(&self, at: usize) -> Option<usize> {
        self.first.get(at).filter(|first| **first < ROOT).map(|first| index(*first))
    }

    /// The next object that builds on the same one as that of this number, which builds on one.
    pub(super) fn next(&self, at: usize) -> Option<usize> {
        self.next.get(at).filter(|next| **next < ROOT).map(|next| index(*next))
    }
}

/// The number of each object by its place.
fn by_place(objects: &[Ordered]) -> Vec<u32> {
    let mut numbers = vec![ROOT; objects.len()];
    for (at, (_, place)) in objects.iter().enumerate() {
        if let Some(found) = numbers.get_mut(index(*place)) {
            *found = number(at);
        }
    }
    numbers
}

fn index(number: u32) -> usize {
    narrow(u64::from(number))
}

/// More objects than numbers do not fit into the memory for a part.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(END)
}

/// The place of the object at this offset, which mostly is one of the last before `at`.
fn position(objects: &[Ordered], at: usize, offset: u64) -> Option<usize> {
    let (before, behind) = objects.split_at_checked(at)?;
    if behind.first().is_some_and(|(first, _)| *first <= offset) {
        return behind.binary_search_by_key(&offset, |(offset, _)| *offset).ok().map(|found| at + found);
    }
    let mut count = 64;
    let begin = loop {
        let begin = before.len().saturating_sub(count);
        if before.get(begin).is_none_or(|(first, _)| begin == 0 || *first <= offset) {
            break begin;
        }
        count *= 4;
    };
    let found = before.get(begin..)?.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
    Some(begin + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_found_before_and_behind() {
        let objects: Vec<_> = (0..5_000_u32).map(|place| (12 + u64::from(place) * 10, place)).collect();
        for at in [0, 1, 63, 64, 65, 2_500, 4_999] {
            for wanted in [0, 1, 62, 63, 64, 65, 300, 2_499, 2_500, 4_999] {
                let (offset, _) = objects[wanted];
                assert_eq!(position(&objects, at, offset), Some(wanted), "{wanted} from {at}");
                assert_eq!(position(&objects, at, offset + 1), None);
            }
        }
        assert_eq!(position(&objects, 7, 0), None);
    }
}
