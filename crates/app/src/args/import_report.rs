//! The options of `import-report`.

use std::path::PathBuf;

use clap::Args;
use stocktake_domain::Model;

use super::values::{Moment, moment};

#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct ImportReportArguments {
    /// The model whose records are compared
    pub(crate) model: Model,
    /// The storage's name in the configuration; its objects are those of the report
    pub(crate) storage: String,
    /// The report's manifest.json, beside or below which the files are that it names, or followed by them; or files alone
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The columns of files without a manifest, as the manifest's fileSchema or `ReportSchema` names them: `Bucket, Key, Size,
    /// ETag`
    #[arg(long, value_name = "NAMES", requires = "as_of")]
    pub(crate) columns: Option<String>,
    /// When the report of files without a manifest was made: 2d (ago), 2026-11-20 or 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "columns")]
    pub(crate) as_of: Option<Moment>,
    /// The inventory is of a part of the storage, such as one prefix: say nothing of records that it does not name
    #[arg(long)]
    pub(crate) partial: bool,
    /// Judge by the report even if most records differ from it or are not in it
    #[arg(long)]
    pub(crate) force: bool,
    /// Only tell what would be judged, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}
