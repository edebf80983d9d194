//! What is wrong with the storage as a whole is never a finding about an object, and *missing* is only what the service
//! itself says is missing.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use stocktake_content_objects::{Mode, ObjectSettings, ObjectStorage, Service};
use stocktake_domain::ports::{ContentStore as _, ListError};
use stocktake_domain::{ContentError, NotJudged};
use stocktake_testbed::Fault;

use crate::support::{
    Lab, answer, assert_good, azure, bare_answer, google, impatient, inspect, list, not_judged, s3, service,
    settings, storage, unreadable,
};

/// A storage of each service at this address, in both modes.
fn storages(url: &str) -> Vec<ObjectStorage> {
    let services = || [Service::S3(s3(url)), google(url.to_owned()), azure(url.to_owned())];
    let of = |mode| services().map(|service| impatient(ObjectSettings { service, mode, ..settings("") }));
    of(Mode::Content).into_iter().chain(of(Mode::Metadata)).collect()
}

async fn assert_closed(storage: &ObjectStorage, part: &str) {
    let begin = Instant::now();
    let reason = not_judged(storage, "a").await;
    assert!(reason.contains(part), "{storage:?}: {reason}");
    let Err(NotJudged::Storage(reason)) = storage.probe().await else { panic!("{storage:?}") };
    assert!(reason.contains(part), "{storage:?}: {reason}");
    assert!(begin.elapsed() < Duration::from_secs(15), "{storage:?}: {:?}", begin.elapsed());
}

async fn assert_unlisted(storage: &ObjectStorage, part: &str) {
    let listed = list(storage).await;
    assert!(matches!(&listed[..], [Err(ListError::Broken(reason))] if reason.contains(part)), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_is_no_object_storage() {
    let page = "<html><body>Welcome</body></html>";
    for (status, told) in [(404, "answers 404 and no code of"), (403, "answers 403 and no code of")] {
        let server = service(move |_| bare_answer(status, &[("Content-Type", "text/html")], page));
        for storage in storages(&server.url()) {
            // Without a word of the service, a refusal may also be of this object: the listing tells.
            assert_closed(&storage, told).await;
            assert_unlisted(&storage, told).await;
        }
    }
    // Even if it answers everything, and knows ranges.
    for status in [200, 206] {
        let headers = [("Content-Type", "text/html"), ("Content-Range", "bytes 0-32/33")];
        let server = service(move |_| bare_answer(status, &headers, page));
        for storage in storages(&server.url()) {
            assert_closed(&storage, "that cannot be read").await;
            assert_unlisted(&storage, "that cannot be read").await;
        }
    }
    let server = service(|_| bare_answer(302, &[("Location", "/login")], ""));
    for storage in storages(&server.url()) {
        assert_closed(&storage, " is not at ").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_or_silent_is_told_soon() {
    // No port that is given to whoever asks for any, so that nobody listens there.
    let nobody = "127.0.0.1:1";
    for storage in storages(&format!("http://{nobody}")) {
        assert_closed(&storage, "Connection refused").await;
        assert_unlisted(&storage, "Connection refused").await;
    }
    // Connections are taken, and nothing is ever answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for storage in storages(&format!("http://{}", silent.local_addr().unwrap())) {
        assert_closed(&storage, "does not answer within").await;
    }
    let unknown = storages("http://stocktake.invalid");
    assert_closed(&unknown[0], "connection to stocktake.invalid: ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_dies_under_a_reading_closes_the_storage() {
    let lab = Lab::new();
    for number in 0..20 {
        lab.put(&number.to_string(), b"content");
    }
    let dying = lab.proxy(|asked| if asked.number < 10 { Fault::None } else { bare_answer(404, &[], "") });
    let storage = impatient(settings(&dying.url()));
    for number in 0..20 {
        match inspect(&storage, &number.to_string()).await {
            Ok(_) => assert!(number < 10),
            Err(ContentError::NotJudged(NotJudged::Storage(_))) => assert!(number >= 10),
            Err(other) => panic!("{number}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_services_own_word_makes_an_object_missing() {
    let s3_word = "<Error><Code>NoSuchKey</Code></Error>";
    let azure_word = [("x-ms-error-code", "BlobNotFound")];
    let server = service(move |_| answer(404, &azure_word, s3_word));
    for storage in storages(&server.url()) {
        let seen = inspect(&storage, "a").await;
        assert!(matches!(&seen, Err(ContentError::MissingFile { at }) if at.ends_with("/a")), "{seen:?}");
    }
    // Without its word in the answer, its listing has the last word.
    let s3_page =
        |key: &str| format!("<ListBucketResult><Contents><Key>{key}</Key></Contents></ListBucketResult>");
    let lists = |key: &'static str| {
        service(move |asked| {
            if asked.target.contains('?') {
                answer(200, &[], &s3_page(key))
            } else {
                bare_answer(404, &[], "")
            }
        })
    };
    for mode in [Mode::Content, Mode::Metadata] {
        let other = lists("ab");
        let storage_at = |url: &str| storage(ObjectSettings { mode, ..settings(url) });
        let seen = inspect(&storage_at(&other.url()), "a").await;
        assert_eq!(seen, Err(ContentError::MissingFile { at: "s3://content/a".to_owned() }));
        let asked = other.asked();
        assert!(asked.last().unwrap().target.ends_with("&max-keys=1&prefix=a"), "{asked:?}");
        let same = lists("a");
        let text = unreadable(&storage_at(&same.url()), "a").await;
        assert_eq!(text, format!("{} lists it and answers 404: s3://content/a", same.address()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_denied_is_a_finding_while_others_can_be_read() {
    let lab = Lab::new();
    for path in ["a", "b"] {
        lab.put(path, b"content");
    }
    let denied = || bare_answer(403, &[], "<Error><Code>AccessDenied</Code></Error>");
    // Whether the listing is permitted or not.
    for may_list in [true, false] {
        let proxy = lab.proxy(move |asked| {
            let lists = asked.target.contains('?');
            if asked.target.ends_with("/a") || (lists && !may_list) { denied() } else { Fault::None }
        });
        for mode in [Mode::Content, Mode::Metadata] {
            let storage = storage(ObjectSettings { mode, ..settings(&proxy.url()) });
            assert!(inspect(&storage, "b").await.is_ok());
            let expected = format!("{} forbids access (AccessDenied): s3://content/a", proxy.address());
            assert_eq!(unreadable(&storage, "a").await, expected);
            assert!(storage.probe().await.is_ok());
        }
        let first = storage(settings(&proxy.url()));
        if may_list {
            assert!(matches!(inspect(&first, "a").await, Err(ContentError::Unreadable(_))));
        } else {
            // Nothing was read yet, and nothing else can be looked at.
            assert!(not_judged(&first, "a").await.contains("forbids access (AccessDenied)"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_headers_of_its_own_is_known_by_its_listing() {
    let page = "<ListBucketResult></ListBucketResult>";
    let server = service(move |asked| {
        bare_answer(200, &[], if asked.target.contains('?') { page } else { "content" })
    });
    let storage = storage(settings(&server.url()));
    for _ in 0..3 {
        assert_good(&inspect(&storage, "a").await, b"content");
    }
    assert_eq!(server.asked().len(), 4, "once is enough");
}
