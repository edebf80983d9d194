//! The log of a request.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::start;

/// Where the log of this process goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_request_has_one_line_and_a_fault_its_cause_under_the_same_id() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let server = start();
    let uri = "/api/v4/admin/data_management/projects/1";
    let answer = server.answer(&format!("GET {uri}?private=1 HTTP/1.1\r\nX-Request-Id: r-1"), b"");
    assert!(answer.ends_with(r#"{"message":"500 Internal Server Error"}"#), "{answer}");
    server.stop();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    // Other tests of this process write to the same log.
    let own: Vec<_> = lines.filter(|line| line["fields"]["request.id"] == "r-1").collect();
    let [cause, line] = own.as_slice() else { panic!("{text}") };
    assert_eq!(cause["level"], "ERROR");
    let error = "internal error: the database refused or returned something unexpected: row 7 is odd";
    assert_eq!(cause["fields"]["error"], error);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["fields"]["http.method"], "GET");
    assert_eq!(line["fields"]["http.path"], uri);
    assert_eq!(line["fields"]["http.status"], 500);
    assert_eq!(line["fields"]["token.owner"], "o");
    assert!(line["fields"]["http.duration_us"].is_number());
}
