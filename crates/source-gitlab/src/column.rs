//! Typed rows: which columns they have, and how each is read.

use stocktake_domain::Timestamp;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Error, Row};

use crate::error::UnexpectedLength;

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Integer,
    Text,
    Bytes,
    Boolean,
    Time,
}

impl ColumnType {
    /// Whether columns of this database type can be read as this type; the name is `pg_type.typname`.
    pub(crate) fn accepts(self, type_name: &str) -> bool {
        match self {
            Self::Integer => matches!(type_name, "int2" | "int4" | "int8"),
            Self::Text => matches!(type_name, "text" | "varchar" | "bpchar"),
            Self::Bytes => type_name == "bytea",
            Self::Boolean => type_name == "bool",
            Self::Time => matches!(type_name, "timestamp" | "timestamptz"),
        }
    }

    /// The expression for a column that does not exist.
    pub(crate) const fn null(self) -> &'static str {
        match self {
            Self::Integer => "NULL::bigint",
            Self::Text => "NULL::text",
            Self::Bytes => "NULL::bytea",
            Self::Boolean => "NULL::boolean",
            Self::Time => "NULL::timestamp",
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) data_type: ColumnType,
    /// Without it, the table cannot be read. Other columns are read as NULL where they do not exist.
    pub(crate) required: bool,
}

/// A column that must exist.
pub(crate) const fn required(name: &'static str, data_type: ColumnType) -> Column {
    Column { name, data_type, required: true }
}

/// A value of a row.
pub(crate) trait Field: Sized {
    const TYPE: ColumnType;

    fn read(row: &Row, index: usize) -> Result<Self, Error>;
}

impl Field for i64 {
    const TYPE: ColumnType = ColumnType::Integer;

    fn read(row: &Row, index: usize) -> Result<Self, Error> {
        row.try_get::<_, Integer>(index).map(|value| value.0)
    }
}

impl Field for Option<i64> {
    const TYPE: ColumnType = ColumnType::Integer;

    fn read(row: &Row, index: usize) -> Result<Self, Error> {
        Ok(row.try_get::<_, Option<Integer>>(index)?.map(|value| value.0))
    }
}

impl Field for Option<Timestamp> {
    const TYPE: ColumnType = ColumnType::Time;

    fn read(row: &Row, index: usize) -> Result<Self, Error> {
        Ok(row.try_get::<_, Option<Time>>(index)?.and_then(|value| value.0))
    }
}

macro_rules! native_fields {
    ($($type:ty, $column_type:ident);+ $(;)?) => {
        $(impl Field for Option<$type> {
            const TYPE: ColumnType = ColumnType::$column_type;

            fn read(row: &Row, index: usize) -> Result<Self, Error> {
                row.try_get(index)
            }
        })+
    };
}

native_fields! { String, Text; Vec<u8>, Bytes; bool, Boolean }

/// An integer of any width: GitLab widens its columns over time.
struct Integer(i64);

type ReadError = Box<dyn std::error::Error + Sync + Send>;

impl<'r> FromSql<'r> for Integer {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, ReadError> {
        let narrow = |raw: &[u8]| raw.try_into().map(i16::from_be_bytes).map(i64::from);
        let middle = |raw: &[u8]| raw.try_into().map(i32::from_be_bytes).map(i64::from);
        let wide = |raw: &[u8]| raw.try_into().map(i64::from_be_bytes);
        let value = wide(raw).or_else(|_| middle(raw)).or_else(|_| narrow(raw));
        value.map(Self).map_err(|_| UnexpectedLength(raw.len()).into())
    }

    fn accepts(of: &Type) -> bool {
        ColumnType::Integer.accepts(of.name())
    }
}

/// A time with or without a time zone, both in UTC. `None` for the infinities.
struct Time(Option<Timestamp>);

/// 2000-01-01T00:00:00Z, the server's epoch, in milliseconds of the Unix epoch.
const POSTGRES_EPOCH: i64 = 946_684_800_000;

impl<'r> FromSql<'r> for Time {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, ReadError> {
        let micros = raw.try_into().map(i64::from_be_bytes).map_err(|_| UnexpectedLength(raw.len()))?;
        let finite = Some(micros).filter(|micros| *micros != i64::MIN && *micros != i64::MAX);
        Ok(Self(finite.map(|micros| Timestamp::from_millis(micros.div_euclid(1000) + POSTGRES_EPOCH))))
    }

    fn accepts(of: &Type) -> bool {
        ColumnType::Time.accepts(of.name())
    }
}

/// A row as a type, with its columns, each `required` or `optional`.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $presence:ident $column:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type),+
        }

        impl $name {
            pub(crate) const COLUMNS: &'static [$crate::column::Column] = &[$($crate::column::Column {
                name: $column,
                data_type: <$type as $crate::column::Field>::TYPE,
                required: $crate::column::row!(@$presence),
            }),+];

            /// Reads a row that has exactly these columns, in this order.
            pub(crate) fn read(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
                let mut columns = 0..;
                let mut next = || columns.next().unwrap_or_default();
                Ok(Self { $($field: $crate::column::Field::read(row, next())?),+ })
            }
        }
    };
    (@required) => { true };
    (@optional) => { false };
}

pub(crate) use row;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_width_and_times_with_or_without_a_zone() {
        let number = |raw: &[u8]| Integer::from_sql(&Type::INT8, raw).map(|value| value.0).ok();
        assert_eq!(number(&(-2_i16).to_be_bytes()), Some(-2));
        assert_eq!(number(&70_000_i32.to_be_bytes()), Some(70_000));
        assert_eq!(number(&i64::MIN.to_be_bytes()), Some(i64::MIN));
        assert_eq!(number(&[0; 3]), None);
        let time = |micros: i64| Time::from_sql(&Type::TIMESTAMP, &micros.to_be_bytes()).unwrap().0;
        assert_eq!(time(0).unwrap().to_string(), "2000-01-01T00:00:00.000Z");
        assert_eq!(time(-1).unwrap().to_string(), "1999-12-31T23:59:59.999Z");
        assert_eq!([time(i64::MAX), time(i64::MIN)], [None, None]);
    }
}
