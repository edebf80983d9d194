//! The servers themselves, over real connections.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod connections;
mod hostile;
mod log;
mod raw;
mod support;

use std::io::{Read, Write};
use std::sync::Arc;

use stocktake_http::{serve, serve_metrics};

use support::{HeldRecalculation, Running, api, start};

#[test]
fn head_is_get_without_the_body() {
    let server = start();
    let get = server.answer("GET /api/v4/version HTTP/1.1", b"");
    let (head, body) = get.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, r#"{"version":"1","revision":"r"}"#);
    let only_head = server.answer("HEAD /api/v4/version HTTP/1.1", b"");
    let length = format!("content-length: {}", body.len());
    assert!(head.contains(&length) && only_head.contains(&length), "{only_head}");
    assert!(only_head.ends_with("\r\n\r\n"));
    server.stop();
}

#[test]
fn a_sender_of_too_large_a_body_gets_its_answer() {
    let server = start();
    let body = vec![b'a'; 8 << 20];
    let head = "PUT /api/v4/admin/data_management/uploads/checksum HTTP/1.1";
    let answer = server.answer(&format!("{head}\r\nContent-Length: {}", body.len()), &body);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with(r#"{"message":"413 Request Entity Too Large"}"#), "{answer}");
    server.stop();
}

#[test]
fn links_name_the_host_that_was_asked() {
    let server = start();
    let answer =
        server.answer("GET /api/v4/admin/data_management/uploads HTTP/1.1\r\nX-Forwarded-Host: x", b"");
    let first =
        "link: <http://stock.test/api/v4/admin/data_management/uploads?page=1&per_page=20>; rel=\"first\"";
    assert!(answer.contains(first), "{answer}");
    server.stop();
}

#[test]
fn nothing_a_client_writes_is_our_fault() {
    let server = start();
    let long = format!("GET /{} HTTP/1.1", "a".repeat(70_000));
    for head in [
        long.as_str(),
        "GET /%00%FF/../.. HTTP/1.1",
        "BREW / HTTP/1.1",
        "GET http://[ HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ] {
        let mut stream = server.connect();
        // The server may stop reading a head that is too long, so that the rest cannot be written.
        let _ = stream.write_all(format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{} {answer}", head.get(..20).unwrap_or(head));
    }
    server.stop();
}

#[test]
fn a_graceful_stop_finishes_what_is_under_way() {
    let held = Arc::new(HeldRecalculation::default());
    let recalculation = Arc::clone(&held);
    let server = Running::start(move |listener| serve(api(recalculation, false), listener, 1, None));
    let mut idle = server.connect();
    idle.write_all(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0];
    idle.read_exact(&mut first).unwrap();
    let mut busy = server.connect();
    let put = "PUT /api/v4/admin/data_management/uploads/1/checksum HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: stk-x\r\n\r\n";
    busy.write_all(put.as_bytes()).unwrap();
    let system = actix_web::rt::System::new();
    let stopped = system.block_on(async {
        held.asked.notified().await;
        let stopping = actix_web::rt::spawn(server.handle.stop(true));
        held.go_on.notify_one();
        stopping.await
    });
    stopped.unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    server.thread.join().unwrap().unwrap();
}

#[test]
fn metrics_can_have_an_address_of_their_own() {
    let main = Running::start(|listener| serve(api(Arc::default(), true), listener, 1, None));
    let own = Running::start(|listener| serve_metrics(api(Arc::default(), true), listener));
    assert!(main.answer("GET /metrics HTTP/1.1", b"").starts_with("HTTP/1.1 404 "));
    assert!(own.answer("GET /metrics HTTP/1.1", b"").contains("process_metric 1\n"));
    assert!(own.answer("GET /api/v4/version HTTP/1.1", b"").starts_with("HTTP/1.1 404 "));
    main.stop();
    own.stop();
    let both = start();
    assert!(both.answer("GET /metrics HTTP/1.1", b"").contains("process_metric 1\n"));
    both.stop();
}
