//! What a database says, as the port's errors.

use std::error::Error as _;

use stocktake_domain::ports::SourceError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// The settings or the database are not as they must be.
pub(crate) fn refused(why: impl Into<String>) -> SourceError {
    SourceError::Refused(why.into(), None)
}

/// No answer in time.
pub(crate) fn silent() -> SourceError {
    SourceError::Unavailable("the database did not answer in time".into())
}

/// Tells what waiting does not mend (rights, names, passwords) from all the rest.
pub(crate) fn told(error: Error) -> SourceError {
    let lasting = error.code().is_some_and(is_lasting);
    // A value of another type than the schema was seen to have: no code, as the server did not say it.
    let unread =
        error.code().is_none() && error.source().is_some_and(<dyn std::error::Error>::is::<Unreadable>);
    if lasting || unread {
        let text = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        return SourceError::Refused(text, Some(Box::new(error)));
    }
    SourceError::Unavailable(Box::new(error))
}

/// A value that is not of the type that the schema names.
#[derive(Debug, thiserror::Error)]
#[error("a value of {0} bytes where there is none of this length")]
pub(crate) struct Unreadable(pub(crate) usize);

/// Classes 22 (data), 28 (who may come in), 3D (no such database), 42 (rights, tables and columns).
fn is_lasting(code: &SqlState) -> bool {
    ["22", "28", "3D", "42"].iter().any(|class| code.code().starts_with(class))
}

/// Whether the schema is no longer what it was when it was looked at.
pub(crate) fn is_drift(error: &SourceError) -> bool {
    let SourceError::Refused(_, Some(source)) = error else { return false };
    let code = source.downcast_ref::<Error>().and_then(Error::code);
    code.is_some_and(|code| code.code().starts_with("42"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waiting_does_not_mend() {
        assert!(is_lasting(&SqlState::INSUFFICIENT_PRIVILEGE));
        assert!(is_lasting(&SqlState::INVALID_PASSWORD));
        assert!(is_lasting(&SqlState::UNDEFINED_COLUMN));
        assert!(!is_lasting(&SqlState::QUERY_CANCELED));
        assert!(!is_lasting(&SqlState::T_R_SERIALIZATION_FAILURE));
        assert!(!is_lasting(&SqlState::ADMIN_SHUTDOWN));
    }
}
