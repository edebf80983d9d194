//! A record of the catalogue, and the line that makes one.

use crate::digest::Digest;
use crate::key::RecordKey;
use crate::model::Model;
use crate::selection::State;
use crate::time::Timestamp;
use crate::verdict::Reference;
use crate::verification::{History, Status};

/// Where a record's content lies: a configured storage and a path or key within it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The storage's name in the configuration.
    pub storage: String,
    /// The path below the storage's root, or the object's key.
    pub path: String,
}

/// What a source says of a record: one line of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The primary key.
    pub key: RecordKey,
    /// When the data was stored, where known.
    pub created_at: Option<Timestamp>,
    /// Size in bytes recorded when the data was stored, where known.
    pub file_size: Option<u64>,
    /// Where the content lies.
    pub location: Location,
    /// The digest recorded when the data was stored, where known.
    pub expected: Option<Digest>,
    /// Switched off: never checksummed.
    pub disabled: bool,
}

/// A record of the catalogue with the state of its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The data type.
    pub model: Model,
    /// The primary key.
    pub key: RecordKey,
    /// When the data was stored, where known.
    pub created_at: Option<Timestamp>,
    /// Size in bytes recorded when the data was stored, where known.
    pub file_size: Option<u64>,
    /// Where the content lies.
    pub location: Location,
    /// The digest recorded when the data was stored, where known.
    pub expected: Option<Digest>,
    /// An administrator took other content than the recorded for good, so that [`Record::expected`] and
    /// [`Record::file_size`] are no longer compared.
    pub accepted: bool,
    /// The state of the checksum.
    pub status: Status,
}

impl Record {
    /// The state's name.
    pub fn state(&self) -> State {
        self.status.state()
    }

    /// What is kept through all states.
    pub fn history(&self) -> &History {
        self.status.history()
    }

    /// What the content is compared with.
    pub fn reference(&self) -> Reference {
        Reference::new(self.model, self.accepted, self.expected, self.file_size, self.history().baseline())
    }
}
