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
    let made = store.as_of(at(100)).tokens.create(&token("ci", 1)).await.unwrap().unwrap();
    assert_eq!((made.made.clone(), made.created_at, made.revoked_at), (token("ci", 1), at(100), None));
    let forever = NewToken { admin: false, scope: Scope::Api, expires_at: None, ..token("b", 2) };
    let second = store.as_of(at(200)).tokens.create(&forever).await.unwrap().unwrap();
    assert_eq!(second.made, forever);
    assert_ne!(second.id, made.id);
    assert_eq!(tokens.find(&TokenDigest([1; 32])).await.unwrap(), Some(made.clone()));
    assert_eq!(tokens.find(&TokenDigest([9; 32])).await.unwrap(), None);
    assert_eq!(tokens.list().await.unwrap(), [second, made]);
    // A digest is never taken twice, under whatever name.
    assert!(store.as_of(at(300)).tokens.create(&token("other", 1)).await.is_err());
}

pub async fn names_are_unique_until_revoked(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let tokens = &store.tokens;
    let first = store.as_of(at(100)).tokens.create(&token("ci", 1)).await.unwrap().unwrap();
    assert_eq!(store.as_of(at(200)).tokens.create(&token("ci", 2)).await.unwrap(), Err(NameTaken));
    assert_eq!(tokens.find(&TokenDigest([2; 32])).await.unwrap(), None);
    let revoked = store.as_of(at(300)).tokens.revoke("ci").await.unwrap().unwrap();
    assert_eq!((revoked.id, revoked.revoked_at), (first.id, Some(at(300))));
    assert_eq!(store.as_of(at(400)).tokens.revoke("ci").await.unwrap(), None);
    assert_eq!(store.as_of(at(400)).tokens.revoke("nobody").await.unwrap(), None);
    let second = store.as_of(at(500)).tokens.create(&token("ci", 2)).await.unwrap().unwrap();
    // The revoked one is still there, and told apart.
    assert_eq!(tokens.find(&TokenDigest([1; 32])).await.unwrap(), Some(revoked.clone()));
    assert_eq!(tokens.list().await.unwrap(), [revoked, second]);
}

pub async fn of_two_at_once_one_gets_the_name(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let create =
        |digest| async move { store.as_of(at(100)).tokens.create(&token("ci", digest)).await.unwrap() };
    let tries =
        (1..=8).map(|digest| -> Task<'_, bool> { Box::pin(async move { create(digest).await.is_ok() }) });
    assert_eq!(at_once(tries).await.into_iter().filter(|created| *created).count(), 1);
    assert_eq!(store.tokens.list().await.unwrap().len(), 1);
}
