//! Keys from the metadata service of a machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stocktake_content_objects::{ObjectSettings, S3Keys, S3Settings, Service};
use stocktake_testbed::{Asked, Fault, FaultProxy, S3Server};

use crate::support::{Lab, assert_good, impatient, inspect, not_judged, s3, settings, storage};

fn answer(status: u16, body: &str) -> Fault {
    Fault::Answer { status, headers: Vec::new(), body: body.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_instance_role_are_asked_for_and_sign() {
    let lab = Lab::new();
    lab.put("a", b"content");
    let keys = format!(
        "{{\"Code\": \"Success\", \"Type\": \"AWS-HMAC\", \"LastUpdated\": \"2026-01-01T00:00:00Z\", \
         \"AccessKeyId\": \"{}\", \"SecretAccessKey\": \"{}\", \"Token\": \"t\", \
         \"Expiration\": \"2999-01-01T00:00:00Z\"}}",
        S3Server::ACCESS_KEY,
        S3Server::SECRET_KEY
    );
    let failed = Arc::new(AtomicBool::new(false));
    let service = FaultProxy::start("127.0.0.1:1", move |asked| match asked.target.as_str() {
        // ObjectError with it passes as well.
        _ if !failed.swap(true, Ordering::SeqCst) => answer(500, ""),
        "/latest/api/token" => answer(200, "a-token"),
        "/latest/meta-data/iam/security-credentials/" => answer(200, "the-role"),
        "/latest/meta-data/iam/security-credentials/the-role" => answer(200, &keys),
        _ => answer(404, ""),
    })
    .unwrap();
    let keys = S3Keys::Role { metadata_endpoint: Some(service.url()) };
    let s3 = S3Settings { keys, ..s3(&lab.server.endpoint()) };
    let storage = storage(ObjectSettings { service: Service::S3(s3), ..settings("") });
    assert_good(&inspect(&storage, "a").await, b"content");
    let asked = service.asked();
    assert_eq!(asked.last().unwrap().header("x-aws-ec2-metadata-token"), Some("a-token"));
    assert_good(&inspect(&storage, "a").await, b"content");
    assert_eq!(service.asked().len(), asked.len(), "keys are kept until they expire");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metadata_service_that_gives_no_keys_is_what_is_told() {
    let lab = Lab::new();
    for (status, told) in [(404, "status 404"), (403, "status 403"), (200, "the answer is not understood")] {
        // What it answers may hold anything, and is not repeated.
        let plan = move |asked: &Asked| match asked.target.as_str() {
            "/latest/api/token" if status == 200 => answer(200, "a-token"),
            _ => answer(status, "\"made-up-secret\""),
        };
        let service = FaultProxy::start("127.0.0.1:1", plan).unwrap();
        let keys = S3Keys::Role { metadata_endpoint: Some(service.url()) };
        let s3 = S3Settings { keys, ..s3(&lab.server.endpoint()) };
        let settings = ObjectSettings { service: Service::S3(s3), ..settings("") };
        let text = not_judged(&impatient(settings), "a").await;
        assert_eq!(text, format!("no keys for bucket content: {told}"));
        assert!(!text.contains("made-up"), "{text}");
    }
}
