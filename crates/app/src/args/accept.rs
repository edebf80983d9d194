//! The options of `accept`.

use std::collections::BTreeSet;

use clap::Args;
use stocktake_domain::{Model, RecordKey};

use super::filter::FilterArguments;
use super::values::key;

#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct AcceptArguments {
    /// The model that the records belong to; none means all, with a filter
    pub(crate) model: Option<Model>,
    /// The records, if no filter chooses them
    #[arg(value_name = "IDENTIFIER", allow_negative_numbers = true, value_parser = key)]
    identifiers: Vec<RecordKey>,
    #[command(flatten)]
    pub(crate) filters: FilterArguments,
    /// Why, to be kept with the acceptance
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Also accept what was not found altered or missing, files of 0 bytes, and that nothing is left in a storage
    #[arg(long)]
    pub(crate) force: bool,
    /// Only show what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take back the last acceptance of these records: what it replaced counts again, and they are read again. A filter
    /// chooses among the accepted ones; `--kind` by what they were found before
    #[arg(long, conflicts_with = "force")]
    pub(crate) undo: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

impl AcceptArguments {
    /// The records that are named, each once, in the order in which they are.
    pub(crate) fn keys(&self) -> Vec<&RecordKey> {
        let mut seen = BTreeSet::new();
        self.identifiers.iter().filter(|key| seen.insert(*key)).collect()
    }
}
