//! What GitLab's own verification recorded of the rows that were read.

use std::collections::HashMap;

use stocktake_domain::Digest;
use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::database::{Snapshot, Value};
use crate::digest;
use crate::field::Field as _;
use crate::plan::Table;
use crate::schema::Schema;

/// `verification_state` of what GitLab found good.
const SUCCEEDED: i64 = 2;

/// A row of a table of states: state and checksum.
type State = (i64, Option<Vec<u8>>);

/// The checksums of these rows, by key: from the table of states, or from the row itself where that table is not
/// there yet or has only its defaults. `after` is the key before the first row, if these are all rows behind it.
pub(crate) async fn checksums<T: Table>(
    snapshot: &Snapshot<'_>,
    schema: &Schema,
    rows: &[T],
    after: Option<i64>,
) -> Result<HashMap<i64, Digest>, SourceError> {
    let kind = T::PLAN.model.kind();
    let mut found = states(snapshot, schema, rows, after).await?;
    let good = rows.iter().filter_map(|row| {
        let key = row.key();
        let checksum = match found.remove(&key) {
            Some((SUCCEEDED, checksum)) => checksum.and_then(|checksum| digest::of_state(kind, &checksum)),
            Some((state, checksum)) if state != 0 || checksum.is_some() => None,
            _ => {
                let own = row.own_state().filter(|(state, _)| *state == SUCCEEDED);
                own.and_then(|(_, checksum)| digest::of_packed_state(kind, &checksum))
            }
        };
        checksum.map(|checksum| (key, checksum))
    });
    Ok(good.collect())
}

async fn states<T: Table>(
    snapshot: &Snapshot<'_>,
    schema: &Schema,
    rows: &[T],
    after: Option<i64>,
) -> Result<HashMap<i64, State>, SourceError> {
    let states = T::PLAN.states;
    let part = states.part();
    let (Some(last), true) = (rows.last().map(Table::key), schema.is_filled(part.table)) else {
        return Ok(HashMap::new());
    };
    let key = states.columns.first().map_or("id", |column| column.name);
    let columns = schema.select(&part);
    let select = format!("SELECT {columns} FROM {} WHERE {key}", part.table);
    let read = |row: &Row| Ok((i64::read(row, 0)?, (i64::read(row, 1)?, row.try_get(2)?)));
    let found = if let Some(after) = after {
        // A range is read in one go, where a list of keys is looked up one by one.
        let values: [Value<'_>; 2] = [(&after, Type::INT8), (&last, Type::INT8)];
        snapshot.rows(&format!("{select} > $1 AND {key} <= $2"), &values, read).await
    } else {
        let keys: Vec<i64> = rows.iter().map(Table::key).collect();
        let values: [Value<'_>; 1] = [(&keys, Type::INT8_ARRAY)];
        snapshot.rows(&format!("{select} = ANY ($1)"), &values, read).await
    };
    Ok(found?.into_iter().collect())
}
