//! An object from which others are reached.

use super::kind::Kind;
use crate::error::ReadError;
use crate::id::ObjectId;

/// An object that is kept, with what keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    /// The name of the ref or file.
    pub(crate) name: Vec<u8>,
    pub(crate) id: ObjectId,
    /// The type that it has to have; `None` if it may be any.
    pub(crate) kind: Option<Kind>,
    /// Its path, of an object in an index; empty elsewhere.
    pub(crate) path: Vec<u8>,
}

impl Root {
    /// One without a path.
    pub(crate) fn new(name: &[u8], id: ObjectId, kind: Option<Kind>) -> Self {
        Self { name: name.to_vec(), id, kind, path: Vec::new() }
    }
}

/// Called for each root. An error ends the reading.
pub(crate) type RootVisitor<'a> = dyn FnMut(Root) -> Result<(), ReadError> + 'a;

/// Calls its argument for everything from which objects are reached: refs, and what else keeps them.
pub(crate) type Roots<'a> = dyn Fn(&mut RootVisitor<'_>) -> Result<(), ReadError> + 'a;
