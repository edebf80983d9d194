//! Many rows as one value of a statement: an array of the row type of a table, in PostgreSQL's binary form.
//!
//! An array for each column would be taken apart by a function for each, value by value, and the values put together to rows
//! again, which takes longer than to write these into a table.

use bytes::{BufMut as _, BytesMut};
use diesel::result::{Error, QueryResult};
use diesel::sql_types::{BigInt, Text};
use diesel_async::AsyncPgConnection;

use crate::columns::{Kind, Row, Visitor};
use crate::error::DbError;
use crate::session::Reading as _;
use crate::sql::{RowArray, Sql};

/// The row type of a table, as this database has it: migrations added its columns in an order of their own.
pub(super) struct RowType {
    id: i64,
    /// The columns in the order of the table, each with its type.
    columns: Vec<(i64, String)>,
}

impl RowType {
    /// That of the table with this name.
    pub(super) async fn read(session: &mut AsyncPgConnection, table: &str) -> Result<Self, DbError> {
        let sql = Sql::<(BigInt, BigInt, Text)>::new(
            "SELECT CAST(c.reltype AS bigint), CAST(a.atttypid AS bigint), CAST(a.attname AS text) \
             FROM pg_class c CROSS JOIN pg_attribute a WHERE c.oid = CAST(CAST(? AS text) AS regclass) \
             AND a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        );
        let rows: Vec<(i64, i64, String)> = session.load(sql.bind(table.to_owned())).await?;
        let id = rows.first().map(|(id, ..)| *id);
        let id = id.ok_or_else(|| DbError::data(format!("the table {table} has no columns")))?;
        Ok(Self { id, columns: rows.into_iter().map(|(_, of, name)| (of, name)).collect() })
    }

    /// Rows as an array. A column that they do not have is NULL.
    pub(super) fn array<R: Row>(&self, rows: &[R]) -> QueryResult<RowArray> {
        let known = R::columns();
        let place = |name: &str| known.iter().position(|column| column.name == name);
        let places: Vec<(u32, Option<usize>)> = self
            .columns
            .iter()
            .map(|(of, name)| Ok((type_id(*of)?, place(name))))
            .collect::<QueryResult<_>>()?;
        let (mut array, mut row, mut values) = (BytesMut::new(), BytesMut::new(), Values::default());
        // One dimension, no element that is NULL, and the first is number 1.
        array.put_i32(1);
        array.put_i32(0);
        array.put_u32(type_id(self.id)?);
        array.put_i32(length(rows.len())?);
        array.put_i32(1);
        for of in rows {
            values.clear();
            of.visit(&mut values)?;
            row.clear();
            row.put_i32(length(places.len())?);
            for (type_id, place) in &places {
                row.put_u32(*type_id);
                match place.and_then(|place| values.get(place)) {
                    None => row.put_i32(-1),
                    Some(value) => {
                        row.put_i32(length(value.len())?);
                        row.put_slice(value);
                    }
                }
            }
            array.put_i32(length(row.len())?);
            array.put_slice(&row);
        }
        Ok(RowArray(array.into()))
    }
}

fn type_id(number: i64) -> QueryResult<u32> {
    u32::try_from(number).map_err(|error| Error::SerializationError(error.into()))
}

fn length(bytes: usize) -> QueryResult<i32> {
    i32::try_from(bytes).map_err(|error| Error::SerializationError(error.into()))
}

/// The values of a row, one behind the other.
#[derive(Default)]
struct Values {
    bytes: BytesMut,
    /// Where each begins and ends; `None` is NULL.
    places: Vec<Option<(usize, usize)>>,
}

impl Values {
    fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    fn get(&self, column: usize) -> Option<&[u8]> {
        let (begin, end) = self.places.get(column).copied().flatten()?;
        self.bytes.get(begin..end)
    }
}

impl<'b> Visitor<'b> for Values {
    fn column<K: Kind>(&mut self, _name: &'static str, value: &'b K::Rust) -> QueryResult<()> {
        let begin = self.bytes.len();
        let is_there = K::write_postgres(value, &mut self.bytes)?;
        self.places.push(is_there.then_some((begin, self.bytes.len())));
        Ok(())
    }
}
