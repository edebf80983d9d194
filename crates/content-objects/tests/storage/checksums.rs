//! What is read is compared with the checksum that its store keeps.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use stocktake_content_objects::ObjectStorage;
use stocktake_domain::ports::Inspection;
use stocktake_domain::{ContentError, Reference};
use stocktake_testbed::{Fault, ObjectServer, ServerKind};

use crate::servers::settings_of;
use crate::support::{Lab, Seen, answer, assert_good, inspect_watched, piece, service, settings, storage};

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
        let kept = if asked.header("x-amz-checksum-mode").is_some() { &kept[..] } else { &[] };
        answer(200, kept, if asked.target.ends_with("/good") { "123456789" } else { "12345678X" })
    });
    let storage = storage(settings(&server.url()));
    assert_good(&inspect(&storage, "good").await, CONTENT);
    let text = altered(inspect(&storage, "bad").await);
    assert!(text.contains(" of its parts, calculated "), "{text}");
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
