//! The results of GitLab's own verification for the rows of a page.

use std::collections::HashMap;

use stocktake_domain::Digest;
use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::column::Field as _;
use crate::database::Value;
use crate::digest;
use crate::mapping::ModelRow;
use crate::schema::Tables;

/// `verification_state` of a record that GitLab verified successfully.
const SUCCEEDED: i64 = 2;

/// The states and checksums in a model's table of states, by the row's key.
pub(crate) struct States(HashMap<i64, (i64, Option<Vec<u8>>)>);

impl States {
    /// Reads those of these rows. `after` is the key before the first row, if these are all rows behind it.
    pub(crate) async fn read<T: ModelRow>(
        tables: Tables<'_>,
        rows: &[T],
        after: Option<i64>,
    ) -> Result<Self, SourceError> {
        let states = T::MAPPING.states;
        let part = states.part();
        let (Some(last), true) = (rows.last().map(ModelRow::key), tables.schema.is_filled(part.table)) else {
            return Ok(Self(HashMap::new()));
        };
        let key = states.columns.first().map_or("id", |column| column.name);
        let columns = tables.schema.select(&part);
        let select = format!("SELECT {columns} FROM {} WHERE {key}", part.table);
        let read = |row: &Row| Ok((i64::read(row, 0)?, (i64::read(row, 1)?, row.try_get(2)?)));
        let found = if let Some(after) = after {
            // One range scan, where a list of keys is looked up one by one.
            let values: [Value<'_>; 2] = [(&after, Type::INT8), (&last, Type::INT8)];
            tables.snapshot.rows(&format!("{select} > $1 AND {key} <= $2"), &values, read).await
        } else {
            let keys: Vec<i64> = rows.iter().map(ModelRow::key).collect();
            let values: [Value<'_>; 1] = [(&keys, Type::INT8_ARRAY)];
            tables.snapshot.rows(&format!("{select} = ANY ($1)"), &values, read).await
        };
        Ok(Self(found?.into_iter().collect()))
    }

    /// The checksum of a row: from the table of states, or from the row itself if that table does not have the row
    /// yet, or only its defaults.
    pub(crate) fn checksum<T: ModelRow>(&self, row: &T) -> Option<Digest> {
        let kind = T::MAPPING.model.kind();
        match self.0.get(&row.key()) {
            Some((SUCCEEDED, checksum)) => digest::of_state(kind, checksum.as_deref()?),
            Some((state, checksum)) if *state != 0 || checksum.is_some() => None,
            _ => {
                let (_, checksum) = row.own_state().filter(|(state, _)| *state == SUCCEEDED)?;
                digest::of_packed_state(kind, checksum)
            }
        }
    }
}
