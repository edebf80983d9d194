//! Attachments of projects that are gone, whose rows are there still: of their records nobody can say any more where
//! they lay, but of what lies there it can be said that it is theirs.

use std::collections::HashSet;

use stocktake_domain::ObjectType;
use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::files::below_hashed;
use super::{Place, Tables};
use crate::database::Value;
use crate::field::{Column, Field as _, Kind};
use crate::path;
use crate::plan::needed;
use crate::schema::Part;
use crate::settings::{LOCAL, Role};

const COLUMNS: &[Column] = &[
    needed("model_id", Kind::Integer),
    needed("path", Kind::Text),
    needed("uploader", Kind::Text),
    needed("store", Kind::Integer),
];

const UPLOADS: Part = Part { table: "uploads", columns: COLUMNS };

/// All that is read.
pub(super) fn parts() -> impl Iterator<Item = Part> {
    [UPLOADS].into_iter()
}

/// The indexes of the places that rows claim. In a bucket, rows have whole paths, so that records have them too.
pub(super) async fn claimed(tables: Tables<'_>, places: &[Place<'_>]) -> Result<HashSet<usize>, SourceError> {
    let candidates = places.iter().filter(|place| place.role == Role::Folder(ObjectType::Uploads));
    let candidates: Vec<_> =
        candidates.filter_map(|place| Some((place.index, attachment(place.path)?))).collect();
    if candidates.is_empty() || !tables.has(&UPLOADS)? {
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

/// The hashed folder of an attachment, and its path within as rows have it.
fn attachment(path: &str) -> Option<(&str, &str)> {
    below_hashed(path.strip_prefix("@hashed/")?)
}
