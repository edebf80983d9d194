//! An object of a pack.

use crate::objects::kind::Kind;

/// An object with what it contains.
pub(in crate::objects) struct Object {
    pub(in crate::objects) kind: Kind,
    pub(in crate::objects) content: Vec<u8>,
}

impl Object {
    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.content.capacity()
    }
}
