//! What is wrong with the registry as a whole is never a finding about a repository, and *missing* is only what the registry
//! itself says is missing.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stocktake_domain::ports::ListError;
use stocktake_domain::{ContentError, NotJudged};
use stocktake_testbed::{Fault, FaultProxy, Registry};

use crate::support::*;

const PAGE: &str = "<html><body>Welcome</body></html>";

fn answer(status: u16, body: &str) -> Fault {
    let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
    Fault::Answer { status, headers, body: body.to_owned() }
}

/// Nothing is judged, and a look and a listing say the same.
async fn assert_closed(url: &str, part: &str, of_probe: &str) {
    let (store, begin) = (http(url), Instant::now());
    let reason = not_judged(inspect(&store, "image").await);
    assert!(reason.contains(part), "{reason}");
    let Err(NotJudged::Storage(reason)) = store.probe().await else { panic!("{part}") };
    assert!(reason.contains(of_probe), "{reason}");
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
    let listed = list(&store).await;
    assert!(matches!(&listed[..], [Err(ListError::Broken(_))]), "{listed:?}");
}

#[tokio::test]
async fn a_web_server_is_no_registry() {
    for (status, told) in [
        (404, "404 Not Found and no code of a registry"),
        (403, "access denied: the registry answers 403"),
        (401, "answers 401 without a challenge"),
        (400, "400 Bad Request and no code of a registry"),
        (200, "gives no list of tags"),
    ] {
        let server = FaultProxy::start("127.0.0.1:1", move |_| answer(status, PAGE)).unwrap();
        let of_probe = if status == 200 { "answers, and not as a registry" } else { told };
        assert_closed(&server.url(), told, of_probe).await;
    }
}

#[tokio::test]
async fn a_registry_that_fails_for_all_is_told_as_a_whole() {
    let server = FaultProxy::start("127.0.0.1:1", |_| answer(500, "")).unwrap();
    let told = "the registry answers 500";
    assert_closed(&server.url(), told, told).await;
}

#[tokio::test]
async fn a_registry_that_is_silent_is_told_in_seconds() {
    // Connections are taken, and nothing is ever answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let told = "does not answer within 8s";
    assert_closed(&format!("http://{}", silent.local_addr().unwrap()), told, told).await;
}

/// A registry with two images, and a proxy that does this to the answers once it is told to.
fn breakable(
    fault: impl Fn(&str) -> Fault + Send + Sync + 'static,
) -> (Registry, FaultProxy, Arc<AtomicBool>) {
    let registry = registry();
    for (seed, name) in [(1, "image"), (2, "other")] {
        registry.push_image(name, "1.0", true, &[&content(100_000, seed)]).unwrap();
    }
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let plan = move |asked: &stocktake_testbed::Asked| {
        if is_broken.load(Ordering::SeqCst) { fault(&asked.target) } else { Fault::None }
    };
    let proxy = FaultProxy::start(&registry.address().to_string(), plan).unwrap();
    (registry, proxy, broken)
}

#[tokio::test]
async fn a_registry_that_dies_under_a_reading_is_no_finding() {
    let faults: [fn(&str) -> Fault; 5] = [
        |_| answer(404, PAGE),
        |_| answer(200, PAGE),
        |_| answer(502, PAGE),
        |_| answer(403, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#),
        // The tags are listed, and nothing else is given.
        |target| if target.contains("/manifests/") { answer(404, PAGE) } else { Fault::None },
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (_registry, proxy, broken) = breakable(fault);
        let store = http(&proxy.url());
        assert!(inspect(&store, "image").await.is_ok());
        broken.store(true, Ordering::SeqCst);
        for name in ["other", "image"] {
            let seen = inspect(&store, name).await;
            assert!(
                matches!(seen, Err(ContentError::NotJudged(NotJudged::Storage(_)))),
                "{number}: {seen:?}"
            );
        }
        broken.store(false, Ordering::SeqCst);
        assert!(store.probe().await.is_ok());
        assert!(inspect(&store, "other").await.is_ok());
        // The registry's own word.
        assert_eq!(inspect(&store, "none").await, Err(ContentError::MissingRepository));
    }
}

#[tokio::test]
async fn what_is_denied_of_one_repository_is_a_finding_while_others_can_be_read() {
    let denied = |target: &str| {
        let is_it = target.contains("/other/");
        if is_it { answer(403, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#) } else { Fault::None }
    };
    let (_registry, proxy, broken) = breakable(denied);
    broken.store(true, Ordering::SeqCst);
    let store = http(&proxy.url());
    assert!(inspect(&store, "image").await.is_ok());
    let text = reason(inspect(&store, "other").await);
    assert_eq!(text, "access denied: the registry answers 403 Forbidden (DENIED: no)");
}
