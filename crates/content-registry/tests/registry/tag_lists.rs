//! The ways to a repository's tags.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stocktake_content_registry::{Integrity, RegistrySettings};
use stocktake_domain::ContentError;
use stocktake_testbed::{Asked, Fault, FaultProxy, Registry};

use crate::support::*;

fn answer(status: u16, body: impl Into<String>) -> Fault {
    Fault::Answer { status, headers: Vec::new(), body: body.into() }
}

/// The real registry's tags, as GitLab's registry lists them, two on each page.
fn gitlab(registry: &Registry, asked: &Asked) -> Fault {
    if asked.target == "/gitlab/v1/" {
        return answer(200, "{}");
    }
    let Some(rest) = asked.target.strip_prefix("/gitlab/v1/repositories/") else { return Fault::None };
    let (repository, query) = rest.split_once("/tags/list/?n=100").unwrap();
    let list = registry.request("GET", &format!("/v2/{repository}/tags/list"), &[], &[]).unwrap();
    if list.status != 200 {
        return answer(list.status, String::from_utf8(list.body).unwrap());
    }
    let list: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
    let mut names: Vec<&str> =
        list["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    names.sort_unstable();
    let after = query.strip_prefix("&last=").unwrap_or_default();
    let page: Vec<&str> = names.iter().copied().filter(|name| *name > after).take(2).collect();
    let accept = "application/vnd.oci.image.manifest.v1+json";
    let tags = page.iter().map(|name| {
        let target = format!("/v2/{repository}/manifests/{name}");
        let head = registry.request("HEAD", &target, &[("Accept", accept)], &[]).unwrap();
        serde_json::json!({"name": name, "digest": head.header("Docker-Content-Digest"), "size_bytes": 1})
    });
    let body = tags.collect::<serde_json::Value>().to_string();
    let next = page.last().filter(|last| names.last() != Some(last));
    let headers = next.map(|last| {
        let link = format!(
            "<http://elsewhere.example/gitlab/v1/repositories/{repository}/tags/list/?n=100&last={last}>"
        );
        ("Link".to_owned(), format!("{link}; rel=\"next\""))
    });
    Fault::Answer { status: 200, headers: headers.into_iter().collect(), body }
}

#[tokio::test]
async fn gitlabs_list_is_used_where_it_is_offered() {
    let registry = Arc::new(registry());
    let mut tags = Vec::new();
    for number in 0..5 {
        let tag = format!("{number}.0");
        let image = registry.push_image("group/image", &tag, true, &[&content(100, number)]).unwrap();
        tags.push((tag, image.manifest));
    }
    let behind = Arc::clone(&registry);
    let upstream = registry.address().to_string();
    let proxy = FaultProxy::start(&upstream, move |asked| gitlab(&behind, asked)).unwrap();
    let store = http(&proxy.url());
    let seen = inspect(&store, "group/image").await;
    let tags: Vec<_> = tags.iter().map(|(tag, digest)| (tag.as_str(), digest.as_str())).collect();
    assert_eq!(shown(&seen), checksum(&tags));
    let unknown = inspect(&store, "group/unknown").await;
    assert_eq!(unknown, Err(ContentError::MissingRepository));
    let asked = proxy.asked();
    let count = |start: &str| asked.iter().filter(|asked| asked.target.starts_with(start)).count();
    assert_eq!(count("/gitlab/v1/repositories/group/image/"), 3, "three pages");
    assert_eq!(asked.iter().filter(|asked| asked.target == "/gitlab/v1/").count(), 1, "asked once");
    assert_eq!(count("/v2/group/image/tags/"), 0);
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let proxy = FaultProxy::start("127.0.0.1:1", |asked| {
        let page: u64 = asked.target.rsplit_once("&last=").map_or(0, |(_, last)| last.parse().unwrap());
        let link = format!("</gitlab/v1/repositories/a/tags/list/?n=100&last={}>; rel=\"next\"", page + 1);
        Fault::Answer { status: 200, headers: vec![("Link".to_owned(), link)], body: "[]".to_owned() }
    });
    let proxy = proxy.unwrap();
    assert_eq!(reason(inspect(&http(&proxy.url()), "a").await), "too many pages requested");
    assert_eq!(proxy.asked().len(), 2_001);
}

#[tokio::test]
async fn the_registrys_own_list_is_followed_over_its_pages() {
    let registry = Arc::new(registry());
    let mut tags = Vec::new();
    for number in 0..5 {
        let tag = format!("{number}");
        let image = registry.push_image("a", &tag, number % 2 == 0, &[&content(100, number)]).unwrap();
        tags.push((tag, image.manifest));
    }
    let upstream = registry.address().to_string();
    // This registry gives all tags on one page.
    let proxy = FaultProxy::start(&upstream, |asked| match asked.target.as_str() {
        "/v2/a/tags/list?n=10000" => Fault::Answer {
            status: 200,
            headers: vec![("Link".to_owned(), "</v2/a/tags/list?n=10000&last=2>; rel=\"next\"".to_owned())],
            body: r#"{"name":"a","tags":["0","1","2"]}"#.to_owned(),
        },
        "/v2/a/tags/list?n=10000&last=2" => answer(200, r#"{"name":"a","tags":["3","4","4"]}"#),
        _ => Fault::None,
    });
    let proxy = proxy.unwrap();
    let seen = inspect(&http(&proxy.url()), "a").await;
    let tags: Vec<_> = tags.iter().map(|(tag, digest)| (tag.as_str(), digest.as_str())).collect();
    assert_eq!(shown(&seen), checksum(&tags));
    let head = proxy.asked().into_iter().find(|asked| asked.method == "HEAD").unwrap();
    for (image, index) in stocktake_testbed::MANIFEST_TYPES {
        let accept = head.header("Accept").unwrap();
        assert!(accept.contains(image) && accept.contains(index), "{accept}");
    }
}

#[tokio::test]
async fn a_registry_that_names_no_digest_has_it_calculated() {
    let registry = registry();
    let image = registry.push_image("a", "1.0", true, &[b"layer"]).unwrap();
    let proxy = FaultProxy::start(&registry.address().to_string(), |asked| match asked.method.as_str() {
        "HEAD" => answer(200, ""),
        _ => Fault::None,
    });
    let proxy = proxy.unwrap();
    let settings = RegistrySettings { integrity: Integrity::Tags, ..settings(&proxy.url()) };
    assert_eq!(shown(&inspect(&open(settings), "a").await), checksum(&[("1.0", &image.manifest)]));
}

#[tokio::test]
async fn emptied_repositories_may_have_null_for_a_list() {
    let proxy = FaultProxy::start("127.0.0.1:1", |asked| match asked.target.as_str() {
        "/v2/a/tags/list?n=10000" => answer(200, r#"{"name":"a","tags":null}"#),
        "/v2/b/tags/list?n=10000" => answer(200, "<html>"),
        _ => answer(404, r#"{"errors":[{"code":"UNSUPPORTED","message":"x"}]}"#),
    });
    let proxy = proxy.unwrap();
    let store = http(&proxy.url());
    assert_eq!(shown(&inspect(&store, "a").await), checksum(&[]));
    // Of a registry whose other lists can be read.
    let seen = inspect_all(&store, &["b", "c"]).await;
    let start = format!("{} gives no list of tags: ", proxy.url());
    assert!(reason(seen[0].clone()).starts_with(&start), "{:?}", seen[0]);
    // A 404 of something else than the registry is no word of it that the repository is unknown.
    assert_eq!(reason(seen[1].clone()), "the registry answers 404 Not Found (UNSUPPORTED: x)");
}

#[tokio::test]
async fn a_tag_that_is_deleted_or_pushed_meanwhile_is_not_broken() {
    let registry = Arc::new(registry());
    let old = registry.push_image("a", "1.0", true, &[&content(1_000, 1)]).unwrap();
    let other = registry.push_image("a", "2.0", true, &[&content(1_000, 2)]).unwrap();
    let (behind, done) = (Arc::clone(&registry), AtomicBool::new(false));
    let old_layer = old.layers[0].clone();
    let proxy = FaultProxy::start(&registry.address().to_string(), move |asked| {
        // As the old layer is asked for, the tag is moved, and the old image removed by its owner.
        if asked.target.ends_with(&old_layer) && !done.swap(true, Ordering::Relaxed) {
            behind.push_image("a", "1.0", true, &[&content(1_000, 3)]).unwrap();
            fs::remove_file(behind.data(&old_layer)).unwrap();
        }
        Fault::None
    });
    let proxy = proxy.unwrap();
    let seen = inspect(&http(&proxy.url()), "a").await;
    let now = fs::read_to_string(registry.tag_link("a", "1.0")).unwrap();
    assert_ne!(now, old.manifest);
    assert_eq!(shown(&seen), checksum(&[("1.0", &now), ("2.0", &other.manifest)]));
}

#[tokio::test]
async fn a_repository_that_goes_on_changing_is_said_to_be() {
    let registry = Arc::new(registry());
    let image = registry.push_image("a", "1.0", true, &[&content(1_000, 0)]).unwrap();
    fs::remove_file(registry.data(&image.layers[0])).unwrap();
    let behind = Arc::clone(&registry);
    let proxy = FaultProxy::start(&registry.address().to_string(), move |asked| {
        if asked.method == "GET" && asked.target.contains("/blobs/") {
            let number = u32::try_from(asked.number).unwrap();
            let image = behind.push_image("a", "1.0", true, &[&content(1_000, number + 1)]).unwrap();
            fs::remove_file(behind.data(&image.layers[0])).unwrap();
        }
        Fault::None
    });
    let proxy = proxy.unwrap();
    assert_eq!(reason(inspect(&http(&proxy.url()), "a").await), "changed while being read");
}

#[tokio::test]
async fn a_page_for_people_is_not_gitlabs_api() {
    let registry = registry();
    let image = registry.push_image("a", "1.0", true, &[b"layer"]).unwrap();
    let proxy = FaultProxy::start(&registry.address().to_string(), |asked| {
        if !asked.target.starts_with("/gitlab/") {
            return Fault::None;
        }
        let headers = vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())];
        Fault::Answer { status: 200, headers, body: "<html>".to_owned() }
    });
    let proxy = proxy.unwrap();
    assert_eq!(shown(&inspect(&http(&proxy.url()), "a").await), checksum(&[("1.0", &image.manifest)]));
}
