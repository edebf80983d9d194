//! The port `Sessions`.

use async_trait::async_trait;

use super::tables::Tables;
use super::{MemoryStore, refused};
use crate::ports::{Sessions, StoreError};
use crate::session::{NewSession, Session, SessionDigest, SessionTerms};

#[async_trait]
impl Sessions for MemoryStore {
    async fn begin(&self, session: &NewSession) -> Result<(), StoreError> {
        let now = self.now();
        let begin = |tables: &mut Tables| {
            if tables.sessions.contains_key(&session.digest) {
                return Err(refused("a session with this digest exists".to_owned()));
            }
            let kept = Session { token: session.token.clone(), began_at: now, used_at: now };
            tables.sessions.insert(session.digest, kept);
            Ok(())
        };
        self.step(begin).await
    }

    async fn find(&self, digest: &SessionDigest, terms: SessionTerms) -> Result<Option<Session>, StoreError> {
        let now = self.now();
        let found = self.step(|tables: &mut Tables| tables.sessions.get(digest).cloned()).await;
        Ok(found.filter(|session| !session.is_over(terms, now)))
    }

    async fn touch(&self, digest: &SessionDigest) -> Result<(), StoreError> {
        let now = self.now();
        let touch = |tables: &mut Tables| {
            if let Some(session) = tables.sessions.get_mut(digest) {
                session.used_at = now;
            }
        };
        self.step(touch).await;
        Ok(())
    }

    async fn end(&self, digest: &SessionDigest) -> Result<(), StoreError> {
        self.step(|tables: &mut Tables| tables.sessions.remove(digest)).await;
        Ok(())
    }

    async fn delete_ended(&self, terms: SessionTerms) -> Result<u64, StoreError> {
        let now = self.now();
        let delete = |tables: &mut Tables| {
            let before = tables.sessions.len();
            tables.sessions.retain(|_, session| !session.is_over(terms, now));
            before - tables.sessions.len()
        };
        Ok(u64::try_from(self.step(delete).await).unwrap_or(u64::MAX))
    }
}
