//! The port `Tokens`.

use async_trait::async_trait;

use super::tables::Tables;
use super::{MemoryStore, refused, storable};
use crate::ports::{NameTaken, StoreError, Tokens};
use crate::token::{NewToken, Token, TokenDigest, TokenId};

#[async_trait]
impl Tokens for MemoryStore {
    async fn create(&self, token: &NewToken) -> Result<Result<Token, NameTaken>, StoreError> {
        let now = self.now();
        storable(&token.name, "name")?;
        storable(&token.owner, "owner")?;
        let create = |tables: &mut Tables| {
            if tables.tokens.iter().any(|known| known.made.digest == token.digest) {
                return Err(refused("a token with this digest exists".to_owned()));
            }
            if tables.tokens.iter().any(|known| known.revoked_at.is_none() && known.made.name == token.name) {
                return Ok(Err(NameTaken));
            }
            let id = TokenId(i64::try_from(tables.tokens.len()).unwrap_or(i64::MAX).saturating_add(1));
            let token = Token { id, made: token.clone(), created_at: now, revoked_at: None };
            tables.tokens.push(token.clone());
            Ok(Ok(token))
        };
        self.step(create).await
    }

    async fn list(&self) -> Result<Vec<Token>, StoreError> {
        let mut tokens = self.step(|tables: &mut Tables| tables.tokens.clone()).await;
        tokens.sort_by(|a, b| a.made.name.cmp(&b.made.name));
        Ok(tokens)
    }

    async fn revoke(&self, name: &str) -> Result<Option<Token>, StoreError> {
        let now = self.now();
        storable(name, "name")?;
        let revoke = |tables: &mut Tables| {
            let mut valid = tables.tokens.iter_mut().filter(|token| token.revoked_at.is_none());
            let token = valid.find(|token| token.made.name == name)?;
            token.revoked_at = Some(now);
            Some(token.clone())
        };
        Ok(self.step(revoke).await)
    }

    async fn find(&self, digest: &TokenDigest) -> Result<Option<Token>, StoreError> {
        let find =
            |tables: &mut Tables| tables.tokens.iter().find(|token| token.made.digest == *digest).cloned();
        Ok(self.step(find).await)
    }
}
