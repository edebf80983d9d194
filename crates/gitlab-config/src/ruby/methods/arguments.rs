//! What a method is called with.

use lib_ruby_parser::Node;

use crate::ruby::object::{Item, Object};

/// A call with everything evaluated.
pub(in crate::ruby) struct Call<'c> {
    pub(in crate::ruby) node: &'c Node,
    pub(in crate::ruby) name: &'c str,
    pub(in crate::ruby) arguments: &'c [Item],
    pub(in crate::ruby) block: Option<&'c Object>,
}

impl Call<'_> {
    /// The only argument.
    pub(super) fn only(&self) -> Option<&Object> {
        match self.arguments {
            [one] => Some(&one.value),
            _ => None,
        }
    }

    /// The only argument, if it is a known text.
    pub(super) fn only_text(&self) -> Option<String> {
        self.only().and_then(Object::as_text)
    }

    pub(super) fn only_whole(&self) -> Option<i64> {
        match self.only() {
            Some(Object::Whole(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether there are neither arguments nor a block.
    pub(super) fn is_plain(&self) -> bool {
        self.arguments.is_empty() && self.block.is_none()
    }
}

/// A count.
pub(super) fn whole(count: usize) -> Object {
    Object::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}
