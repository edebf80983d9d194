//! The port `Tokens`.

use crate::contract::DatabaseFixture;
use crate::contract::support::at;
use crate::contract::tasks::{Task, at_once};
use crate::ports::NameTaken;
use crate::{NewToken, Scope, TokenDigest};

fn token(name: &str, digest: u8) -> NewToken {
    NewToken {
        name: name.to_owned(),
        owner: "root".to_owned(),
        admin: true,
        scope: Scope::ReadApi,
        expires_at: Some(at(5000)),
        digest: TokenDigest([digest; 32]),
    }
}

pub async fn a_token_is_kept_and_found(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let tokens = &store.tokens;
    let made = tokens.create(&token("ci", 1), at(100)).await.unwrap().unwrap();
    assert_eq!((made.made.clone(), made.created_at, made.revoked_at), (token("ci", 1), at(100), None));
    let forever = NewToken { admin: false, scope: Scope::Api, expires_at: None, ..token("b", 2) };
    let second = tokens.create(&forever, at(200)).await.unwrap().unwrap();
    assert_eq!(second.made, forever);
    assert_ne!(second.id, made.id);
    assert_eq!(tokens.find(&TokenDigest([1; 32])).await.unwrap(), Some(made.clone()));
    assert_eq!(tokens.find(&TokenDigest([9; 32])).await.unwrap(), None);
    assert_eq!(tokens.list().await.unwrap(), [second, made]);
    // A digest is never taken twice, under whatever name.
    assert!(tokens.create(&token("other", 1), at(300)).await.is_err());
}

pub async fn names_are_unique_until_revoked(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let tokens = &store.tokens;
    let first = tokens.create(&token("ci", 1), at(100)).await.unwrap().unwrap();
    assert_eq!(tokens.create(&token("ci", 2), at(200)).await.unwrap(), Err(NameTaken));
    assert_eq!(tokens.find(&TokenDigest([2; 32])).await.unwrap(), None);
    let revoked = tokens.revoke("ci", at(300)).await.unwrap().unwrap();
    assert_eq!((revoked.id, revoked.revoked_at), (first.id, Some(at(300))));
    assert_eq!(tokens.revoke("ci", at(400)).await.unwrap(), None);
    assert_eq!(tokens.revoke("nobody", at(400)).await.unwrap(), None);
    let second = tokens.create(&token("ci", 2), at(500)).await.unwrap().unwrap();
    // The revoked one is still there, and told apart.
    assert_eq!(tokens.find(&TokenDigest([1; 32])).await.unwrap(), Some(revoked.clone()));
    assert_eq!(tokens.list().await.unwrap(), [revoked, second]);
}

pub async fn of_two_at_once_one_gets_the_name(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let create = |digest| async move { store.tokens.create(&token("ci", digest), at(100)).await.unwrap() };
    let tries =
        (1..=8).map(|digest| -> Task<'_, bool> { Box::pin(async move { create(digest).await.is_ok() }) });
    assert_eq!(at_once(tries).await.into_iter().filter(|created| *created).count(), 1);
    assert_eq!(store.tokens.list().await.unwrap().len(), 1);
}
