//! The columns of a report's rows, and where each is.

use crate::{Format, Kind};

/// Where the columns are that are used; the others are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// All names, in their order.
    pub(crate) names: Vec<String>,
    pub(crate) bucket: Option<usize>,
    pub(crate) key: usize,
    pub(crate) kind: ColumnsOf,
}

/// The columns that one kind of report has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnsOf {
    Inventory {
        is_latest: Option<usize>,
        is_delete_marker: Option<usize>,
        size: Option<usize>,
        etag: Option<usize>,
        is_multipart: Option<usize>,
        encryption: Option<usize>,
    },
    Checksums {
        task_status: usize,
        message: usize,
    },
}

/// Why names are not those of a report's columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// One that is needed is not among them.
    #[error("the columns have no {0}")]
    Missing(&'static str),
    /// A name stands there twice.
    #[error("the column {0} is named twice")]
    Twice(String),
    /// Nothing in them tells anything of an object's content.
    #[error("the columns have neither Size nor ETag, so that nothing could be compared")]
    Nothing,
}

impl Columns {
    /// The columns of rows that are written in this order, as the `fileSchema` of an inventory's manifest or the
    /// `ReportSchema` of a job's names them: `Bucket, Key, Size, …`, or `message s3.inventory { … }` of Parquet.
    pub fn parse(schema: &str) -> Result<Self, ColumnsError> {
        let names: Vec<String> = match schema.split_once('{') {
            Some((_, fields)) => fields.split(';').filter_map(parquet_name).map(str::to_owned).collect(),
            None => {
                schema.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
            }
        };
        let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
        for (index, name) in plain.iter().enumerate() {
            if plain.iter().take(index).any(|earlier| earlier == name) {
                return Err(ColumnsError::Twice(names.get(index).cloned().unwrap_or_default()));
            }
        }
        let find = |name: &'static str| plain.iter().position(|known| *known == self::plain(name));
        let need = |name| find(name).ok_or(ColumnsError::Missing(name));
        let kind = if find("TaskStatus").is_some() {
            ColumnsOf::Checksums { task_status: need("TaskStatus")?, message: need("ResultMessage")? }
        } else {
            let (size, etag) = (find("Size"), find("ETag"));
            if size.is_none() && etag.is_none() {
                return Err(ColumnsError::Nothing);
            }
            ColumnsOf::Inventory {
                is_latest: find("IsLatest"),
                is_delete_marker: find("IsDeleteMarker"),
                size,
                etag,
                is_multipart: find("IsMultipartUploaded"),
                encryption: find("EncryptionStatus"),
            }
        };
        Ok(Self { bucket: find("Bucket"), key: need("Key")?, kind, names })
    }

    /// The kind of report that has such columns.
    pub fn kind(&self) -> Kind {
        match self.kind {
            ColumnsOf::Inventory { .. } => Kind::Inventory,
            ColumnsOf::Checksums { .. } => Kind::Checksums,
        }
    }

    /// The columns that are used.
    pub(crate) fn used(&self) -> Vec<usize> {
        let of_kind = match &self.kind {
            ColumnsOf::Inventory { is_latest, is_delete_marker, size, etag, is_multipart, encryption } => {
                vec![*is_latest, *is_delete_marker, *size, *etag, *is_multipart, *encryption]
            }
            ColumnsOf::Checksums { task_status, message } => vec![Some(*task_status), Some(*message)],
        };
        let all = [self.bucket, Some(self.key)].into_iter().chain(of_kind);
        all.flatten().collect()
    }
}

/// The name of a field of a Parquet schema, such as `optional int64 last_modified_date (TIMESTAMP_MILLIS)`.
fn parquet_name(field: &str) -> Option<&str> {
    field.split_whitespace().nth(2)
}

/// The name without what CSV and Parquet write differently: `IsLatest` and `is_latest`.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|character| *character != '_')
        .map(|character| character.to_ascii_lowercase())
        .collect()
}

/// The format of files whose columns are written in this way.
pub(crate) fn format_of(schema: &str) -> Format {
    if schema.contains('{') { Format::Parquet } else { Format::Csv }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, \
        IsMultipartUploaded, ReplicationStatus, EncryptionStatus";
    const PARQUET: &str = "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); optional \
        binary version_id (UTF8); optional boolean is_latest; optional boolean is_delete_marker; optional int64 size; \
        optional int64 last_modified_date (TIMESTAMP_MILLIS); optional binary e_tag (UTF8); optional binary \
        storage_class (UTF8); optional boolean is_multipart_uploaded; optional binary replication_status (UTF8); \
        optional binary encryption_status (UTF8);}";

    #[test]
    fn both_spellings_name_the_same_columns() {
        let (csv, parquet) = (Columns::parse(CSV).unwrap(), Columns::parse(PARQUET).unwrap());
        assert_eq!((csv.bucket, csv.key, &csv.kind), (parquet.bucket, parquet.key, &parquet.kind));
        assert_eq!((csv.kind(), csv.names.len(), csv.used().len()), (Kind::Inventory, 12, 8));
        assert_eq!(parquet.names[7], "e_tag");
    }

    #[test]
    fn a_jobs_columns_are_told_from_an_inventorys() {
        let columns = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage";
        assert_eq!(Columns::parse(columns).unwrap().kind(), Kind::Checksums);
        assert_eq!(Columns::parse("Bucket, Key, TaskStatus"), Err(ColumnsError::Missing("ResultMessage")));
    }

    #[test]
    fn what_could_not_be_used_is_refused() {
        assert_eq!(Columns::parse("Bucket, Size"), Err(ColumnsError::Missing("Key")));
        assert_eq!(Columns::parse("Bucket, Key"), Err(ColumnsError::Nothing));
        assert_eq!(Columns::parse("Key, Size, key"), Err(ColumnsError::Twice("key".to_owned())));
    }
}
