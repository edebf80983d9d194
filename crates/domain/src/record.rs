//! A record of the catalogue, and the line that makes one.

use crate::digest::{Digest, EvidenceLevel};
use crate::digest_rule::DigestRule;
use crate::failure::Failure;
use crate::key::RecordKey;
use crate::model::Model;
use crate::record_filter::RecordFilter;
use crate::selection::State;
use crate::time::Timestamp;
use crate::verdict::Reference;
use crate::verification::{Disabled, History, Pending, Status, Verification};

/// Where a record's content lies: a configured storage and a path or key within it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The storage's name in the configuration.
    pub storage: String,
    /// The path below the storage's root, or the object's key, as a [`crate::PathText`].
    pub path: String,
}

impl Location {
    /// Stands for a storage or a path that is not known. No storage is configured under this name.
    pub const UNKNOWN: &str = "-";
}

/// What a source says of a record: one line of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
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
    /// What `expected` and `file_size` are of.
    pub rule: DigestRule,
    /// The content may rightly change, though the model's does not as a rule (an unversioned Terraform state).
    pub mutable: bool,
    /// Switched off: never checksummed.
    pub disabled: bool,
    /// The full path of the project or group that it belongs to, where the source says so: for reports.
    pub owner: Option<String>,
    /// The checksum that the source's own verification last found good, where it has one.
    pub source_checksum: Option<Digest>,
    /// When the content was last changed, where the source says so: a later time than the one known before is a
    /// reason to read the content again.
    pub content_changed_at: Option<Timestamp>,
}

impl SourceRecord {
    /// An entry of which nothing is known but where its content lies.
    pub fn new(key: RecordKey, location: Location) -> Self {
        Self {
            key,
            created_at: None,
            file_size: None,
            location,
            expected: None,
            rule: DigestRule::Stored,
            mutable: false,
            disabled: false,
            owner: None,
            source_checksum: None,
            content_changed_at: None,
        }
    }
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
    /// What `expected` and `file_size` are of.
    pub rule: DigestRule,
    /// The content may rightly change, though the model's does not as a rule.
    pub mutable: bool,
    /// An administrator took other content than the recorded for good, so that [`Record::expected`] and
    /// [`Record::file_size`] are no longer compared.
    pub accepted: bool,
    /// The full path of the project or group that it belongs to, where the source says so.
    pub owner: Option<String>,
    /// The checksum that the source's own verification last found good, where it has one.
    pub source_checksum: Option<Digest>,
    /// The state of the checksum.
    pub status: Status,
}

impl Record {
    /// A record that is new to the catalogue: all that the source says of it, and no attempt as yet.
    pub fn new(model: Model, source: SourceRecord) -> Self {
        let pending = Verification::<Pending>::new();
        Self {
            model,
            key: source.key,
            created_at: source.created_at,
            file_size: source.file_size,
            location: source.location,
            expected: source.expected,
            rule: source.rule,
            mutable: source.mutable,
            accepted: false,
            owner: source.owner,
            source_checksum: source.source_checksum,
            status: if source.disabled {
                Status::Disabled(Verification::restore(*pending.history(), Disabled))
            } else {
                Status::Pending(pending)
            },
        }
    }

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
        let reference = Reference {
            expected: self.expected,
            size: self.file_size,
            baseline: self.history().baseline(),
            source_checksum: self.source_checksum,
        };
        reference.under(&self.rule, self.accepted, self.mutable || self.model.is_mutable())
    }

    /// What the last good verdict rests on, also if an attempt failed since; `None` if there was none.
    pub fn evidence(&self) -> Option<EvidenceLevel> {
        self.history().baseline().map(|baseline| baseline.digest.level())
    }

    /// Whether what was last read agrees with [`Record::source_checksum`]; `None` where the two cannot be compared, or
    /// were not yet.
    pub fn matches_source(&self) -> Option<bool> {
        match &self.status {
            Status::Succeeded(verification) => verification.stage().matches_source,
            _ => None,
        }
    }

    /// Whether the record is one of those that the filter means.
    pub fn is_meant_by(&self, filter: &RecordFilter) -> bool {
        let failure = self.status.last_failure();
        let kind = failure.map(Failure::kind);
        let told = failure.and_then(|failure| failure.cause().text()).unwrap_or_default();
        let ended = self.history().last_checksum_at();
        (filter.kinds.is_empty() || kind.is_some_and(|kind| filter.kinds.contains(&kind)))
            && (filter.storages.is_empty() || filter.storages.contains(&self.location.storage))
            && filter.path.as_ref().is_none_or(|path| path.matches(&self.location.path))
            && filter
                .text
                .as_ref()
                .is_none_or(|text| self.location.path.contains(text) || told.contains(text))
            && filter.owner.as_deref().is_none_or(|owner| is_of(self.owner.as_deref(), owner))
            && filter.since.is_none_or(|since| ended.is_some_and(|at| at >= since))
            && filter.before.is_none_or(|before| ended.is_none_or(|at| at < before))
    }
}

/// Whether what belongs to this project or group belongs to the wanted one, or to one below it.
fn is_of(owner: Option<&str>, wanted: &str) -> bool {
    let rest = owner.and_then(|owner| owner.strip_prefix(wanted));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
