//! What is asked of Google's and Azure's services; a proxy answers for them.

use stocktake_content_objects::{Mode, ObjectSettings};
use stocktake_domain::ContentError;

use crate::support::{
    answer, assert_good, azure, bare_answer, google, inspect, list, not_judged, service, settings, storage,
    unreadable,
};

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
        "/b/a%2F%2Fb" => answer(206, &[("Content-Range", "bytes 0--1/0")], ""),
        "/b/zipped" => answer(
            if asked.header("accept-encoding") == Some("gzip") { 206 } else { 500 },
            &[("Content-Range", "bytes 0-6/7"), ("Content-Encoding", "gzip")],
            "content",
        ),
        _ => answer(404, &[], "<Error><Code>NoSuchBucket</Code></Error>"),
    });
    let settings = ObjectSettings { service: google(server.url()), ..settings("") };
    let content = storage(settings.clone());
    assert_good(&inspect(&content, "a b").await, b"content");
    assert_good(&inspect(&content, "busy").await, b"x");
    let at = "gs://b/none".to_owned();
    assert_eq!(inspect(&content, "none").await, Err(ContentError::MissingFile { at }));
    assert_eq!(not_judged(&content, "other").await, format!("there is no bucket b at {}", server.address()));
    // An emulator writes the range of no bytes so.
    assert_good(&inspect(&content, "a//b").await, b"");
    assert_good(&inspect(&content, "zipped").await, b"content");
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
    let page = |blobs: &str, marker: &str| {
        format!(
            "<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
        )
    };
    let (first, second) = (page(&blob("lfs/a//x"), "more"), page(&blob("lfs/b"), ""));
    let server = service(move |asked| {
        assert!(asked.header("authorization").unwrap().starts_with("SharedKey account:"));
        match asked.target.split('?').next().unwrap() {
            "/c/lfs/a//x" => answer(206, &[("Content-Range", "bytes 0-6/7")], "content"),
            "/c" if asked.target.ends_with("&marker=more") => answer(200, &[], &second),
            "/c" => answer(200, &[], &first),
            _ => answer(403, &[("x-ms-error-code", "AuthorizationPermissionMismatch")], ""),
        }
    });
    let service = azure(server.url());
    let storage = storage(ObjectSettings { service, prefix: "lfs".to_owned(), ..settings("") });
    assert_good(&inspect(&storage, "a//x").await, b"content");
    let expected =
        format!("{} forbids access (AuthorizationPermissionMismatch): az://c/lfs/b", server.address());
    assert_eq!(unreadable(&storage, "b").await, expected);
    let paths: Vec<_> = list(&storage).await.into_iter().map(|found| found.unwrap().path).collect();
    assert_eq!(paths, ["a//x", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_google_goes_on_by_its_token() {
    let server = service(|asked| {
        let (path, query) = asked.target.split_once('?').unwrap();
        assert_eq!(path, "/storage/v1/b/b/o");
        let (name, next) = if query.ends_with("&pageToken=2") {
            ("c", String::new())
        } else {
            ("a//\\n", r#""nextPageToken": "2", "#.to_owned())
        };
        let items = format!(r#""items": [{{"name": "{name}", "size": "7"}}]"#);
        bare_answer(200, &[], &format!(r#"{{"kind": "storage#objects", {next}{items}}}"#))
    });
    let storage = storage(ObjectSettings { service: google(server.url()), ..settings("") });
    let found: Vec<_> = list(&storage).await.into_iter().map(Result::unwrap).collect();
    let found: Vec<_> = found.iter().map(|found| (found.path.as_str(), found.size)).collect();
    assert_eq!(found, [("a//\n", Some(7)), ("c", Some(7))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_chunks_without_a_length_is_the_whole_object() {
    // Once as it is, once resumed behind what came, although the server takes no notice of ranges.
    let address = {
        use std::io::{BufRead as _, BufReader, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for number in 0.. {
                let Ok((mut client, _)) = listener.accept() else { return };
                let head = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
                assert!(head.take_while(|line| !line.is_empty()).count() > 1);
                let head = "HTTP/1.1 200 OK\r\nx-amz-request-id: 1\r\nETag: \"x\"\r\n\
                            Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n7\r\ncontent\r\n";
                client.write_all(head.as_bytes()).unwrap();
                if number != 1 {
                    client.write_all(b"5\r\n more\r\n0\r\n\r\n").unwrap();
                }
            }
        });
        address
    };
    let storage = storage(settings(&format!("http://{address}")));
    for _ in 0..2 {
        assert_good(&inspect(&storage, "a").await, b"content more");
    }
}
