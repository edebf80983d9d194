//! Attachments of deleted projects whose rows still exist. The path of such a record is unknown, but a file can be
//! recognized as the content of such a row.

use std::collections::HashSet;

use stocktake_domain::ObjectType;
use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Unclaimed;
use super::files::below_hashed;
use crate::column::{Column, ColumnType, Field as _, required};
use crate::database::Value;
use crate::path;
use crate::schema::{TableColumns, Tables};
use crate::settings::{LOCAL, StorageRole};

const COLUMNS: &[Column] = &[
    required("model_id", ColumnType::Integer),
    required("path", ColumnType::Text),
    required("uploader", ColumnType::Text),
    required("store", ColumnType::Integer),
];

const UPLOADS: TableColumns = TableColumns { table: "uploads", columns: COLUMNS };

/// Everything that is read.
pub(super) fn parts() -> impl Iterator<Item = TableColumns> {
    [UPLOADS].into_iter()
}

/// The indexes of the locations that rows claim. In a bucket, rows have complete keys, so that their records have them too.
pub(super) async fn claimed(
    tables: Tables<'_>,
    locations: &[Unclaimed<'_>],
) -> Result<HashSet<usize>, SourceError> {
    let candidates =
        locations.iter().filter(|location| location.role == StorageRole::Folder(ObjectType::Uploads));
    let candidates: Vec<_> =
        candidates.filter_map(|location| Some((location.index, attachment(location.path)?))).collect();
    if candidates.is_empty() || !tables.can_read(&UPLOADS)? {
        return Ok(HashSet::new());
    }
    let paths: Vec<&str> = candidates.iter().map(|(_, (_, path))| *path).collect();
    let statement = "SELECT model_id, path, coalesce(store, 1) FROM uploads \
                     WHERE uploader = 'FileUploader' AND path = ANY ($1)";
    let values: [Value<'_>; 1] = [(&paths, Type::TEXT_ARRAY)];
    let read =
        |row: &Row| Ok((Option::<i64>::read(row, 0)?, row.try_get::<_, String>(1)?, i64::read(row, 2)?));
    let rows = tables.snapshot.rows(statement, &values, read).await?;
    let known = rows.into_iter().filter(|(.., store)| *store == LOCAL);
    let known: HashSet<_> = known.filter_map(|(id, path, _)| Some((path::hashed(id?), path))).collect();
    let is_known = |folder: &str, path: &str| known.contains(&(folder.to_owned(), path.to_owned()));
    let claimed = candidates.into_iter().filter(|(_, (folder, path))| is_known(folder, path));
    Ok(claimed.map(|(index, _)| index).collect())
}

/// The hashed folder of an attachment, and its path within that, which is in its row.
fn attachment(path: &str) -> Option<(&str, &str)> {
    below_hashed(path.strip_prefix("@hashed/")?)
}
