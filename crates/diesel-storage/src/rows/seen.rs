//! How a record is seen, which its row alone does not tell.

use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::sql_types::SmallInt;

/// How a record is seen, as [`crate::queries::seen`] reads it: as its row says, held by a lease, marked, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromSqlRow)]
pub(crate) struct Seen(i16);

impl Seen {
    const STARTED: i16 = 1;
    const MARKED: i16 = 2;

    /// The condition on the code of one that some lease holds.
    pub(crate) const IS_STARTED: &'static str = "IN (1, 3)";

    /// The condition on the code of one that no lease holds.
    pub(crate) const IS_NOT_STARTED: &'static str = "IN (0, 2)";

    /// That of a record that no lease holds and no mark is on.
    pub(crate) const STORED: Self = Self(0);

    /// That of a marked record that no lease holds.
    pub(crate) const PENDING_BY_MARK: Self = Self(Self::MARKED);

    /// The same of a record that some lease holds now.
    #[must_use]
    pub(crate) fn claimed(self) -> Self {
        Self(self.0 | Self::STARTED)
    }

    /// The code in SQL.
    pub(crate) fn code(self) -> i16 {
        self.0
    }

    /// Whether some lease holds it.
    pub(crate) fn is_started(self) -> bool {
        self.0 & Self::STARTED != 0
    }

    /// Whether it is marked: see [`crate::marks`].
    pub(crate) fn is_marked(self) -> bool {
        self.0 & Self::MARKED != 0
    }
}

impl<DB: Backend> FromSql<SmallInt, DB> for Seen
where
    i16: FromSql<SmallInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        i16::from_sql(bytes).map(Self)
    }
}
