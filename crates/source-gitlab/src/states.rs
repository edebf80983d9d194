//! The results of GitLab's own verification for the rows of a page.

use std::collections::HashMap;

use stocktake_domain::ports::SourceError;
use stocktake_domain::{Digest, Model};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::column::Field as _;
use crate::database::Value;
use crate::digest;
use crate::mapping::ModelRow;
use crate::schema::{Tables, UploadStates};

/// `verification_state` of a record that GitLab verified successfully.
const SUCCEEDED: i64 = 2;

/// The states and checksums in a model's table of states, by the row's key.
pub(crate) struct States(HashMap<i64, (i64, Option<Vec<u8>>)>);

/// A row's key, its state, and its checksum.
type State = (i64, (i64, Option<Vec<u8>>));

impl Tables<'_> {
    /// The states of the rows with these keys, by a statement that ends with the name of the key. `after` is the key
    /// before the first, if these are all behind it.
    async fn states(
        &self,
        select: &str,
        key: &str,
        keys: &[i64],
        after: Option<i64>,
    ) -> Result<Vec<State>, SourceError> {
        let Some(last) = keys.last() else { return Ok(Vec::new()) };
        let read = |row: &Row| Ok((i64::read(row, 0)?, (i64::read(row, 1)?, row.try_get(2)?)));
        if let Some(after) = after {
            // One range scan, where a list of keys is looked up one by one.
            let values: [Value<'_>; 2] = [(&after, Type::INT8), (last, Type::INT8)];
            self.snapshot.rows(&format!("{select} > $1 AND {key} <= $2"), &values, read).await
        } else {
            let values: [Value<'_>; 1] = [(&keys, Type::INT8_ARRAY)];
            self.snapshot.rows(&format!("{select} = ANY ($1)"), &values, read).await
        }
    }
}

impl States {
    /// Reads those of these rows. `after` is the key before the first row, if these are all rows behind it.
    pub(crate) async fn read<T: ModelRow>(
        tables: Tables<'_>,
        rows: &[T],
        after: Option<i64>,
    ) -> Result<Self, SourceError> {
        let states = T::MAPPING.states;
        let part = states.part();
        let keys: Vec<i64> = rows.iter().map(ModelRow::key).collect();
        let mut found = HashMap::new();
        if tables.schema.is_filled(part.table) {
            let key = states.columns.first().map_or("id", |column| column.name);
            let select = format!("SELECT {} FROM {} WHERE {key}", tables.schema.select(&part), part.table);
            found.extend(tables.states(&select, key, &keys, after).await?);
        }
        if T::MAPPING.model == Model::Uploads {
            for UploadStates { table, key } in tables.schema.upload_states() {
                let select = format!(
                    "SELECT {key}, verification_state, verification_checksum FROM {table} WHERE {key}"
                );
                let newer = tables.states(&select, key, &keys, after).await?;
                // What is still as it was made says nothing.
                found.extend(newer.into_iter().filter(|(_, (state, _))| *state != 0));
            }
        }
        Ok(Self(found))
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
