//! Random hostile requests: whatever comes is answered properly, and costs in proportion to its size.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rustix::time::{ClockId, clock_gettime};
use stocktake_http::{ConnectionLimits, serve};

use crate::raw::{RawAnswer, exchange, read_to_end};
use crate::support::{Running, stored_api};

/// How many connections are made, each with up to [`MAX_REQUESTS`] requests.
const CASES: &str = "STOCKTAKE_FUZZ_CASES";

/// Repeats the requests of an earlier run.
const SEED: &str = "STOCKTAKE_FUZZ_SEED";

const MAX_REQUESTS: usize = 8;

/// One in so many connections is kept open by the client.
const HELD: usize = 25;

const LIMITS: ConnectionLimits = ConnectionLimits {
    connections: 64,
    head: Duration::from_secs(2),
    unread_body: Duration::from_secs(2),
    unread_answer: Duration::from_secs(30),
};

const METHODS: [&str; 10] = ["GET", "GET", "PUT", "PUT", "POST", "DELETE", "OPTIONS", "TRACE", "GET", "BREW"];

const TARGETS: [&str; 16] = [
    "/api/v4/admin/data_management/uploads/checksum",
    "/api/v4/admin/data_management/uploads",
    "/api/v4/admin/data_management/uploads/1/checksum",
    "/api/v4/admin/data_management/projects/NSAxMDA=",
    "/api/v4/admin/data_management/%00%ff/..%2f",
    "/api/v4/user",
    "/api/v1/findings?format=csv",
    "/api/v1/jobs/1",
    "/api/v1/summary/",
    "/-/liveness",
    "/-/readiness",
    "/metrics",
    "*",
    "http://[::1",
    "//",
    "/?private_token=stk-x",
];

const FIELDS: [&str; 16] = [
    "PRIVATE-TOKEN: stk-x",
    "PRIVATE-TOKEN: stk-x",
    "Authorization: Bearer stk-wrong",
    "Cookie: =;=",
    "Via: \u{fffd}",
    "Connection: close",
    "Connection: keep-alive, upgrade",
    "Upgrade: websocket",
    "Expect: 100-continue",
    "X-Request-Id: a b",
    "Forwarded: for=\"[::1]:x\";proto=\"https\\\"\";host=,,;",
    "X-Forwarded-For: 1.2.3.4, unknown,, ::1",
    "Origin: null",
    "Content-Type: application/json",
    "Content-Type: multipart/form-data; boundary=b",
    "Accept: \t",
];

const NAMES: [&str; 10] = [
    "identifiers",
    "identifiers[]",
    "checksum_state",
    "per_page",
    "cursor",
    "[",
    "a[b][c]",
    "%",
    "%zz",
    "\u{fffd}",
];

const VALUES: [&str; 10] =
    ["1", "-1", "99999999999999999999", "NSAxMDA=", "%FF%00", "failed", "", "a\r\nb", "\u{1f600}", "null"];

fn pick<T: Copy>(rng: &mut StdRng, from: &[T]) -> T {
    *from.choose(rng).unwrap()
}

/// A query string or a form.
fn pairs(rng: &mut StdRng) -> String {
    let mut text = String::new();
    for number in 0..rng.random_range(0..6) {
        let (name, value) = (pick(rng, &NAMES), pick(rng, &VALUES));
        write!(
            text,
            "{name}{}={value}&",
            if rng.random_bool(0.1) { "x".repeat(number * 999) } else { String::new() }
        )
        .unwrap();
    }
    text
}

fn body(rng: &mut StdRng) -> String {
    let (name, value) = (pick(rng, &NAMES), pick(rng, &VALUES));
    match rng.random_range(0..7) {
        0 => pairs(rng),
        1 => format!("{{\"{name}\":[{value},\"{value}\",null]}}"),
        2 => "[".repeat(rng.random_range(1..5_000)),
        3 => format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--b--"),
        4 => format!("--b\r\n{}", "--b\r\n".repeat(rng.random_range(1..500))),
        5 => (0..rng.random_range(1..6_000)).fold(String::new(), |text, at| text + &format!("n{at}&")),
        _ => String::new(),
    }
}

/// A request that is more or less valid.
fn request(rng: &mut StdRng) -> Vec<u8> {
    let (method, target) = (pick(rng, &METHODS), pick(rng, &TARGETS));
    let query = if rng.random_bool(0.3) {
        format!("?{}", pairs(rng).replace([' ', '\r', '\n'], ""))
    } else {
        String::new()
    };
    let version = if rng.random_bool(0.98) { "1.1" } else { pick(rng, &["1.0", "0.9", "2.0", "x"]) };
    let host = if rng.random_bool(0.97) { "Host: a.test\r\n" } else { "" };
    let fields: String = (0..rng.random_range(0..5)).flat_map(|_| [pick(rng, &FIELDS), "\r\n"]).collect();
    let rest = framed(rng);
    format!("{method} {target}{query} HTTP/{version}\r\n{host}{fields}{rest}").into_bytes()
}

/// The rest of a head, and a body.
fn framed(rng: &mut StdRng) -> String {
    const LENGTHS: [&str; 4] = ["1", "-1", "99999999999999999999", "+3"];
    const CHUNKS: [&str; 5] =
        ["0\r\n\r\n", "x\r\n", "fffffffffffffffff\r\n", "1;a=b\r\nc\r\n0\r\n\r\n", "\r\n"];
    let sent = body(rng);
    match rng.random_range(0..12) {
        0..4 => format!("Content-Length: {}\r\n\r\n{sent}", sent.len()),
        4 => format!("Content-Length: {}\r\n\r\n{sent}", pick(rng, &LENGTHS)),
        5 => format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{sent}\r\n0\r\n\r\n", sent.len().max(1)),
        6 => format!("Transfer-Encoding: chunked\r\n\r\n{}", pick(rng, &CHUNKS)),
        _ => "\r\n".to_owned(),
    }
}

/// Makes bytes wrong in one place.
fn spoil(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    let at = rng.random_range(0..bytes.len());
    match rng.random_range(0..6) {
        0 => bytes[at] = rng.random(),
        1 => drop(bytes.drain(at..(at + rng.random_range(1..20)).min(bytes.len()))),
        2 => drop(bytes.splice(at..at, std::iter::repeat_n(b'a', rng.random_range(1..100_000)))),
        3 => drop(bytes.splice(at..at, "\r\nA: b".repeat(rng.random_range(1..200)).into_bytes())),
        4 => drop(
            bytes.splice(at..at, pick(rng, &["\r\n", "\n", "\r", "\0", " ", "\t", "%", "\u{e9}"]).bytes()),
        ),
        _ => bytes.truncate(at.max(1)),
    }
}

fn new_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn start() -> Running {
    let api = stored_api(LIMITS);
    Running::start(move |listener| serve(api, listener, 2, None))
}

#[test]
fn hostile_requests_are_answered_properly() {
    let (cases, seed) = (variable(CASES, 400), variable(SEED, new_seed()));
    println!("{SEED}={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let server = start();
    let (mut held, mut sent, mut answered, mut reset) = (Vec::<TcpStream>::new(), 0, 0, 0);
    for case in 0..cases {
        let count = if rng.random_bool(0.3) { 1 } else { rng.random_range(1..=MAX_REQUESTS) };
        let mut bytes = Vec::new();
        let is_first_whole = rng.random_bool(0.7);
        for number in 0..count {
            let mut one = request(&mut rng);
            if if number == 0 { !is_first_whole } else { rng.random_bool(0.1) } {
                spoil(&mut rng, &mut one);
            }
            bytes.append(&mut one);
        }
        sent += count;
        if rng.random_range(0..HELD) == 0 {
            let mut stream = server.connect();
            stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
            let half = rng.random_range(0..bytes.len());
            // The server may have given it up.
            let _ = stream.write_all(&bytes[..half]);
            held.push(stream);
            continue;
        }
        let (answers, is_whole) = exchange(server.connect(), &bytes);
        answers.iter().for_each(RawAnswer::check);
        assert!(!answers.is_empty() || !is_first_whole, "case {case}: none to {}", bytes.escape_ascii());
        assert!(answers.len() <= count + 1, "case {case}: {answers:?} to {}", bytes.escape_ascii());
        answered += answers.len();
        reset += usize::from(!is_whole);
    }
    println!("{sent} requests, {answered} answers, {} held, {reset} connections reset", held.len());
    assert!(answered > 0 && reset * 20 <= usize::try_from(cases).unwrap(), "{answered} {reset}");
    // A held connection that sends nothing more is closed by the server, unless it waits for a next request.
    for mut stream in held {
        let _ = stream.shutdown(std::net::Shutdown::Write);
        read_to_end(&mut stream);
    }
    let (alive, _) = exchange(server.connect(), b"GET /-/liveness HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(alive.first().map(|answer| answer.status), Some(200));
    server.stop();
}

/// The processor time that this process has used, in seconds.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "of a few minutes")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

/// A request of about this many bytes, which is answered with 400 at the latest behind its body.
type Family = fn(usize) -> String;

fn put(kind: &str, body: &str) -> String {
    let path = "/api/v4/admin/data_management/uploads/checksum";
    let length = body.len();
    format!(
        "PUT {path} HTTP/1.1\r\nHost: a\r\nPRIVATE-TOKEN: stk-x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn many(size: usize, one: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(size);
    let mut number = 0;
    while text.len() < size {
        text += &one(number);
        number += 1;
    }
    text
}

const FORM: &str = "application/x-www-form-urlencoded";

const FAMILIES: [(&str, Family); 13] = [
    ("names of a form", |size| put(FORM, &many(size, |at| format!("n{at}=1&")))),
    ("few long names", |size| put(FORM, &many(size, |at| format!("{at}{}=1&", "n".repeat(size / 64))))),
    ("elements of a form", |size| put(FORM, &many(size, |at| format!("identifiers[]={at}&")))),
    ("one list", |size| put(FORM, &format!("identifiers={}", many(size, |at| format!("{at},"))))),
    ("composite keys", |size| put(FORM, &format!("identifiers={}", many(size, |_| "NSAxMDA=,".to_owned())))),
    ("escapes", |size| put(FORM, &many(size, |_| "%2B+%".to_owned()))),
    ("brackets", |size| put(FORM, &many(size, |_| "[".to_owned()))),
    ("names in JSON", |size| {
        put("application/json", &format!("{{{}\"a\":1}}", many(size, |at| format!("\"n{at}\":1,"))))
    }),
    ("numbers in JSON", |size| {
        put("application/json", &format!("{{\"identifiers\":[{}1]}}", many(size, |at| format!("{at},"))))
    }),
    ("nesting in JSON", |size| put("application/json", &many(size, |_| "{\"a\":[".to_owned()))),
    ("names in multipart", |size| {
        let field = |at| format!("--b\r\nContent-Disposition: form-data; name=\"n{at}\"\r\n\r\n1\r\n");
        put("multipart/form-data; boundary=b", &format!("{}--b--\r\n", many(size, field)))
    }),
    ("boundaries in multipart", |size| {
        put("multipart/form-data; boundary=b", &many(size, |_| "\r\n--".to_owned()))
    }),
    ("a form in small chunks", |size| {
        let chunks = many(size, |_| "1\r\na\r\n".to_owned());
        let path = "/api/v4/admin/data_management/uploads/checksum";
        format!(
            "PUT {path} HTTP/1.1\r\nHost: a\r\nPRIVATE-TOKEN: stk-x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
        )
    }),
];

/// The processor time for a byte, over `rounds` requests.
fn cost(server: &Running, text: &str, rounds: usize) -> f64 {
    let begin = processor_seconds();
    for _ in 0..rounds {
        let (answers, _) = exchange(server.connect(), text.as_bytes());
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.iter().for_each(RawAnswer::check);
    }
    #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "of a few megabytes")]
    let bytes = (text.len() * rounds) as f64;
    (processor_seconds() - begin) / bytes
}

/// The cost for a byte of a request of sixteen times the size may not be much more: where it grows with the square, it is
/// sixteen times as much.
#[test]
fn the_cost_of_a_request_is_in_proportion_to_its_size() {
    let server = start();
    for (name, family) in FAMILIES {
        let (small, large) = (family(60_000), family(960_000));
        let ratio = cost(&server, &large, 2) / cost(&server, &small, 32);
        println!("{name}: {ratio:.2}");
        assert!(
            ratio < 4.0,
            "a byte of {name} costs {ratio:.1} times as much in a request of 16 times the size"
        );
    }
    server.stop();
}
