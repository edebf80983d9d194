//! What is read is compared with the checksum that its store keeps.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use stocktake_content_objects::{ObjectStorage, Service};
use stocktake_domain::ports::Inspection;
use stocktake_domain::{ContentError, Reference};
use stocktake_testbed::{Asked, Fault, FaultProxy, HttpAnswer, ObjectServer, ServerKind};

use crate::servers::settings_of;
use crate::support::{
    Lab, Seen, answer, assert_good, bare_answer, inspect_watched, piece, service, settings, storage,
};

/// `123456789`, of which all checksums are public.
const CONTENT: &[u8] = b"123456789";
const CHECKSUMS: [(&str, &str); 5] = [
    ("crc64nvme", "ae8b14860a799888"),
    ("crc32c", "e3069283"),
    ("crc32", "cbf43926"),
    ("sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
    ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
];

/// What is seen of an object of which nine bytes were recorded.
async fn inspect(storage: &ObjectStorage, key: &str) -> Seen {
    let reference = Reference { size: Some(9), ..Reference::default() };
    let piece = Inspection { reference, ..piece(key) };
    inspect_watched(storage, vec![piece], Arc::default()).await.remove(0)
}

/// The same of an object of which this size was recorded.
async fn inspect_of(storage: &ObjectStorage, key: &str, size: usize) -> Seen {
    let size = Some(u64::try_from(size).unwrap());
    let piece = Inspection { reference: Reference { size, ..Reference::default() }, ..piece(key) };
    inspect_watched(storage, vec![piece], Arc::default()).await.remove(0)
}

fn altered(seen: Seen) -> String {
    match seen {
        Err(ContentError::Altered(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_checksum_of_s3_is_compared() {
    let server = ObjectServer::start(ServerKind::S3).unwrap();
    let storage = storage(settings_of(ServerKind::S3, &server));
    for (name, checksum) in CHECKSUMS {
        let header = format!("x-amz-checksum-{name}");
        let value = BASE64_STANDARD.encode(hex::decode(checksum).unwrap());
        let headers = [(header.as_str(), value.as_str()), ("x-amz-sdk-checksum-algorithm", name)];
        server.put(name, CONTENT, &headers).unwrap();
        assert_good(&inspect(&storage, name).await, CONTENT);
        // This server keeps whatever the client says.
        let other = format!("{name}-other");
        server.put(&other, b"12345678X", &headers).unwrap();
        let text = altered(inspect(&storage, &other).await);
        assert!(text.starts_with("Checksum mismatch: the store keeps "), "{text}");
        assert!(text.contains(&format!(" {checksum}, calculated ")), "{text}");
        assert!(text.ends_with(&format!(": s3://content/{other}")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_of_azure_is_compared() {
    let server = ObjectServer::start(ServerKind::Azure).unwrap();
    let storage = storage(settings_of(ServerKind::Azure, &server));
    server.put("a", CONTENT, &[]).unwrap();
    assert_good(&inspect(&storage, "a").await, CONTENT);
    let other = BASE64_STANDARD.encode([0; 16]);
    let answer =
        server.send("PUT", "a", "comp=properties", &[("x-ms-blob-content-md5", &other)], &[]).unwrap();
    assert_eq!(answer.status, 200);
    let text = altered(inspect(&storage, "a").await);
    assert!(text.contains("the store keeps MD5 00000000000000000000000000000000, calculated 25f9"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rots_in_the_disk_of_google_is_found() {
    let server = ObjectServer::start(ServerKind::GoogleOnDisk).unwrap();
    let storage = storage(settings_of(ServerKind::GoogleOnDisk, &server));
    server.put("a", CONTENT, &[]).unwrap();
    assert_good(&inspect(&storage, "a").await, CONTENT);
    std::fs::write(server.file("a"), b"12345678X").unwrap();
    let text = altered(inspect(&storage, "a").await);
    assert!(text.contains("the store keeps CRC32C e3069283, calculated "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checksum_of_parts_is_calculated_by_the_size_of_the_first() {
    let sums = [&b"1234"[..], b"5678", b"9"].map(Sha256::digest).concat();
    let value = format!("{}-3", BASE64_STANDARD.encode(Sha256::digest(sums)));
    let server = service(move |asked| {
        let kept = [("x-amz-checksum-sha256", value.as_str()), ("x-amz-checksum-type", "COMPOSITE")];
        if asked.target.ends_with("?partNumber=1") {
            assert_eq!(asked.method, "HEAD");
            return answer(206, &[("Content-Range", "bytes 0-3/9")], "1234");
        }
        if asked.target.ends_with("?partNumber=3") {
            return answer(206, &[("Content-Range", "bytes 8-8/9")], "9");
        }
        let kept = if asked.header("x-amz-checksum-mode").is_some() { &kept[..] } else { &[] };
        answer(200, kept, if asked.target.ends_with("/good") { "123456789" } else { "12345678X" })
    });
    let storage = storage(settings(&server.url()));
    assert_good(&inspect(&storage, "good").await, CONTENT);
    let text = altered(inspect(&storage, "bad").await);
    assert!(text.contains(" of its parts, calculated "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_several_sizes_are_compared_as_the_store_lists_them() {
    let sums: Vec<_> = [&b"12"[..], b"34567", b"89"].map(Sha256::digest).to_vec();
    let value = format!("{}-3", BASE64_STANDARD.encode(Sha256::digest(sums.concat())));
    let part = |number: usize, size: u64| {
        let sum = BASE64_STANDARD.encode(sums[number - 1]);
        format!(
            "<Part><PartNumber>{number}</PartNumber><ChecksumSHA256>{sum}</ChecksumSHA256><Size>{size}</Size></Part>"
        )
    };
    let list = |inside: &str| {
        format!(
            "<GetObjectAttributesResponse><ObjectParts>{inside}</ObjectParts></GetObjectAttributesResponse>"
        )
    };
    // On two pages.
    let more = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>";
    let pages = [list(&[more, &part(1, 2), &part(2, 5)].concat()), list(&part(3, 2))];
    let server = service(move |asked| {
        if asked.target.ends_with("/gone?attributes") {
            return answer(404, &[], "<Error><Code>NoSuchKey</Code></Error>");
        }
        if asked.target.ends_with("?attributes") {
            assert_eq!(asked.header("x-amz-object-attributes"), Some("ETag,ObjectParts"));
            let is_first = asked.header("x-amz-part-number-marker") == Some("0");
            return answer(200, &[], &pages[usize::from(!is_first)]);
        }
        let kept = [("x-amz-checksum-sha256", value.as_str()), ("x-amz-checksum-type", "COMPOSITE")];
        let kept = if asked.header("x-amz-checksum-mode").is_some() { &kept[..] } else { &[] };
        answer(200, kept, if asked.target.ends_with("/good") { "123456789" } else { "1234X6789" })
    });
    let storage = storage(settings(&server.url()));
    // What is said of an object that was deleted meanwhile says nothing of the service.
    inspect(&storage, "gone").await.unwrap();
    assert_good(&inspect(&storage, "good").await, CONTENT);
    let text = altered(inspect(&storage, "bad").await);
    assert!(text.contains(" of its parts, calculated ") && text.contains(", first in part 2: "), "{text}");
    let by_part = |target: &str| target.contains("partNumber") && !target.contains("/gone");
    assert!(server.asked().iter().all(|asked| !by_part(&asked.target)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_etag_of_one_piece_counts_where_nothing_else_is_known() {
    let etag = format!("\"{}\"", hex::encode(Md5::digest(CONTENT)));
    let server = service(move |asked| {
        let body = if asked.target.contains("/good") { "123456789" } else { "12345678X" };
        let mut headers = vec![("ETag", etag.as_str()), ("x-amz-request-id", "1")];
        if asked.target.contains("/encrypted") {
            headers.push(("x-amz-server-side-encryption", "AES256"));
        }
        bare_answer(200, &headers, body)
    });
    let storage = storage(settings(&server.url()));
    let first = |key| crate::support::inspect(&storage, key);
    // No service promises that it is an MD5.
    assert_good(&first("bad").await, b"12345678X");
    assert_good(&first("good").await, CONTENT);
    let text = altered(first("bad").await);
    assert!(text.contains("the store keeps MD5 25f9e794323b453885f5181f1b624d0b, calculated "), "{text}");
    // Of encrypted objects none has agreed.
    assert_good(&first("encrypted").await, b"12345678X");
}

/// What a server says of an object of three parts whose `ETag` is this, and of which the last part has this size.
fn in_parts(asked: &Asked, etag: &str, body: &str, last: usize) -> Fault {
    let headers = [("ETag", etag), ("x-amz-request-id", "1")];
    match asked.target.split_once("?partNumber=") {
        Some((_, "1")) => bare_answer(206, &headers, "1234"),
        Some(_) => bare_answer(206, &headers, body.get(9 - last..).unwrap()),
        None => bare_answer(200, &headers, body),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_of_parts_counts_where_etags_were_seen_to_be_md5s() {
    let md5s = [&b"1234"[..], b"5678", b"9"].map(Md5::digest).concat();
    let etag = format!("\"{}-3\"", hex::encode(Md5::digest(md5s)));
    let server = service(move |asked| match asked.target.as_str() {
        target if target.contains("/good") => in_parts(asked, &etag, "123456789", 1),
        // Its parts have 4, 2 and 3 bytes.
        target if target.contains("/uneven") => in_parts(asked, &etag, "12345678X", 3),
        _ => in_parts(asked, &etag, "12345678X", 1),
    });
    let storage = storage(settings(&server.url()));
    // No service promises that it is one.
    assert_good(&inspect(&storage, "bad").await, b"12345678X");
    assert_good(&inspect(&storage, "good").await, CONTENT);
    let text = altered(inspect(&storage, "bad").await);
    assert!(text.contains("the store keeps MD5 ") && text.contains(" of its parts, calculated "), "{text}");
    assert_good(&inspect(&storage, "uneven").await, b"12345678X");
}

/// Uploads content in parts, as clients do.
fn upload(server: &ObjectServer, key: &str, parts: &[&[u8]]) -> String {
    let text = |answer: HttpAnswer| {
        assert_eq!(answer.status, 200, "{answer:?}");
        String::from_utf8(answer.body).unwrap()
    };
    let begun = text(server.send("POST", key, "uploads=", &[], &[]).unwrap());
    let id = begun.split_once("<UploadId>").unwrap().1.split_once("</UploadId>").unwrap().0.to_owned();
    let mut listed = String::new();
    for (number, part) in (1..).zip(parts) {
        let query = format!("partNumber={number}&uploadId={id}");
        let stored = server.send("PUT", key, &query, &[], part).unwrap();
        assert_eq!(stored.status, 200, "{stored:?}");
        let etag = stored.header("etag").unwrap();
        write!(listed, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>").unwrap();
    }
    let body = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
    text(server.send("POST", key, &format!("uploadId={id}"), &[], body.as_bytes()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_etag_of_an_upload_in_parts_is_recalculated() {
    let server = ObjectServer::start(ServerKind::S3).unwrap();
    let first = vec![b'a'; 5 << 20];
    let completed = upload(&server, "a", &[&first, b"end"]);
    assert!(completed.contains("-2"), "{completed}");
    let answer = server.send("HEAD", "a", "", &[], &[]).unwrap();
    let etag = answer.header("etag").unwrap().to_owned();
    let altered = [&first[1..], b"bend"].concat();
    let body = String::from_utf8(altered.clone()).unwrap();
    let is_altered = Arc::new(AtomicBool::new(false));
    let alters = Arc::clone(&is_altered);
    let proxy = FaultProxy::start(&server.address().to_string(), move |asked| {
        let headers = [("ETag", etag.as_str()), ("x-amz-request-id", "1")];
        let is_read = asked.method == "GET" && asked.target.contains("/a") && alters.load(Ordering::SeqCst);
        if is_read { bare_answer(200, &headers, &body) } else { Fault::None }
    });
    let proxy = proxy.unwrap();
    let mut settings = settings_of(ServerKind::S3, &server);
    if let Service::S3(s3) = &mut settings.service {
        s3.endpoint = Some(proxy.url());
    }
    let storage = storage(settings);
    let content = [&first[..], b"end"].concat();
    // Another size was recorded. What the ETag agrees with is not read again for that: it is what was uploaded.
    let recorded = content.len() + 1;
    assert_good(&inspect_of(&storage, "a", recorded).await, &content);
    let asked = proxy.asked();
    let is_read = |asked: &&Asked| asked.method == "GET" && asked.target.ends_with("/a");
    assert_eq!(asked.iter().filter(is_read).count(), 1, "{asked:?}");
    assert!(asked.iter().any(|asked| asked.target.ends_with("?partNumber=1")), "{asked:?}");
    // This server tells no sizes of parts under the condition of an ETag, so that a difference proves nothing.
    is_altered.store(true, Ordering::SeqCst);
    assert_good(&inspect_of(&storage, "a", recorded).await, &altered);
    assert_eq!(proxy.asked().iter().filter(is_read).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_was_changed_on_its_way_makes_no_finding() {
    let lab = Lab::new();
    lab.put("a", CONTENT);
    // Of a whole object only the length tells where it ends; a range tells it besides.
    let proxy = lab.proxy(|asked| match asked.number {
        0 => Fault::Truncate { after: 4, hidden: true },
        _ => Fault::None,
    });
    assert_good(&inspect(&storage(settings(&proxy.url())), "a").await, CONTENT);
    let asked = proxy.asked();
    let ranges: Vec<_> = asked.iter().map(|asked| asked.header("range")).collect();
    assert_eq!(ranges, [None, Some("bytes=0-")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_on_its_way_is_read_again() {
    let kept = [("x-amz-checksum-crc32", "y/Q5Jg==")];
    let server =
        service(move |asked| answer(200, &kept, if asked.number == 0 { "12345678X" } else { "123456789" }));
    assert_good(&inspect(&storage(settings(&server.url())), "a").await, CONTENT);
    let server = service(move |asked| answer(200, &kept, &format!("number {}", asked.number)));
    let seen = inspect(&storage(settings(&server.url())), "a").await;
    let Err(ContentError::Unreadable(text)) = seen else { panic!("{seen:?}") };
    assert!(text.starts_with("read otherwise each time, at last: the store keeps CRC32 cbf43926"), "{text}");
}
