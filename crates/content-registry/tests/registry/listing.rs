//! The list of repositories.

use std::fs;

use stocktake_content_registry::Integrity;
use stocktake_domain::ports::ListError;
use stocktake_testbed::{Fault, FaultProxy};

use crate::support::*;

#[tokio::test]
async fn repositories_are_listed_in_the_byte_order_of_their_names() {
    let registry = registry();
    let names = ["a", "a-b", "a.b/c", "a/b", "a/b/c", "a0", "b/image", "group/project", "z_z"];
    for name in names.iter().rev() {
        registry.push_image(name, "1.0", true, &[b"layer"]).unwrap();
    }
    let expected: Vec<_> = names.iter().map(|name| Ok((*name).to_owned())).collect();
    for (kind, store) in both(&registry, Integrity::Content) {
        assert_eq!(list(&store).await, expected, "{kind}");
    }
    fs::create_dir(registry.folder().join("docker/registry/v2/repositories/Wrong")).unwrap();
    let in_directory = list(&directory(registry.folder(), Integrity::Content)).await;
    let skipped = ListError::Skipped {
        path: "Wrong".to_owned(),
        reason: "no name of a container repository".to_owned(),
    };
    assert_eq!(in_directory[0], Err(skipped));
    assert_eq!(in_directory[1..], expected);
}

#[tokio::test]
async fn pages_are_followed() {
    let registry = registry();
    for number in 0..7 {
        registry.push_image(&format!("group/{number}"), "1.0", true, &[b"layer"]).unwrap();
    }
    // The proxy asks for small pages, whose links lead to the next ones.
    let upstream = registry.address().to_string();
    let proxy = FaultProxy::start(&upstream, move |asked| {
        if !asked.target.starts_with("/v2/_catalog?n=1000") {
            return Fault::None;
        }
        let answer = registry.request("GET", "/v2/_catalog?n=3", &[], &[]).unwrap();
        let link = answer.header("Link").unwrap().to_owned();
        Fault::Answer {
            status: 200,
            headers: vec![("Link".to_owned(), link)],
            body: String::from_utf8(answer.body).unwrap(),
        }
    });
    let proxy = proxy.unwrap();
    let listed = list(&http(&proxy.url())).await;
    assert_eq!(listed, (0..7).map(|number| Ok(format!("group/{number}"))).collect::<Vec<_>>());
    assert_eq!(proxy.asked().len(), 3);
}

#[tokio::test]
async fn a_listing_without_end_is_given_up() {
    let proxy = FaultProxy::start("127.0.0.1:1", |asked| {
        let page: u64 = asked.target.rsplit_once("&last=").map_or(0, |(_, last)| last.parse().unwrap());
        let link = format!("</v2/_catalog?n=1000&last={}>; rel=\"next\"", page + 1);
        let body = r#"{"repositories":[]}"#.to_owned();
        Fault::Answer { status: 200, headers: vec![("Link".to_owned(), link)], body }
    });
    let proxy = proxy.unwrap();
    let reason = "the registry's list of repositories has more than 4000 pages".to_owned();
    assert_eq!(list(&http(&proxy.url())).await, [Err(ListError::Broken(reason))]);
    assert_eq!(proxy.asked().len(), 4_000);
}

#[tokio::test]
async fn a_listing_that_cannot_be_had_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let listed = list(&directory(folder.path(), Integrity::Content)).await;
    assert!(matches!(&listed[..], [Err(ListError::Broken(reason))] if reason.contains("No such folder")));
    let refusing = |status| {
        let body = r#"{"errors":[{"code":"DENIED","message":"not for you"}]}"#.to_owned();
        FaultProxy::start("127.0.0.1:1", move |_| Fault::Answer {
            status,
            headers: Vec::new(),
            body: body.clone(),
        })
        .unwrap()
    };
    let denied = refusing(403);
    let reason = "the registry answers 403 Forbidden (DENIED: not for you)".to_owned();
    assert_eq!(list(&http(&denied.url())).await, [Err(ListError::Broken(reason))]);
    let without = refusing(404);
    assert_eq!(list(&http(&without.url())).await, [Err(ListError::Unsupported)]);
}
