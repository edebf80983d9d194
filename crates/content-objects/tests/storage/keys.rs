//! A key reaches the server byte for byte, and comes back so in the listing.

use stocktake_content_objects::{ObjectSettings, Service};
use stocktake_domain::ContentError;
use stocktake_domain::ports::{ContentStore as _, ListError};
use stocktake_testbed::Fault;

use crate::support::{Lab, assert_good, azure_of, inspect, list, s3, settings, storage};

const ODD: [&str; 20] = [
    " leading and trailing ",
    "%2F",
    "%41",
    "+",
    "..a/b..",
    "/leading",
    "//two",
    "<&>\"'",
    "?a=b&c#d",
    "A",
    "\\",
    "a",
    "a/",
    "a//b",
    "a:b@c,d;e=f!g$h*i(j)",
    "a\tb\u{1}",
    "line\nbreak",
    "~tilde",
    "ä/\u{1f600}",
    "日本",
];

#[tokio::test(flavor = "multi_thread")]
async fn odd_keys_are_read_and_listed() {
    let lab = Lab::new();
    let storage = lab.storage();
    for key in ODD {
        lab.put(key, key.as_bytes());
    }
    for key in ODD {
        assert_good(&inspect(&storage, key).await, key.as_bytes());
    }
    let found: Vec<_> = list(&storage).await.into_iter().map(Result::unwrap).collect();
    let mut sorted = ODD;
    sorted.sort_unstable();
    assert!(found.iter().map(|found| found.path.as_str()).eq(sorted));
    assert!(found.iter().all(|found| found.size == u64::try_from(found.path.len()).ok()));
    assert!(found.iter().all(|found| found.modified_at.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_no_url_can_have_are_invalid_and_are_not_asked_for() {
    let lab = Lab::new();
    lab.put("a/../b", b"there all the same");
    lab.put("b", b"not this one");
    let proxy = lab.proxy(|_| Fault::None);
    let storage = storage(settings(&proxy.url()));
    for key in ["a/../b", "..", "./b", "", "a/."] {
        let seen = inspect(&storage, key).await;
        assert!(matches!(seen, Err(ContentError::Invalid(_))), "{key}: {seen:?}");
    }
    assert!(proxy.asked().is_empty());
    let found = list(&storage).await;
    assert!(matches!(&found[0], Err(ListError::Skipped { path, .. }) if path == "a/../b"), "{found:?}");
    assert_eq!(found[1].as_ref().unwrap().path, "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pages_are_listed_in_order_and_trouble_between_is_borne() {
    let lab = Lab::new();
    for number in 0..2_345 {
        lab.put(&format!("{number:04}"), b"");
    }
    let proxy = lab.proxy(|asked| match asked.number {
        0 => Fault::slow_down(),
        2 => Fault::Truncate { after: 50_000, hidden: true },
        3 => Fault::Reset { after: 50_000 },
        _ => Fault::None,
    });
    let found = list(&storage(settings(&proxy.url()))).await;
    let paths: Vec<_> = found.into_iter().map(|found| found.unwrap().path).collect();
    assert!(paths.iter().map(String::as_str).eq((0..2_345).map(|n| format!("{n:04}")).collect::<Vec<_>>()));
    assert_eq!(proxy.asked().len(), 6);
}

#[tokio::test]
async fn a_storage_has_the_address_of_its_bucket_and_prefix() {
    let url = "http://127.0.0.1:9";
    let address = async |service: Service, prefix: &str| {
        let settings = ObjectSettings { service, prefix: prefix.to_owned(), ..settings("") };
        storage(settings).address().await.unwrap()
    };
    let whole = address(Service::S3(s3(url)), "").await;
    for (prefix, expected) in [("a/b", "a/b/"), ("a/", "a/"), ("", "")] {
        let found = address(Service::S3(s3(url)), prefix).await;
        assert_eq!(found.prefix, expected);
        assert!(found.is_beside(&whole) && found.may_overlap(&whole));
    }
    let elsewhere = address(Service::S3(s3("http://127.0.0.1:10")), "").await;
    assert!(elsewhere.may_overlap(&whole) && !elsewhere.is_beside(&whole));
    // The containers of two accounts of one server.
    let key = "a2V5";
    let [one, two] = ["one", "two"].map(|account| azure_of(account, "c", key, format!("{url}/{account}")));
    assert!(!address(one, "").await.is_beside(&address(two, "").await));
}
