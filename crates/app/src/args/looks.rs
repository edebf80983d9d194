//! The options of commands that only show what there is.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use stocktake_domain::{Model, RecordKey, State};

use super::filter::FilterArguments;
use super::values::{key, span};

#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) filters: FilterArguments,
    /// Also show models without records and columns of zeros
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArguments {
    /// The models; none means all
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<Model>,
    /// The records in this state [default: those whose last attempt failed, also while they are read again]
    #[arg(long, value_name = "STATE", conflicts_with = "mismatched")]
    pub(crate) state: Option<State>,
    /// Instead of a state, the records whose content does not match the checksum that their source found good (GitLab's own
    /// verification)
    #[arg(long, alias = "differing")]
    pub(crate) mismatched: bool,
    #[command(flatten)]
    pub(crate) filters: FilterArguments,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ExportFormat,
    /// Print one JSON document with a version, whose `findings` are what `--format json` prints
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ExportFormat {
    /// With a header line
    #[default]
    Csv,
    /// A JSON array
    Json,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct OrphansArguments {
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    format: ListFormat,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Only content that was last changed longer ago than this, for example 1d
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) older_than: Option<Duration>,
    /// Use the catalogue as it is, without syncing it first
    #[arg(long)]
    pub(crate) no_sync: bool,
}

impl OrphansArguments {
    /// How they are to be printed.
    pub(crate) const fn format(&self) -> ListFormat {
        if self.json { ListFormat::Json } else { self.format }
    }
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people
    #[default]
    Text,
    /// With a header line
    Csv,
    /// One document
    Json,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArguments {
    /// The model, or a path
    #[arg(value_name = "MODEL_OR_PATH")]
    pub(crate) what: OsString,
    /// The record
    #[arg(allow_negative_numbers = true, value_parser = key)]
    pub(crate) identifier: Option<RecordKey>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ModelsArguments {
    /// Also show models without records
    #[arg(long)]
    pub(crate) all: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum JobsCommand {
    /// List bulk jobs, the latest first
    #[command(after_help = "Example:\n  stocktake jobs list --json")]
    List {
        /// Not only the last 20
        #[arg(long)]
        all: bool,
    },
    /// Cancel a bulk job; what it marked before stays due
    #[command(after_help = "Example:\n  stocktake jobs cancel 17")]
    Cancel {
        /// Its number
        id: i64,
    },
}
