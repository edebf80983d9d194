//! What clients may keep waiting: how long, and in what number.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use stocktake_http::{ConnectionLimits, serve};

use crate::raw::{answers, exchange, read_to_end};
use crate::support::{Running, stored_api};

const QUICK: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::from_secs(3_600);

/// Of which none is reached.
const PATIENT: ConnectionLimits =
    ConnectionLimits { connections: 100, head: NEVER, unread_body: NEVER, unread_answer: NEVER };

fn start(limits: ConnectionLimits) -> Running {
    let api = stored_api(limits);
    Running::start(move |listener| serve(api, listener, 1, None))
}

fn sent(server: &Running, text: &str) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// The statuses of the answers until the server closes the connection; each is checked.
fn statuses(stream: &mut TcpStream) -> Vec<u16> {
    let found = answers(&read_to_end(stream).0);
    found.iter().for_each(super::raw::RawAnswer::check);
    found.iter().map(|answer| answer.status).collect()
}

const GET: &str = "GET /-/liveness HTTP/1.1\r\nHost: x\r\n\r\n";
const HALF: &str = "GET /-/liveness HTTP/1.1\r\nHo";
const CHUNKED: &str = "PUT /api/v4/admin/data_management/uploads/checksum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn what_the_parser_refuses_has_a_body_and_an_id() {
    let server = start(PATIENT);
    let url = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(length - 1));
    let fields =
        |count: usize| format!("GET /no HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    let field = |length: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(length));
    let with_body = |method, path, length: usize| {
        let body = "b".repeat(length);
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let rows = [
        ("\0".to_owned(), vec![400]),
        ("GET / HTTP/3.0\r\n\r\n".to_owned(), vec![400]),
        ("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(), vec![400]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), vec![400]),
        (url(65_000), vec![404]),
        (url(65_534), vec![404]),
        (url(65_535), vec![414]),
        (url(65_537), vec![414]),
        (url(70_000), vec![414]),
        (url(1_000_000), vec![414]),
        (fields(96), vec![404]),
        (fields(97), vec![431]),
        (field(200_000), vec![431]),
        (format!("{GET}\0"), vec![200, 400]),
        (format!("{GET}{GET}{}", url(70_000)), vec![200, 200, 414]),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}: b\r\n\r\n", "a".repeat(65_536)), vec![431]),
        (format!("{GET}GET / HTTP/1.1\r\nHost: x\r\n{}: b\r\n\r\n", "a".repeat(65_536)), vec![200, 431]),
        // Requests with bodies that nobody reads, one behind the other.
        (
            with_body("GET", "/metrics", 9_000) + &with_body("PUT", "/api/v1/findings", 2_000) + GET,
            vec![200, 401, 200],
        ),
        // What is wrong in a body that nobody reads is not a request of its own.
        (format!("{CHUNKED}5\r\nabcde\r\nX\r\n"), vec![401]),
        (format!("{GET}{CHUNKED}X"), vec![200, 401]),
        (format!("{CHUNKED}5\r\nabcdefgh"), vec![401]),
    ];
    for (text, wanted) in rows {
        let (found, is_whole) = exchange(server.connect(), text.as_bytes());
        found.iter().for_each(super::raw::RawAnswer::check);
        let found: Vec<_> = found.iter().map(|answer| answer.status).collect();
        assert_eq!((found, is_whole), (wanted, true), "{:?}", &text[..text.len().min(80)]);
    }
    server.stop();
}

#[test]
fn a_head_that_does_not_end_is_answered() {
    let server = start(ConnectionLimits { head: QUICK, ..PATIENT });
    assert_eq!(statuses(&mut sent(&server, HALF)), [408]);
    // Also one that begins later.
    let mut later = sent(&server, GET);
    later.read_exact(&mut [0]).unwrap();
    later.write_all(HALF.as_bytes()).unwrap();
    let rest = [b"H".to_vec(), read_to_end(&mut later).0].concat();
    assert_eq!(answers(&rest).iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 408]);
    // Who says nothing is told nothing.
    assert_eq!(read_to_end(&mut server.connect()), (vec![], true));
    server.stop();
}

#[test]
fn a_body_that_nobody_reads_is_cut_off() {
    let server = start(ConnectionLimits { unread_body: QUICK, ..PATIENT });
    for request in [
        CHUNKED,
        "GET /-/liveness HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /no HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut stream = sent(&server, request);
        let mut writing = stream.try_clone().unwrap();
        let dripping = std::thread::spawn(move || {
            while writing.write_all(b"1\r\na\r\n").is_ok() {
                std::thread::sleep(QUICK / 10);
            }
        });
        assert_eq!(statuses(&mut stream).len(), 1);
        dripping.join().unwrap();
    }
    // A body that has come whole keeps the connection, also if nobody reads it.
    let whole = format!("{CHUNKED}1\r\na\r\n0\r\n\r\n");
    let mut stream = sent(&server, &whole);
    stream.read_exact(&mut [0]).unwrap();
    std::thread::sleep(QUICK * 2);
    stream.write_all(b"GET /no HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let rest = [b"H".to_vec(), read_to_end(&mut stream).0].concat();
    assert_eq!(answers(&rest).iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 404]);
    server.stop();
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    let server = start(ConnectionLimits { unread_answer: QUICK, ..PATIENT });
    let asked = 400;
    let requests = "GET /api/openapi.json HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: stk-x\r\n\r\n".repeat(asked);
    let mut stream = server.connect();
    let mut writing = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || writing.write_all(requests.as_bytes()).is_ok());
    std::thread::sleep(QUICK * 5);
    assert!(answers(&read_to_end(&mut stream).0).len() < asked);
    writer.join().unwrap();
    server.stop();
}

#[test]
fn who_holds_connections_keeps_nobody_out() {
    let server = start(ConnectionLimits { connections: 8, ..PATIENT });
    let token = "GET /api/v4/version HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: stk-x\r\n\r\n";
    let mut known = sent(&server, token);
    known.read_exact(&mut [0]).unwrap();
    let mut held = Vec::new();
    for number in 0..50 {
        held.push(sent(&server, [CHUNKED, HALF, GET, ""][number % 4]));
        let mut probe = sent(&server, &GET.replace("Host: x", "Host: x\r\nConnection: close"));
        assert_eq!(statuses(&mut probe), [200], "with {number} held");
    }
    // Those that were given up are closed, and who has a token is still served.
    for stream in &mut held[..40] {
        read_to_end(stream);
    }
    known.write_all(b"GET /no HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let rest = [b"H".to_vec(), read_to_end(&mut known).0].concat();
    assert_eq!(answers(&rest).iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 404]);
    server.stop();
}
