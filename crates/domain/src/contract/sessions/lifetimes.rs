//! The port `Sessions`.

use std::time::Duration;

use crate::contract::DatabaseFixture;
use crate::contract::support::at;
use crate::{NewSession, Session, SessionDigest, SessionTerms, SessionToken, TokenDigest};

const TERMS: SessionTerms =
    SessionTerms { idle: Duration::from_millis(100), longest: Duration::from_millis(250) };

fn digest(byte: u8) -> SessionDigest {
    SessionDigest([byte; 32])
}

fn own(byte: u8) -> NewSession {
    NewSession { digest: digest(byte), token: SessionToken::Own(TokenDigest([byte; 32])) }
}

pub async fn a_session_is_kept_with_its_token(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let sealed = SessionToken::Sealed((0..=255).cycle().take(SessionToken::MAX_SEALED).collect());
    let other = NewSession { digest: digest(2), token: sealed.clone() };
    let sessions = &store.as_of(at(1000)).sessions;
    sessions.begin(&own(1)).await.unwrap();
    sessions.begin(&other).await.unwrap();
    let kept = |token| Some(Session { token, began_at: at(1000), used_at: at(1000) });
    assert_eq!(sessions.find(&digest(1), TERMS).await.unwrap(), kept(own(1).token));
    let elsewhere = db.reopen().await.sessions;
    assert_eq!(elsewhere.find(&digest(2), TERMS).await.unwrap(), kept(sealed));
    assert_eq!(sessions.find(&digest(3), TERMS).await.unwrap(), None);
    // A digest is never taken twice.
    assert!(sessions.begin(&own(1)).await.is_err());
}

pub async fn a_session_ends_unused_and_at_last_in_any_case(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let found = |millis| async move {
        store.as_of(at(millis)).sessions.find(&digest(1), TERMS).await.unwrap().is_some()
    };
    store.as_of(at(1000)).sessions.begin(&own(1)).await.unwrap();
    assert!(found(1099).await);
    assert!(!found(1100).await);
    // Looking at it is no use of it, and nor is it over for good.
    store.as_of(at(1099)).sessions.touch(&digest(1)).await.unwrap();
    assert!(found(1198).await);
    store.as_of(at(1198)).sessions.touch(&digest(1)).await.unwrap();
    assert!(found(1249).await);
    assert!(!found(1250).await);
}

pub async fn a_session_that_was_ended_stays_so(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let sessions = &store.as_of(at(1000)).sessions;
    sessions.begin(&own(1)).await.unwrap();
    sessions.begin(&own(2)).await.unwrap();
    sessions.end(&digest(1)).await.unwrap();
    sessions.touch(&digest(1)).await.unwrap();
    sessions.end(&digest(1)).await.unwrap();
    assert_eq!(sessions.find(&digest(1), TERMS).await.unwrap(), None);
    assert!(sessions.find(&digest(2), TERMS).await.unwrap().is_some());
}

pub async fn only_what_is_over_is_deleted(db: &dyn DatabaseFixture) {
    let store = db.ports();
    for (byte, millis) in [(1, 1000), (2, 1050), (3, 1100)] {
        store.as_of(at(millis)).sessions.begin(&own(byte)).await.unwrap();
    }
    store.as_of(at(1100)).sessions.touch(&digest(1)).await.unwrap();
    let sessions = &store.as_of(at(1150)).sessions;
    assert_eq!(sessions.delete_ended(TERMS).await.unwrap(), 1);
    assert_eq!(sessions.delete_ended(TERMS).await.unwrap(), 0);
    for (byte, is_there) in [(1, true), (2, false), (3, true)] {
        let found = sessions.find(&digest(byte), TERMS).await.unwrap();
        assert_eq!(found.is_some(), is_there, "{byte}");
    }
    // The longest time counts too: the first began 250 ms ago, and was used since.
    store.as_of(at(1190)).sessions.touch(&digest(1)).await.unwrap();
    store.as_of(at(1190)).sessions.touch(&digest(3)).await.unwrap();
    assert_eq!(store.as_of(at(1250)).sessions.delete_ended(TERMS).await.unwrap(), 1);
    assert!(store.sessions.find(&digest(3), TERMS).await.unwrap().is_some());
}

pub async fn a_session_from_the_future_is_over(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let later = at(1_000_000_000);
    store.as_of(later).sessions.begin(&own(1)).await.unwrap();
    let sessions = &store.as_of(at(1000)).sessions;
    assert_eq!(sessions.find(&digest(1), TERMS).await.unwrap(), None);
    assert_eq!(sessions.delete_ended(TERMS).await.unwrap(), 1);
    assert_eq!(store.as_of(later).sessions.find(&digest(1), TERMS).await.unwrap(), None);
}
