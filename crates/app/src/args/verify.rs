//! The options of `verify`.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use stocktake_domain::{Model, RecordKey, State};

use super::ThreadOptions;
use super::filter::FilterArguments;
use super::values::{key, share, span};

#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct VerifyArguments {
    /// The models; none means all
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<Model>,
    /// Recalculate every record, due or not
    #[arg(long, conflicts_with_all = ["state", "identifiers"])]
    pub(crate) all: bool,
    /// Recalculate these records of one model, separated by commas
    #[arg(long, value_name = "IDENTIFIERS", value_delimiter = ',', allow_hyphen_values = true, value_parser = key)]
    pub(crate) identifiers: Option<Vec<RecordKey>>,
    /// Recalculate the records in this state
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<State>,
    #[command(flatten)]
    pub(crate) filters: FilterArguments,
    /// Recalculate a part of the records that are selected otherwise, for example 5%, by chance
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    pub(crate) sample: Option<u32>,
    /// Stop after so long, for example 4h; what was not read stays due
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) stop_after: Option<Duration>,
    /// Stop once so many records failed; what was not read stays due
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_failures: Option<NonZeroU64>,
    /// Only tell what would be read, how many bytes, and about how long it would take, for which some of it is read for a moment
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Record missing and unreadable files even if they are most of a storage or its root is another one
    #[arg(long)]
    pub(crate) believe_missing: bool,
    /// Compare every object in the packs of git repositories with its id, not only every few verifications
    #[arg(long)]
    pub(crate) deep: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(super) threads: ThreadOptions,
}

impl VerifyArguments {
    /// Refuses what cannot be meant.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let names_records = self.identifiers.as_ref().is_some_and(|keys| !keys.is_empty());
        anyhow::ensure!(!names_records || self.models.len() == 1, "--identifiers needs exactly one model");
        Ok(())
    }

    /// Whether only some records are meant, so that only what this run finds counts.
    pub(crate) fn is_narrow(&self) -> bool {
        self.identifiers.is_some()
            || self.state.is_some()
            || self.sample.is_some()
            || !self.filters.is_empty()
    }
}
