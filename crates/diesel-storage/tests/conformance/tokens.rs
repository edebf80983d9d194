//! The port `Tokens`.

use stocktake_domain::ports::NameTaken;
use stocktake_domain::{NewToken, Scope, TokenDigest};

use crate::support::{Database, at};

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

pub(crate) async fn a_token_is_kept_and_found(db: &Database) {
    let tokens = &db.store.tokens;
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

pub(crate) async fn names_are_unique_until_revoked(db: &Database) {
    let tokens = &db.store.tokens;
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

pub(crate) async fn of_two_at_once_one_gets_the_name(db: &Database) {
    let tries = (1..=8).map(|digest| {
        let store = db.store.clone();
        tokio::spawn(async move { store.tokens.create(&token("ci", digest), at(100)).await.unwrap().is_ok() })
    });
    let mut made = 0;
    for one in tries.collect::<Vec<_>>() {
        made += u32::from(one.await.unwrap());
    }
    assert_eq!(made, 1);
    assert_eq!(db.store.tokens.list().await.unwrap().len(), 1);
}
