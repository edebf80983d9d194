//! Queries about tokens that are not ours, and how many are under way.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use stocktake_domain::Scope;
use stocktake_domain::contract::ManualClock;
use tokio::sync::Notify;

use super::*;

fn identity() -> Identity {
    let (username, name) = ("ada".to_owned(), "Ada Lovelace".to_owned());
    Identity { id: 42, username, name, admin: true, scope: Some(Scope::Api) }
}

/// Answers once it is let go on, and counts how often it was asked.
#[derive(Default)]
struct HeldAuthority {
    asked: AtomicUsize,
    go_on: Notify,
    knows: bool,
}

#[async_trait]
impl Authority for HeldAuthority {
    async fn identify(&self, _: &Credential) -> Result<Option<Identity>, AuthorityError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.go_on.notified().await;
        Ok(self.knows.then(identity))
    }
}

fn tokens(authority: &Arc<HeldAuthority>) -> ExternalTokens {
    let authority: Arc<dyn Authority> = Arc::<HeldAuthority>::clone(authority);
    ExternalTokens::new(authority, Arc::<ManualClock>::default())
}

fn request_with(token: &[u8]) -> AuthRequest<'_> {
    let address = IpAddr::from([192, 0, 2, 1]);
    AuthRequest { credentials: Credentials::Bearer(token.into()), address, now: Timestamp::from_millis(0) }
}

#[actix_web::test]
async fn who_asks_about_the_same_token_meanwhile_shares_the_query() {
    let authority = Arc::new(HeldAuthority { knows: true, ..HeldAuthority::default() });
    let (tokens, throttle) = (tokens(&authority), Throttle::new(3));
    let asked = || authority.asked.load(Ordering::SeqCst);
    let request = request_with(b"a");
    let mut waiting = [(); 3].map(|()| Box::pin(tokens.identify(&request, &throttle)));
    for query in &mut waiting {
        assert!(query.now_or_never().is_none());
    }
    assert_eq!(asked(), 1);
    // If the one that asks gives up, another begins anew.
    let [first, mut second, mut third] = waiting;
    drop(first);
    assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
    assert_eq!(asked(), 2);
    authority.go_on.notify_one();
    assert_eq!(second.await.unwrap().as_deref(), Some(&identity()));
    assert_eq!(third.await.unwrap().as_deref(), Some(&identity()));
    assert_eq!(asked(), 2);
}

#[actix_web::test]
async fn of_many_wrong_tokens_at_once_few_are_passed_on() {
    tokio::time::pause();
    let authority = Arc::new(HeldAuthority::default());
    let (tokens, throttle) = (tokens(&authority), Throttle::new(3));
    let asked = || authority.asked.load(Ordering::SeqCst);
    let texts: Vec<_> = (0..QUERIES + 5).map(|number| number.to_string()).collect();
    let requests: Vec<_> = texts.iter().map(|text| request_with(text.as_bytes())).collect();
    let mut early: Vec<_> =
        requests.iter().map(|request| Box::pin(tokens.identify(request, &throttle))).collect();
    for query in &mut early {
        assert!(query.now_or_never().is_none());
    }
    assert_eq!(asked(), QUERIES);
    let mut late = early.split_off(QUERIES);
    for (request, query) in requests.iter().zip(early) {
        authority.go_on.notify_one();
        assert_eq!(query.await.unwrap(), None);
        throttle.count_wrong(request.address, request.now);
    }
    for query in &mut late {
        assert!(query.now_or_never().is_none());
    }
    assert_eq!(asked(), QUERIES + THROTTLED_QUERIES);
    for query in late.split_off(THROTTLED_QUERIES) {
        assert!(matches!(query.await, Err(SignInError::Throttled { .. })));
    }
    for query in late {
        authority.go_on.notify_one();
        assert_eq!(query.await.unwrap(), None);
    }
    assert_eq!(asked(), QUERIES + THROTTLED_QUERIES);
}
