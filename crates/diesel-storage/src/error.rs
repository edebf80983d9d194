//! What can go wrong between a query and the ports' [`StoreError`].

use diesel::result::{DatabaseErrorKind, Error};
use stocktake_domain::ports::{Outage, StoreError, Unavailable};

/// What went wrong in a unit of work, before it is known what that means to the caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    /// The database refused a statement.
    #[error(transparent)]
    Query(#[from] Error),
    /// The stored or given data cannot be, or cannot be stored.
    #[error("{0}")]
    Data(String),
    /// The database cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// The database answers, but takes no connection for the time being.
    #[error("{0}")]
    Busy(String),
    /// The database does not answer in time. Its connection is of no use any more.
    #[error("{0}")]
    Silent(String),
    /// The schema is not the one this program needs.
    #[error("{0}")]
    Schema(String),
}

impl DbError {
    /// Data that cannot be: the text says what was found.
    pub(crate) fn data(what: impl Into<String>) -> Self {
        Self::Data(what.into())
    }

    /// The outage that caused it, as far as the error alone says.
    pub(crate) fn outage(&self) -> Option<Outage> {
        match self {
            Self::Unavailable(_) | Self::Busy(_) | Self::Query(Error::BrokenTransactionManager) => {
                Some(Outage::Unreachable)
            }
            Self::Query(Error::DatabaseError(kind, _)) => match kind {
                DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
                    Some(Outage::Unreachable)
                }
                DatabaseErrorKind::ReadOnlyTransaction => Some(Outage::ReadOnly),
                DatabaseErrorKind::SerializationFailure => Some(Outage::Contended),
                _ => None,
            },
            Self::Silent(_) => Some(Outage::Silent),
            Self::Query(_) | Self::Data(_) | Self::Schema(_) => None,
        }
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Schema(what) => Self::Schema(what),
            error => match error.outage() {
                Some(outage) => Self::Unavailable(Unavailable::new(outage, error)),
                None => Self::Internal(error.into()),
            },
        }
    }
}

/// Refuses a schema with a migration that this program does not know.
pub(crate) fn refuse_unknown(
    known: &[String],
    applied: impl IntoIterator<Item = String>,
) -> Result<(), DbError> {
    match applied.into_iter().find(|version| !known.contains(version)) {
        Some(version) => Err(DbError::Schema(format!(
            "migration {version} is of a newer version of this program, which must be used for this database"
        ))),
        None => Ok(()),
    }
}

/// Whether the database answers, but takes no connection for the time being: a server that has none free, starts or stops.
/// That passes by itself.
pub fn is_busy(error: &StoreError) -> bool {
    let StoreError::Unavailable(Unavailable { cause, .. }) = error else { return false };
    matches!(cause.downcast_ref(), Some(DbError::Busy(_)))
}

/// The disk or the file of an embedded database does not let it work, for this reason.
pub(crate) fn unusable(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(Unavailable::new(Outage::Disk, reason.to_string()))
}

/// The database cannot be reached, for this reason.
pub(crate) fn unavailable(reason: impl std::fmt::Display) -> StoreError {
    DbError::Unavailable(reason.to_string()).into()
}
