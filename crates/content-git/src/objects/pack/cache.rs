//! Objects that were read, because others build on them.

use std::collections::HashMap;
use std::rc::Rc;

use super::object::Object;

/// Objects by their offsets: those that were used last.
pub(super) struct Cache {
    /// The most bytes of both halves.
    max: usize,
    young: HashMap<u64, Rc<Object>>,
    bytes: usize,
    old: HashMap<u64, Rc<Object>>,
}

impl Cache {
    pub(super) fn new(max: usize) -> Self {
        Self { max, young: HashMap::new(), bytes: 0, old: HashMap::new() }
    }

    pub(super) fn get(&mut self, offset: u64) -> Option<Rc<Object>> {
        if let Some(found) = self.young.get(&offset) {
            return Some(Rc::clone(found));
        }
        let found = self.old.remove(&offset)?;
        self.insert(offset, Rc::clone(&found));
        Some(found)
    }

    pub(super) fn insert(&mut self, offset: u64, object: Rc<Object>) {
        // Of the table and of what the allocator adds.
        const OVERHEAD: usize = 64;
        let bytes = object.bytes() + OVERHEAD;
        if bytes > self.max / 4 {
            return;
        }
        if self.bytes + bytes > self.max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        if self.young.insert(offset, object).is_none() {
            self.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::kind::Kind;

    #[test]
    fn the_cache_keeps_what_was_used_last_within_its_bound() {
        const MAX: usize = 48 * 1024 * 1024;
        let mut cache = Cache::new(MAX);
        let object = |bytes| Rc::new(Object::new(Kind::Blob, vec![0; bytes], None));
        cache.insert(0, object(1024 * 1024));
        for offset in 1..100 {
            cache.insert(offset, object(1024 * 1024));
            assert!(cache.get(0).is_some() && cache.get(offset).is_some());
        }
        assert!(cache.get(5).is_none());
        let kept = cache.young.len() + cache.old.len();
        assert!(kept <= MAX / (1024 * 1024) && kept > 10, "{kept}");
        cache.insert(1_000, object(MAX / 2));
        assert!(cache.get(1_000).is_none());
    }
}
