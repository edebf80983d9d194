//! Reading what Amazon S3 reports of its objects: the lists of S3 Inventory, and the completion reports of the S3 Batch
//! Operations job "Compute checksum". Their rows come one after the other, whatever the size of the report.
//!
//! The formats: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>;
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-compute-checksums.html>.

mod checksum;
mod columns;
mod index;
mod lines;
mod manifest;
mod open;
mod parquet;
mod row;

use std::path::PathBuf;

use stocktake_domain::{Reported, Timestamp};

pub use columns::{Columns, ColumnsError};
pub use index::{Index, IndexBuilder};
pub use open::Given;

/// What kind of report it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// S3 Inventory: what objects there are.
    Inventory,
    /// S3 Batch Operations, "Compute checksum": what was computed of the stored bytes of some objects.
    Checksums,
}

/// How the rows of a report's files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated values, perhaps compressed with gzip, with URL-encoded keys.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// A report that can be read.
#[derive(Debug)]
pub struct Report {
    /// What kind it is.
    pub kind: Kind,
    /// When it was made: of an inventory, when the store began to list.
    pub made_at: Timestamp,
    /// The bucket that it is of, if its manifest says so. Its rows say it again.
    pub bucket: Option<String>,
    /// Whether it names all objects that it is about, as far as the store knew them then.
    pub is_complete: bool,
    /// The bytes of its files.
    pub bytes: u64,
    format: Format,
    columns: Columns,
    files: Vec<PathBuf>,
}

/// A row of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The bucket, if the report has that column.
    pub bucket: Option<&'a str>,
    /// The object's key.
    pub key: &'a str,
    /// What is said of the object; `None` of one that is not the current version, or is a delete marker.
    pub said: Option<Reported>,
}

/// Why a report cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file cannot be read.
    #[error("{} cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A row is wrong.
    #[error("{}, row {number}: {reason}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The row's number, counted from 1.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file is not what it must be.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The files do not make a report.
    #[error("{0}")]
    Given(String),
}

impl Report {
    /// Calls `each` with every row, and tells `progress` how many bytes of the files were read since it was last called.
    /// Returns how many rows there were. `each` refuses a row with a reason, which ends the reading.
    pub fn read(
        &self,
        mut progress: impl FnMut(u64),
        mut each: impl FnMut(Row<'_>) -> Result<(), String>,
    ) -> Result<u64, ReportError> {
        let mut rows = 0;
        for file in &self.files {
            rows += match self.format {
                Format::Csv => lines::read(file, &self.columns, &mut progress, &mut each)?,
                Format::Parquet => parquet::read(file, &self.columns, &mut progress, &mut each)?,
            };
        }
        Ok(rows)
    }
}
