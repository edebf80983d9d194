//! Ranges of keys, as the bytes that are stored.

use crate::key;

/// A range of key bytes: from `from` on, up to and without `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
}

impl Span {
    /// Every key.
    pub(crate) fn all() -> Self {
        Self { from: Vec::new(), to: key::END.to_vec() }
    }

    /// The keys from the first to the last one.
    pub(crate) fn closed(first: Vec<u8>, last: Vec<u8>) -> Self {
        Self { from: first, to: key::behind(last) }
    }

    /// The keys from these bytes on.
    pub(crate) fn from(from: Vec<u8>) -> Self {
        Self { from, ..Self::all() }
    }

    /// The keys before these bytes.
    pub(crate) fn before(to: Vec<u8>) -> Self {
        Self { to, ..Self::all() }
    }

    /// The keys behind this one, or all.
    pub(crate) fn behind(key: Option<Vec<u8>>) -> Self {
        key.map_or_else(Self::all, |key| Self::from(key::behind(key)))
    }

    /// The keys that are in both, if there are any.
    pub(crate) fn overlap(&self, other: &Self) -> Option<Self> {
        let from = self.from.clone().max(other.from.clone());
        let to = self.to.clone().min(other.to.clone());
        (from < to).then_some(Self { from, to })
    }

    /// The keys that are in none of the others, in order.
    pub(crate) fn without(&self, others: &[Self]) -> Vec<Self> {
        let mut left = vec![self.clone()];
        for other in others {
            let parts = left.iter().flat_map(|span| {
                let before = span.overlap(&Self::before(other.from.clone()));
                [before, span.overlap(&Self::from(other.to.clone()))]
            });
            left = parts.flatten().collect();
        }
        left
    }

    /// Whether the key is one of these.
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        self.from.as_slice() <= key && key < self.to.as_slice()
    }
}

/// The keys that are in a span of both lists. Each is in order, without overlaps, and so is what comes of them.
pub(crate) fn intersection(one: &[Span], other: &[Span]) -> Vec<Span> {
    let (mut found, mut left, mut right) = (Vec::new(), one.iter().peekable(), other.iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        found.extend(a.overlap(b));
        if a.to < b.to {
            left.next();
        } else {
            right.next();
        }
    }
    found
}
