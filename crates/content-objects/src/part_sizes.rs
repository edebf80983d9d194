//! What is known of the parts in which an object was uploaded.

/// A part as the store lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListedPart {
    pub(crate) size: u64,
    /// Of the kind that was asked for.
    pub(crate) checksum: Option<Vec<u8>>,
}

/// The sizes that the parts of an object may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PartSizes {
    /// All of them, as the store lists them.
    Listed(Vec<ListedPart>),
    /// That of all but the last one, as the store says it of the first one.
    Told(u64),
    /// Those of the usual ones that fit. A difference says nothing then.
    Guessed(Vec<u64>),
}
