//! The suite of `Authority`.

use std::any::Any;
use std::sync::Arc;

use crate::ports::{Authority, Credential};

/// An authority that knows one token.
pub struct AuthorityFixture {
    /// The authority.
    pub authority: Arc<dyn Authority>,
    /// The token of an administrator, in a header in which the authority takes it.
    pub administrator: Credential,
    /// A token of nobody.
    pub unknown: Credential,
    /// What must live as long as the authority: its server.
    pub keep: Box<dyn Any + Send + Sync>,
}

pub mod tokens {
    //! Identifying tokens.

    use super::AuthorityFixture;

    pub async fn an_unknown_token_is_nobody(fixture: &AuthorityFixture) {
        assert_eq!(fixture.authority.identify(&fixture.unknown).await.unwrap(), None);
    }

    pub async fn an_administrator_is_the_same_each_time(fixture: &AuthorityFixture) {
        let identity = fixture.authority.identify(&fixture.administrator).await.unwrap().unwrap();
        assert!(identity.admin && identity.scope.is_some());
        assert_eq!(fixture.authority.identify(&fixture.administrator).await.unwrap(), Some(identity));
    }
}
