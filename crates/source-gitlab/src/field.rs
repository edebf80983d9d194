//! Rows as types: which columns there must be, and how each is read.

use stocktake_domain::Timestamp;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Error, Row};

use crate::error::Unreadable;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Text,
    Bytes,
    Boolean,
    Time,
}

impl Kind {
    /// Whether a column of this type can be read so; the name is `pg_type.typname`.
    pub(crate) fn accepts(self, type_name: &str) -> bool {
        match self {
            Self::Integer => matches!(type_name, "int2" | "int4" | "int8"),
            Self::Text => matches!(type_name, "text" | "varchar" | "bpchar"),
            Self::Bytes => type_name == "bytea",
            Self::Boolean => type_name == "bool",
            Self::Time => matches!(type_name, "timestamp" | "timestamptz"),
        }
    }

    /// What stands for a column that is not there.
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
    pub(crate) kind: Kind,
    /// Without it, nothing can be said of the row. Others are NULL where they do not exist.
    pub(crate) needed: bool,
}

/// A value of a row.
pub(crate) trait Field: Sized {
    const KIND: Kind;

    fn read(row: &Row, index: usize) -> Result<Self, Error>;
}

impl Field for i64 {
    const KIND: Kind = Kind::Integer;

    fn read(row: &Row, index: usize) -> Result<Self, Error> {
        row.try_get::<_, Integer>(index).map(|value| value.0)
    }
}

impl Field for Option<i64> {
    const KIND: Kind = Kind::Integer;

    fn read(row: &Row, index: usize) -> Result<Self, Error> {
        Ok(row.try_get::<_, Option<Integer>>(index)?.map(|value| value.0))
    }
}

impl Field for Option<Timestamp> {
    const KIND: Kind = Kind::Time;

    fn read(row: &Row, index: usize) -> Result<Self, Error> {
        Ok(row.try_get::<_, Option<Time>>(index)?.and_then(|value| value.0))
    }
}

macro_rules! native_fields {
    ($($type:ty, $kind:ident);+ $(;)?) => {
        $(impl Field for Option<$type> {
            const KIND: Kind = Kind::$kind;

            fn read(row: &Row, index: usize) -> Result<Self, Error> {
                row.try_get(index)
            }
        })+
    };
}

native_fields! { String, Text; Vec<u8>, Bytes; bool, Boolean }

/// A whole number of any width: GitLab widens its columns as time goes by.
struct Integer(i64);

type Raw<'r> = &'r [u8];
type Misread = Box<dyn std::error::Error + Sync + Send>;

impl<'r> FromSql<'r> for Integer {
    fn from_sql(_: &Type, raw: Raw<'r>) -> Result<Self, Misread> {
        let narrow = |raw: Raw<'_>| raw.try_into().map(i16::from_be_bytes).map(i64::from);
        let middle = |raw: Raw<'_>| raw.try_into().map(i32::from_be_bytes).map(i64::from);
        let wide = |raw: Raw<'_>| raw.try_into().map(i64::from_be_bytes);
        let value = wide(raw).or_else(|_| middle(raw)).or_else(|_| narrow(raw));
        value.map(Self).map_err(|_| Unreadable(raw.len()).into())
    }

    fn accepts(of: &Type) -> bool {
        Kind::Integer.accepts(of.name())
    }
}

/// A time with or without a zone: both are kept as UTC. `None` for the infinities.
struct Time(Option<Timestamp>);

/// 2000-01-01T00:00:00Z, from which the server counts, in milliseconds of ours.
const SERVERS_EPOCH: i64 = 946_684_800_000;

impl<'r> FromSql<'r> for Time {
    fn from_sql(_: &Type, raw: Raw<'r>) -> Result<Self, Misread> {
        let micros = raw.try_into().map(i64::from_be_bytes).map_err(|_| Unreadable(raw.len()))?;
        let finite = Some(micros).filter(|micros| *micros != i64::MIN && *micros != i64::MAX);
        Ok(Self(finite.map(|micros| Timestamp::from_millis(micros.div_euclid(1000) + SERVERS_EPOCH))))
    }

    fn accepts(of: &Type) -> bool {
        Kind::Time.accepts(of.name())
    }
}

/// A row as a type, with its columns: `must` for needed ones, `may` for others.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $need:ident $column:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type),+
        }

        impl $name {
            pub(crate) const COLUMNS: &'static [$crate::field::Column] = &[$($crate::field::Column {
                name: $column,
                kind: <$type as $crate::field::Field>::KIND,
                needed: $crate::field::row!(@$need),
            }),+];

            /// Of a row that has just these columns, in this order.
            pub(crate) fn read(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
                let mut columns = 0..;
                let mut next = || columns.next().unwrap_or_default();
                Ok(Self { $($field: $crate::field::Field::read(row, next())?),+ })
            }
        }
    };
    (@must) => { true };
    (@may) => { false };
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
