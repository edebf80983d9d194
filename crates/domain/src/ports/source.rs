//! A source of the catalogue: whoever has recorded what there is, and goes on recording.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::key::RecordKey;
use crate::model::Model;
use crate::record::{Location, SourceRecord};
use crate::time::Timestamp;

/// Some rows of a model, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePage {
    /// What the rows say. One whose place cannot be resolved has [`crate::DigestRule::Unresolved`] with the reason, and
    /// of its location what is known; a part that is not known is [`Location::UNKNOWN`].
    pub rows: Vec<SourceRecord>,
    /// Every row up to and including this key was read, whether it is in the page or not: the place to go on
    /// behind. `None`: there is none behind.
    pub read_to: Option<RecordKey>,
}

/// Whether the rows of a model can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readable {
    /// They can.
    Yes {
        /// About how many there are, for showing how far a reading is; `None` if that is not known.
        about: Option<u64>,
    },
    /// There are none to be read, because this version of the source does not have such a model: one sentence.
    Absent(String),
    /// They cannot, for this reason: one sentence.
    No(String),
}

/// Who claims what lies at a place, besides the records of the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A row of the source that is no record of a model (a pool of repositories, an index of packages).
    Row,
    /// The source's own programs, which keep it there for themselves or for a while.
    Internal,
    /// Nobody: all that could claim it is known, and does not.
    Nobody,
    /// It is not known what could claim it.
    NotUnderstood,
}

/// What will be read of a source, as its schema and the configuration say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceCheck {
    /// Each of [`Model::ALL`], in that order.
    pub models: Vec<ModelCheck>,
    /// Where the source records files that no rule knows, by name: such a file is nobody's as far as is known.
    pub not_understood: Vec<String>,
    /// What exists, would be read and may not be, by name.
    pub missing_rights: Vec<String>,
}

/// What will be read of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCheck {
    /// The model.
    pub model: Model,
    /// Whether its rows can be read.
    pub readable: Readable,
    /// Where its rows are read from, if they can be.
    pub rows: Option<String>,
    /// The storages in which its content may lie, by their names in the configuration.
    pub storages: Vec<String>,
    /// Why it is not known of some content where it lies: one sentence each.
    pub unknown: Vec<String>,
}

/// Why a source could not say what was asked. Nothing may be concluded about any record.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached, or does not answer in time. Try again later.
    #[error("the source is unreachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It refuses, or is not as it must be to be read; the text says what is to be done about it.
    #[error("the source cannot be read: {0}")]
    Refused(String, #[source] Option<Box<dyn std::error::Error + Send + Sync>>),
}

/// A source of the catalogue. It is only ever read.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Source: Send + Sync {
    /// Looks anew which models can be read: each of [`Model::ALL`] once, in that order.
    async fn survey(&self) -> Result<Vec<(Model, Readable)>, SourceError>;

    /// The first rows behind this key (`None`: of all) in the order of their keys, as they are at one moment: at most `limit`
    /// of them, or fewer where the source has a limit of its own. [`SourcePage::read_to`] may lie behind the last of them.
    async fn page(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<SourcePage, SourceError>;

    /// As [`Source::page`], but only rows whose content the source says was changed at this time or later
    /// ([`SourceRecord::content_changed_at`]); an empty page with nothing behind it for models of which the source does not say
    /// such a thing. A page may have no rows and still say where to go on.
    async fn changed(
        &self,
        model: Model,
        since: Timestamp,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<SourcePage, SourceError>;

    /// The storages in which content of this source may lie, by their names in the configuration.
    fn storages(&self) -> BTreeSet<String>;

    /// Looks anew what will be read from where, and what is not understood, without reading any row of content.
    async fn check(&self) -> Result<SourceCheck, SourceError>;

    /// Who claims each of these pieces of content, which no record claims. A piece is given as its places: one in each storage
    /// that it lies in, which are several where storages lie in one another; their order does not matter. One answer for each
    /// piece, in their order.
    async fn claims(&self, pieces: &[Vec<Location>]) -> Result<Vec<Claim>, SourceError>;
}
