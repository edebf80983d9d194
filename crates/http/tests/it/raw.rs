//! Raw HTTP: what is sent are bytes, and what comes back is read strictly.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawAnswer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Checks what holds for every answer, whatever the request.
    pub(crate) fn check(&self) {
        assert!(self.status < 500, "{self:?}");
        assert!(self.field("x-request-id").is_some(), "{self:?}");
        match self.field("content-type") {
            None => assert!(self.status == 204 && self.body.is_empty(), "{self:?}"),
            Some(kind) if kind.starts_with("text/") => assert_eq!(self.status, 200, "{self:?}"),
            Some(kind) => {
                assert_eq!(kind, "application/json", "{self:?}");
                assert!(serde_json::from_str::<Value>(&self.body).is_ok(), "{self:?}");
            }
        }
    }
}

/// Everything that the server sends until it closes the connection, and whether it ended in order.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => (bytes, true),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => (bytes, false),
        Err(error) => panic!("the server keeps the connection: {error}"),
    }
}

/// Sends these bytes and nothing more, and returns the answers and whether the connection ended in order.
pub(crate) fn exchange(mut stream: TcpStream, bytes: &[u8]) -> (Vec<RawAnswer>, bool) {
    let mut writing = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The server may stop reading, so that the rest cannot be written.
            let _ = writing.write_all(bytes);
            let _ = writing.shutdown(Shutdown::Write);
        });
        let (bytes, is_whole) = read_to_end(&mut stream);
        (answers(&bytes), is_whole)
    })
}

/// The answers in these bytes. A last one that is cut off is left out.
pub(crate) fn answers(bytes: &[u8]) -> Vec<RawAnswer> {
    let mut answers = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.windows(4).position(|part| part == b"\r\n\r\n") {
        let head = String::from_utf8(rest[..end].to_vec()).expect("a head is text");
        assert!(head.starts_with("HTTP/1."), "no answer begins with {head:?}");
        let status = head[9..12].parse().expect("a status");
        rest = &rest[end + 4..];
        if status == 100 {
            continue;
        }
        let mut answer = RawAnswer { status, head, body: String::new() };
        let length: usize = match (answer.field("content-length"), status) {
            (Some(length), _) => length.parse().expect("a length"),
            (None, 204 | 304) => 0,
            (None, _) => panic!("an answer without a length: {answer:?}"),
        };
        let Some(body) = rest.get(..length) else { return answers };
        answer.body = String::from_utf8(body.to_vec()).expect("a body is text");
        answers.push(answer);
        rest = &rest[length..];
    }
    answers
}
