//! The types of objects that were looked at lately.

use stocktake_content::num::narrow;

use crate::objects::kind::Kind;

/// How many types are kept: two megabytes of them.
const SLOTS: usize = 1 << 17;

/// For each slot the offset of the object that was noted there last, with its type. What builds on one base is mostly looked
/// at together, so that few bases are come by twice.
#[derive(Default)]
pub(super) struct Kinds {
    /// None until the first one is noted.
    slots: Vec<Option<(u64, Kind)>>,
}

impl Kinds {
    pub(super) fn get(&self, offset: u64) -> Option<Kind> {
        let (found, kind) = (*self.slots.get(slot(offset))?)?;
        (found == offset).then_some(kind)
    }

    pub(super) fn insert(&mut self, offset: u64, kind: Kind) {
        if self.slots.is_empty() {
            self.slots = vec![None; SLOTS];
        }
        if let Some(slot) = self.slots.get_mut(slot(offset)) {
            *slot = Some((offset, kind));
        }
    }
}

/// Where an offset is noted: neighbours lie in different slots.
fn slot(offset: u64) -> usize {
    narrow(offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 47)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_that_of_its_own_offset() {
        let mut kinds = Kinds::default();
        assert_eq!(kinds.get(12), None);
        for offset in 0..1_000_000 {
            kinds.insert(offset, if offset % 2 == 0 { Kind::Tree } else { Kind::Blob });
        }
        let kept = (0..1_000_000).filter_map(|offset| Some((offset, kinds.get(offset)?))).collect::<Vec<_>>();
        assert!(kept.len() > SLOTS / 2 && kept.len() <= SLOTS, "{}", kept.len());
        assert!(kept.iter().all(|(offset, kind)| (offset % 2 == 0) == (*kind == Kind::Tree)));
    }
}
