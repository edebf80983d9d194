//! Sessions, where all processes on one database see them.

use async_trait::async_trait;

use super::StoreError;
use crate::session::{NewSession, Session, SessionDigest, SessionTerms};

/// The sessions of those who signed in.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Keeps a session, which begins now. A digest is never taken twice.
    async fn begin(&self, session: &NewSession) -> Result<(), StoreError>;

    /// The session with this digest; `None` if there is none, or it is over ([`Session::is_over`]). Whether its token still
    /// counts is not looked at.
    async fn find(&self, digest: &SessionDigest, terms: SessionTerms) -> Result<Option<Session>, StoreError>;

    /// Notes that the session is used now, so that it is not idle. One that has ended stays so.
    async fn touch(&self, digest: &SessionDigest) -> Result<(), StoreError>;

    /// Ends the session. Ending what there is not is no error.
    async fn end(&self, digest: &SessionDigest) -> Result<(), StoreError>;

    /// Deletes all sessions that are over. Returns how many.
    async fn delete_ended(&self, terms: SessionTerms) -> Result<u64, StoreError>;
}
