//! SQL text with values, as a Diesel query.
//!
//! Where the plan of a statement matters, its text is written out (see [`crate::queries`]). Diesel's own
//! `sql_query` is not used for it: that one is prepared anew at each call and finds its columns by name,
//! while this one is prepared once per connection and reads them by position.

use std::io::Write as _;
use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::pg::{Pg, PgTypeMetadata};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{Error, QueryResult};
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::{Array, BigInt, Binary, HasSqlType, Integer, SmallInt, Text, TypeMetadata};
use diesel::sqlite::Sqlite;

/// A statement whose text marks each value by `?`, and whose rows have the SQL type `T`.
pub(crate) struct Sql<T = ()> {
    text: String,
    values: Vec<Value>,
    rows: PhantomData<fn() -> T>,
}

/// A value in a statement. Arrays are PostgreSQL's alone.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    SmallInt(i16),
    Integer(i32),
    BigInt(i64),
    Binary(Vec<u8>),
    Text(String),
    BigInts(Vec<i64>),
    Binaries(Vec<Vec<u8>>),
    Rows(RowArray),
}

/// An array of rows in PostgreSQL's binary form. The text of the statement says of what type, by a CAST.
#[derive(Debug, Clone)]
pub(crate) struct RowArray(pub(crate) Vec<u8>);

/// The type of a value that the server knows from the CAST around it.
struct Cast;

impl HasSqlType<Cast> for Pg {
    fn metadata(_lookup: &mut <Self as TypeMetadata>::MetadataLookup) -> PgTypeMetadata {
        // No type is said of it.
        PgTypeMetadata::new(0, 0)
    }
}

impl ToSql<Cast, Pg> for RowArray {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
        out.write_all(&self.0)?;
        Ok(IsNull::No)
    }
}

macro_rules! values {
    ($($type:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        })+
    };
}

values! {
    i16 => SmallInt, i32 => Integer, i64 => BigInt, Vec<u8> => Binary, String => Text,
    Vec<i64> => BigInts, Vec<Vec<u8>> => Binaries, RowArray => Rows,
}

impl<T> Sql<T> {
    /// A statement that begins with this text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new(), rows: PhantomData }
    }

    /// Adds text.
    #[must_use]
    pub(crate) fn push(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Adds the value of the next `?`.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    fn walk<'b, DB: Backend>(
        &'b self,
        mut out: AstPass<'_, 'b, DB>,
        bind: impl Fn(&mut AstPass<'_, 'b, DB>, &'b Value) -> QueryResult<()>,
    ) -> QueryResult<()> {
        let mut values = self.values.iter();
        for (index, text) in self.text.split('?').enumerate() {
            if index > 0 {
                let value = values.next().ok_or_else(|| builder_error("a mark without a value"))?;
                bind(&mut out, value)?;
            }
            out.push_sql(text);
        }
        if values.next().is_some() { Err(builder_error("a value without a mark")) } else { Ok(()) }
    }
}

fn builder_error(what: &str) -> Error {
    Error::QueryBuilderError(what.into())
}

/// Binds what both databases know; the value comes back if it is none of these.
fn bind_common<'b, DB>(out: &mut AstPass<'_, 'b, DB>, value: &'b Value) -> QueryResult<Option<&'b Value>>
where
    DB: Backend
        + HasSqlType<SmallInt>
        + HasSqlType<Integer>
        + HasSqlType<BigInt>
        + HasSqlType<Binary>
        + HasSqlType<Text>,
    i16: diesel::serialize::ToSql<SmallInt, DB>,
    i32: diesel::serialize::ToSql<Integer, DB>,
    i64: diesel::serialize::ToSql<BigInt, DB>,
    Vec<u8>: diesel::serialize::ToSql<Binary, DB>,
    String: diesel::serialize::ToSql<Text, DB>,
{
    match value {
        Value::SmallInt(value) => out.push_bind_param::<SmallInt, _>(value)?,
        Value::Integer(value) => out.push_bind_param::<Integer, _>(value)?,
        Value::BigInt(value) => out.push_bind_param::<BigInt, _>(value)?,
        Value::Binary(value) => out.push_bind_param::<Binary, _>(value)?,
        Value::Text(value) => out.push_bind_param::<Text, _>(value)?,
        other => return Ok(Some(other)),
    }
    Ok(None)
}

fn bind_array<'b>(out: &mut AstPass<'_, 'b, Pg>, value: &'b Value) -> QueryResult<()> {
    match value {
        Value::BigInts(values) => out.push_bind_param::<Array<BigInt>, _>(values),
        Value::Binaries(values) => out.push_bind_param::<Array<Binary>, _>(values),
        Value::Rows(rows) => out.push_bind_param::<Cast, _>(rows),
        _ => Err(builder_error("no array")),
    }
}

impl<T> QueryFragment<Pg> for Sql<T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.walk(out, |out, value| match bind_common(out, value)? {
            None => Ok(()),
            Some(array) => bind_array(out, array),
        })
    }
}

impl<T> QueryFragment<Sqlite> for Sql<T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.walk(out, |out, value| match bind_common(out, value)? {
            None => Ok(()),
            Some(_) => Err(builder_error("SQLite has no arrays")),
        })
    }
}

/// Prepared statements are found by their text.
impl<T> QueryId for Sql<T> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T> Query for Sql<T> {
    type SqlType = T;
}

impl<T, Conn> diesel::RunQueryDsl<Conn> for Sql<T> {}
