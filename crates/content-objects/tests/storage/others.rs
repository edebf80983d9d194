//! What is asked of Google's and Azure's services, of which there are none here: a proxy answers for them.

use stocktake_content_objects::{
    AzureCredentials, AzureSettings, GcsCredentials, GcsSettings, Mode, Network, ObjectSettings, Service,
};
use stocktake_domain::ContentError;
use stocktake_testbed::{Asked, Fault, FaultProxy};

use crate::support::{assert_good, inspect, list, settings, storage, unreadable};

const NETWORK: Network = Network { certificates: None, plain_http: true };

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let always = [("ETag", "\"x\""), ("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")];
    let headers = always.iter().chain(headers);
    Fault::Answer {
        status,
        headers: headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_owned(),
    }
}

fn google(endpoint: String) -> Service {
    Service::Gcs(GcsSettings {
        bucket: "b".to_owned(),
        endpoint: Some(endpoint),
        credentials: GcsCredentials::Anonymous,
        network: NETWORK,
    })
}

fn azure(endpoint: String) -> Service {
    Service::Azure(AzureSettings {
        account: "account".to_owned(),
        container: "c".to_owned(),
        endpoint: Some(endpoint),
        credentials: AzureCredentials::AccessKey("bWFkZS11cCB3b3Jkcw==".into()),
        network: NETWORK,
    })
}

fn service(plan: impl Fn(&Asked) -> Fault + Send + Sync + 'static) -> FaultProxy {
    FaultProxy::start("127.0.0.1:1", plan).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn google_is_asked_and_its_refusals_are_told_apart() {
    let server = service(|asked| match asked.target.as_str() {
        "/b/a%20b" if asked.method == "HEAD" => {
            answer(200, &[("x-goog-hash", "md5=mgNkuembtIDdJeHwKEyFVQ==")], "content")
        }
        "/b/a%20b" => answer(206, &[("Content-Range", "bytes 0-6/7")], "content"),
        "/b/busy" if asked.number == 1 => answer(503, &[], ""),
        "/b/busy" => answer(206, &[("Content-Range", "bytes 0-0/1")], "x"),
        "/b/none" => answer(404, &[], "<Error><Code>NoSuchKey</Code></Error>"),
        _ => answer(404, &[], "<Error><Code>NoSuchBucket</Code></Error>"),
    });
    let settings = ObjectSettings { service: google(server.url()), ..settings("") };
    let content = storage(settings.clone());
    assert_good(&inspect(&content, "a b").await, b"content");
    assert_good(&inspect(&content, "busy").await, b"x");
    let at = "gs://b/none".to_owned();
    assert_eq!(inspect(&content, "none").await, Err(ContentError::MissingFile { at }));
    assert_eq!(unreadable(&content, "other").await, format!("there is no bucket b at {}", server.address()));
    assert!(matches!(inspect(&content, "a//b").await, Err(ContentError::Invalid(_))));
    let metadata = storage(ObjectSettings { mode: Mode::Metadata, ..settings });
    let seen = inspect(&metadata, "a b").await.unwrap();
    assert_eq!(seen.stored.digests.md5.map(hex::encode).as_deref(), Some("9a0364b9e99bb480dd25e1f0284c8555"));
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_is_asked_with_a_signature_and_its_listing_is_read() {
    let blob = |name: &str| {
        format!(
            "<Blob><Name>{name}</Name><Properties><Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified>\
             <Content-Length>7</Content-Length><Content-Type>x</Content-Type><Etag>x</Etag></Properties></Blob>"
        )
    };
    let blobs = format!(
        "<EnumerationResults><Blobs>{}{}</Blobs><NextMarker/></EnumerationResults>",
        blob("lfs/a"),
        blob("lfs/b")
    );
    let server = service(move |asked| {
        assert!(asked.header("authorization").unwrap().starts_with("SharedKey account:"));
        match asked.target.split('?').next().unwrap() {
            "/c/lfs/a" => answer(206, &[("Content-Range", "bytes 0-6/7")], "content"),
            "/c" => answer(200, &[], &blobs),
            _ => answer(403, &[("x-ms-error-code", "AuthorizationPermissionMismatch")], ""),
        }
    });
    let service = azure(server.url());
    let storage = storage(ObjectSettings { service, prefix: "lfs".to_owned(), ..settings("") });
    assert_good(&inspect(&storage, "a").await, b"content");
    let expected =
        format!("{} forbids access (AuthorizationPermissionMismatch): az://c/lfs/b", server.address());
    assert_eq!(unreadable(&storage, "b").await, expected);
    let paths: Vec<_> = list(&storage).await.into_iter().map(|found| found.unwrap().path).collect();
    assert_eq!(paths, ["a", "b"]);
}
