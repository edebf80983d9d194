//! The database's errors as errors of the port.

use std::error::Error as _;

use stocktake_domain::ports::SourceError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// The settings or the database have to be changed.
pub(crate) fn refused(why: impl Into<String>) -> SourceError {
    SourceError::Refused(why.into(), None)
}

/// No answer within the time-out.
pub(crate) fn timed_out() -> SourceError {
    SourceError::Unavailable("the database did not answer in time".into())
}

/// Distinguishes errors that persist (privileges, names, passwords) from those that may pass.
pub(crate) fn source_error(error: Error) -> SourceError {
    let persistent = error.code().is_some_and(is_persistent);
    // A value of another type than the probed schema has: without a code, as it is not an error of the server.
    let unexpected =
        error.code().is_none() && error.source().is_some_and(<dyn std::error::Error>::is::<UnexpectedLength>);
    if persistent || unexpected {
        let text = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        return SourceError::Refused(text, Some(Box::new(error)));
    }
    SourceError::Unavailable(Box::new(error))
}

/// A value whose length does not fit the type in the schema.
#[derive(Debug, thiserror::Error)]
#[error("a value has {0} bytes, which does not fit its column's type")]
pub(crate) struct UnexpectedLength(pub(crate) usize);

/// Classes 22 (data), 28 (authorization), 3D (no such database), 42 (privileges, tables and columns).
fn is_persistent(code: &SqlState) -> bool {
    ["22", "28", "3D", "42"].iter().any(|class| code.code().starts_with(class))
}

/// Whether the schema has changed since it was probed.
pub(crate) fn is_drift(error: &SourceError) -> bool {
    let SourceError::Refused(_, Some(source)) = error else { return false };
    let code = source.downcast_ref::<Error>().and_then(Error::code);
    code.is_some_and(|code| code.code().starts_with("42"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_persist() {
        assert!(is_persistent(&SqlState::INSUFFICIENT_PRIVILEGE));
        assert!(is_persistent(&SqlState::INVALID_PASSWORD));
        assert!(is_persistent(&SqlState::UNDEFINED_COLUMN));
        assert!(!is_persistent(&SqlState::QUERY_CANCELED));
        assert!(!is_persistent(&SqlState::T_R_SERIALIZATION_FAILURE));
        assert!(!is_persistent(&SqlState::ADMIN_SHUTDOWN));
    }
}
