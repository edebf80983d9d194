//! Errors and what caused them.

use std::error::Error;
use std::fmt;
use std::io;

/// Displays an error followed by its causes in one line, separated by colons.
#[derive(Debug, Clone, Copy)]
pub struct ErrorChain<'a>(pub &'a dyn Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The error, then its causes, down to the first one.
///
/// Unlike [`Error::source`], this also sees the error that an [`io::Error`] was made from.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

/// The innermost cause, which is usually the one that names what went wrong; the error itself if it has none.
pub fn root_cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}

/// The first error of type `T` among the error and its causes.
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("certificate expired")]
    struct Inner;

    #[test]
    fn the_chain_is_one_line() {
        let error = Outer(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(ErrorChain(&error).to_string(), "cannot connect: connection refused");
        assert_eq!(ErrorChain(&Inner).to_string(), "certificate expired");
    }

    #[test]
    fn causes_inside_io_errors_are_found() {
        let error = Outer(io::Error::other(Inner));
        assert!(find::<Inner>(&error).is_some() && find::<fmt::Error>(&error).is_none());
        assert!(root_cause(&error).is::<Inner>());
        assert_eq!(causes(&error).count(), 3);
        assert!(root_cause(&Inner).is::<Inner>());
    }
}
