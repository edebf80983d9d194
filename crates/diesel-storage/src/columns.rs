//! The columns of a table, named once: [`columns!`] makes of one list the row's struct, the SQL types of its
//! columns, their names and the binding of their values. Statements are built from these, so that which value
//! belongs to which column is never a matter of position.

use bytes::BytesMut;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::result::{Error, QueryResult};
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;
use tokio_postgres::types::{IsNull, ToSql, Type};

/// A SQL type that both databases have.
pub(crate) trait Kind: 'static {
    /// Its values.
    type Rust: Send + 'static;
    /// What it is on PostgreSQL.
    const POSTGRES: Type;
    /// Its name on SQLite.
    const SQLITE: &'static str;
    /// Whether a column of it may be NULL.
    const NULLABLE: bool;

    /// Binds a value on SQLite.
    fn bind<'b>(out: &mut AstPass<'_, 'b, Sqlite>, value: &'b Self::Rust) -> QueryResult<()>;

    /// Adds the value's bytes, which those of another value do not begin with; false for NULL, which has none.
    fn add_bytes(value: &Self::Rust, bytes: &mut Vec<u8>) -> bool;

    /// Adds the value in PostgreSQL's binary form; false for NULL, which has none.
    fn write_postgres(value: &Self::Rust, out: &mut BytesMut) -> QueryResult<bool>;
}

macro_rules! kinds {
    ($($sql:ty: $rust:ty, $postgres:ident, $sqlite:literal, $nullable:literal;)+) => {
        $(impl Kind for $sql {
            type Rust = $rust;
            const POSTGRES: Type = Type::$postgres;
            const SQLITE: &'static str = $sqlite;
            const NULLABLE: bool = $nullable;

            fn bind<'b>(out: &mut AstPass<'_, 'b, Sqlite>, value: &'b $rust) -> QueryResult<()> {
                out.push_bind_param::<Self, _>(value)
            }

            fn add_bytes(value: &$rust, bytes: &mut Vec<u8>) -> bool {
                value.add_to(bytes)
            }

            fn write_postgres(value: &$rust, out: &mut BytesMut) -> QueryResult<bool> {
                let written = ToSql::to_sql(value, &Self::POSTGRES, out).map_err(Error::SerializationError)?;
                Ok(matches!(written, IsNull::No))
            }
        })+
    };
}

kinds! {
    SmallInt: i16, INT2, "INTEGER", false;
    Integer: i32, INT4, "INTEGER", false;
    BigInt: i64, INT8, "INTEGER", false;
    Bool: bool, BOOL, "INTEGER", false;
    Binary: Vec<u8>, BYTEA, "BLOB", false;
    Text: String, TEXT, "TEXT", false;
    Nullable<SmallInt>: Option<i16>, INT2, "INTEGER", true;
    Nullable<Integer>: Option<i32>, INT4, "INTEGER", true;
    Nullable<BigInt>: Option<i64>, INT8, "INTEGER", true;
    Nullable<Bool>: Option<bool>, BOOL, "INTEGER", true;
    Nullable<Binary>: Option<Vec<u8>>, BYTEA, "BLOB", true;
    Nullable<Text>: Option<String>, TEXT, "TEXT", true;
}

/// A value as bytes, see [`Kind::add_bytes`].
pub(crate) trait Bytes {
    /// Adds them.
    fn add_to(&self, bytes: &mut Vec<u8>) -> bool;
}

macro_rules! numbers {
    ($($number:ty),+) => {
        $(impl Bytes for $number {
            fn add_to(&self, bytes: &mut Vec<u8>) -> bool {
                bytes.extend(self.to_be_bytes());
                true
            }
        })+
    };
}

numbers!(i16, i32, i64);

impl Bytes for bool {
    fn add_to(&self, bytes: &mut Vec<u8>) -> bool {
        i16::from(*self).add_to(bytes)
    }
}

impl Bytes for [u8] {
    fn add_to(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend(u64::try_from(self.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(self);
        true
    }
}

impl Bytes for Vec<u8> {
    fn add_to(&self, bytes: &mut Vec<u8>) -> bool {
        self.as_slice().add_to(bytes)
    }
}

impl Bytes for String {
    fn add_to(&self, bytes: &mut Vec<u8>) -> bool {
        self.as_bytes().add_to(bytes)
    }
}

impl<T: Bytes> Bytes for Option<T> {
    fn add_to(&self, bytes: &mut Vec<u8>) -> bool {
        self.as_ref().is_some_and(|value| value.add_to(bytes))
    }
}

/// A column: its name and its types.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) postgres: Type,
    pub(crate) sqlite: &'static str,
    pub(crate) nullable: bool,
}

impl Column {
    /// A column of the SQL type `K`.
    pub(crate) const fn new<K: Kind>(name: &'static str) -> Self {
        Self { name, postgres: K::POSTGRES, sqlite: K::SQLITE, nullable: K::NULLABLE }
    }
}

/// Is called with each column of a row in turn, in the order of [`Row::columns`].
pub(crate) trait Visitor<'b> {
    /// A column of the SQL type `K`, and its value.
    fn column<K: Kind>(&mut self, name: &'static str, value: &'b K::Rust) -> QueryResult<()>;
}

/// A row of a table, or some of its columns.
pub(crate) trait Row: Sized + 'static {
    /// The SQL types of the columns.
    type SqlType;

    /// Adds the columns to the list.
    fn add_columns(list: &mut Vec<Column>);

    /// Shows each column to the visitor.
    fn visit<'b>(&'b self, visitor: &mut impl Visitor<'b>) -> QueryResult<()>;

    /// The columns.
    fn columns() -> Vec<Column> {
        let mut list = Vec::new();
        Self::add_columns(&mut list);
        list
    }
}

/// The row of a whole table.
pub(crate) trait Table: Row {
    /// The table.
    const NAME: &'static str;
    /// The columns of its primary key.
    const KEY: &'static [&'static str];

    /// `column = source.column` for each column that is not of the key.
    fn set_from(source: &str) -> String {
        let mut columns = Self::columns();
        columns.retain(|column| !Self::KEY.contains(&column.name));
        set_from(&columns, source)
    }
}

/// `column = source.column` for each of these columns.
pub(crate) fn set_from(columns: &[Column], source: &str) -> String {
    list_of(columns, |column| format!("{0} = {source}.{0}", column.name))
}

/// The columns of a row that Diesel's own statements select: by the names of its fields, and the same ones on both
/// databases.
pub(crate) fn all_of<R: diesel::Selectable<Pg>>() -> R::SelectExpression {
    R::construct_selection()
}

/// Text for each column, joined by commas.
pub(crate) fn list_of(columns: &[Column], text: impl Fn(&Column) -> String) -> String {
    columns.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The columns of a row that is known by this alias, as a select list.
pub(crate) fn select_list<R: Row>(alias: &str) -> String {
    list_of(&R::columns(), |column| format!("{alias}.{}", column.name))
}

/// Makes a struct of columns, with a field for each. A field `..name` is itself a struct of columns, which several
/// rows share.
macro_rules! columns {
    (
        $(#[$about:meta])*
        pub(crate) struct $row:ident $(in $table:literal ($($key:ident),+))? {
            $($(#[$doc:meta])* $column:ident: $sql:ty,)*
            $(..$group:ident: $group_row:ty,)*
        }
    ) => {
        $(#[$about])*
        #[derive(diesel::prelude::Queryable)]
        pub(crate) struct $row {
            $($(#[$doc])* pub(crate) $column: <$sql as $crate::columns::Kind>::Rust,)*
            $(pub(crate) $group: $group_row,)*
        }

        $(impl $crate::columns::Table for $row {
            const NAME: &'static str = $table;
            const KEY: &'static [&'static str] = &[$(stringify!($key)),+];
        })?

        impl $crate::columns::Row for $row {
            type SqlType = (
                $($sql,)*
                $(<$group_row as $crate::columns::Row>::SqlType,)*
            );

            fn add_columns(list: &mut Vec<$crate::columns::Column>) {
                $(list.push($crate::columns::Column::new::<$sql>(stringify!($column)));)*
                $(<$group_row as $crate::columns::Row>::add_columns(list);)*
            }

            fn visit<'b>(
                &'b self,
                visitor: &mut impl $crate::columns::Visitor<'b>,
            ) -> diesel::result::QueryResult<()> {
                $(visitor.column::<$sql>(stringify!($column), &self.$column)?;)*
                $(self.$group.visit(visitor)?;)*
                Ok(())
            }
        }
    };
}

pub(crate) use columns;
