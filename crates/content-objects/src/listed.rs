//! What a listing said of the objects, kept for a short time, so that many records are looked up in it.
//!
//! Memory is bounded: of a storage with more objects than are kept, the keys behind the last one that was kept count as
//! not listed.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use crate::list::page::{Object, Page};

/// How long a listing counts, from its begin on.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// The most objects that are kept: as many as fit into the hash table before it would grow beyond 140 megabytes.
const MOST: usize = 3_500_000;

/// What a listing said of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) size: u64,
    /// The MD5, or an `ETag` that looks like one.
    pub(crate) md5: Option<[u8; 16]>,
    /// Whether the store keeps a SHA-256, which a listing does not tell.
    pub(crate) has_sha256: bool,
}

/// An [`Entry`] in 24 bytes.
#[derive(Debug, Clone, Copy)]
struct Packed {
    /// The size, and the flags in the highest bits, which no size has.
    size: u64,
    md5: [u8; 16],
}

const HAS_MD5: u64 = 1 << 63;
const HAS_SHA256: u64 = 1 << 62;

impl Packed {
    /// `None` for a size that no object has.
    fn new(entry: Entry) -> Option<Self> {
        let Entry { size, md5, has_sha256 } = entry;
        let flags = if md5.is_some() { HAS_MD5 } else { 0 } | if has_sha256 { HAS_SHA256 } else { 0 };
        (size < HAS_SHA256).then(|| Self { size: size | flags, md5: md5.unwrap_or_default() })
    }

    fn entry(self) -> Entry {
        Entry {
            size: self.size & !(HAS_MD5 | HAS_SHA256),
            md5: (self.size & HAS_MD5 != 0).then_some(self.md5),
            has_sha256: self.size & HAS_SHA256 != 0,
        }
    }
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The listing has not come so far.
    NotYet,
    /// It is not listed, or nothing of use is said of it.
    Absent,
    Listed(Entry),
}

/// What comes next of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    First,
    /// The page with this token.
    Behind(String),
    /// There is no more, so that each key is covered.
    Nothing,
    /// It cannot go on, or must not.
    Stopped,
}

/// A listing that is under way, or done.
#[derive(Debug)]
pub(crate) struct Listed {
    begun: Instant,
    next: Next,
    /// The greatest key so far.
    last: String,
    pages: usize,
    /// Instead of the keys, which would need several times as much memory, their hashes, with a key of the hash that
    /// nobody can know: that two of millions of keys have the same is as good as impossible.
    entries: HashMap<u64, Packed>,
    hasher: RandomState,
    /// Whether an `ETag` that looks like an MD5 is one, as far as objects were asked for it.
    pub(crate) etags_are_md5: bool,
}

impl Listed {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            begun: now,
            next: Next::First,
            last: String::new(),
            pages: 0,
            entries: HashMap::new(),
            hasher: RandomState::new(),
            etags_are_md5: false,
        }
    }

    /// Begins anew if it is too old.
    pub(crate) fn renew(&mut self, now: Instant) {
        if now.saturating_duration_since(self.begun) >= FRESH_FOR {
            *self = Self::new(now);
        }
    }

    /// What to request next.
    pub(crate) fn next(&self) -> &Next {
        &self.next
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// The listing cannot go on. What is known stays known.
    pub(crate) fn stop(&mut self) {
        self.next = Next::Stopped;
    }

    /// Takes in the next page.
    pub(crate) fn take_in(&mut self, page: Page) {
        self.pages += 1;
        for object in page.objects {
            // Only of an order can be told what a listing has come past.
            let is_in_order = object.key > self.last || self.last.is_empty();
            if !is_in_order || self.entries.len() >= MOST {
                return self.stop();
            }
            let Object { key, size, md5, has_sha256, .. } = object;
            if let Some(packed) = size.and_then(|size| Packed::new(Entry { size, md5, has_sha256 })) {
                self.entries.insert(self.hasher.hash_one(&key), packed);
            }
            self.last = key;
        }
        self.next = page.next.map_or(Next::Nothing, Next::Behind);
    }

    /// What is known of this key.
    pub(crate) fn look_up(&self, key: &str) -> Lookup {
        if self.next != Next::Nothing && key > self.last.as_str() {
            return Lookup::NotYet;
        }
        self.entries
            .get(&self.hasher.hash_one(key))
            .map_or(Lookup::Absent, |packed| Lookup::Listed(packed.entry()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str], next: Option<&str>) -> Page {
        let object = |key: &&str| Object { key: (*key).to_owned(), size: Some(7), ..Object::default() };
        Page { objects: keys.iter().map(object).collect(), next: next.map(str::to_owned), ..Page::default() }
    }

    #[test]
    fn an_entry_is_kept_as_it_is() {
        for md5 in [None, Some([0; 16]), Some([7; 16])] {
            for (size, has_sha256) in [(0, true), (HAS_SHA256 - 1, false)] {
                let entry = Entry { size, md5, has_sha256 };
                assert_eq!(Packed::new(entry).map(Packed::entry), Some(entry));
            }
        }
        assert!(Packed::new(Entry { size: HAS_SHA256, md5: None, has_sha256: false }).is_none());
        assert_eq!(size_of::<(u64, Packed)>(), 32);
    }

    #[test]
    fn what_a_listing_has_come_past_is_known() {
        let mut listed = Listed::new(Instant::now());
        assert_eq!((listed.next(), listed.look_up("a")), (&Next::First, Lookup::NotYet));
        listed.take_in(page(&["a", "c"], Some("more")));
        let entry = Entry { size: 7, md5: None, has_sha256: false };
        assert_eq!(listed.look_up("a"), Lookup::Listed(entry));
        assert_eq!([listed.look_up("b"), listed.look_up("d")], [Lookup::Absent, Lookup::NotYet]);
        assert_eq!(listed.next(), &Next::Behind("more".to_owned()));
        listed.take_in(page(&["d"], None));
        assert_eq!((listed.next(), listed.look_up("e")), (&Next::Nothing, Lookup::Absent));
    }

    #[test]
    fn an_old_listing_and_one_without_order_are_not_used() {
        let begun = Instant::now();
        let mut listed = Listed::new(begun);
        listed.take_in(page(&["b", "a"], None));
        assert_eq!((listed.next(), listed.look_up("c")), (&Next::Stopped, Lookup::NotYet));
        listed.renew(begun + FRESH_FOR / 2);
        assert!(matches!(listed.look_up("b"), Lookup::Listed(_)));
        listed.renew(begun + FRESH_FOR);
        assert_eq!((listed.next(), listed.look_up("b")), (&Next::First, Lookup::NotYet));
    }
}
