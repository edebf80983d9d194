//! An object of a pack.

use std::cell::OnceCell;

use crate::objects::delta::Copied;
use crate::objects::kind::Kind;

/// An object with what it contains.
pub(in crate::objects) struct Object {
    pub(in crate::objects) kind: Kind,
    pub(in crate::objects) content: Vec<u8>,
    /// What it has of the object that it builds on, if it is a tree that is kept as a delta.
    pub(in crate::objects) base: Option<Base>,
    /// Where the entries of a tree begin. Set once all that they name has been visited.
    pub(in crate::objects) visited: OnceCell<Vec<u32>>,
}

/// The object that another one builds on.
pub(in crate::objects) struct Base {
    pub(super) offset: u64,
    /// What it has in common with the other one.
    pub(in crate::objects) copies: Box<[Copied]>,
}

/// The fewest bytes of an entry of a tree: a mode, a name and an id.
const LEAST_ENTRY_BYTES: usize = 28;

impl Object {
    pub(in crate::objects) fn new(kind: Kind, content: Vec<u8>, base: Option<Base>) -> Self {
        Self { kind, content, base, visited: OnceCell::new() }
    }

    /// How much memory it takes, or will take once it has been visited.
    pub(super) fn bytes(&self) -> usize {
        let copies = self.base.as_ref().map_or(0, |base| size_of_val(&*base.copies));
        let begins = if self.kind == Kind::Tree { self.content.len() / LEAST_ENTRY_BYTES } else { 0 };
        size_of::<Self>() + self.content.capacity() + copies + begins * size_of::<u32>()
    }
}
