//! The log of a request.

use serde_json::Value;

use crate::support::{LOG, start};

#[test]
fn each_request_has_one_line_and_a_fault_its_cause_under_the_same_id() {
    let server = start();
    let uri = "/api/v4/admin/data_management/projects/1";
    let head = format!("GET {uri}?private=1 HTTP/1.1\r\nX-Request-Id: r-1\r\nForwarded: for=192.0.2.9");
    let answer = server.answer(&head, b"");
    assert!(answer.ends_with(r#"{"message":"500 Internal Server Error"}"#), "{answer}");
    server.stop();

    let text = LOG.text();
    let lines: Vec<_> = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
    // Other tests of this process write to the same log.
    let own: Vec<_> = lines.iter().filter(|line| line["fields"]["request.id"] == "r-1").collect();
    let [cause, line] = own.as_slice() else { panic!("{text}") };
    let route = "/api/v4/admin/data_management/{model_name}/{record_identifier}";
    assert_eq!(cause["level"], "ERROR");
    let error = "internal error: the database refused or returned something unexpected: row 7 is odd";
    assert_eq!(cause["fields"]["error.cause"], error);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["fields"]["http.method"], "GET");
    assert_eq!(line["fields"]["http.path"], uri);
    assert_eq!(line["fields"]["http.route"], route);
    assert_eq!(line["fields"]["http.status"], 500);
    assert_eq!(line["fields"]["client.address"], "127.0.0.1");
    assert_eq!(line["fields"]["token.owner"], "o");
    assert!(line["fields"]["http.duration_us"].is_number());

    let steps: Vec<_> = lines.iter().filter(|line| line["span"]["request.id"] == "r-1").collect();
    let names: Vec<_> = steps.iter().map(|step| step["fields"]["step.name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tokens.find", "catalogue.get"]);
    for step in steps {
        assert_eq!(step["level"], "DEBUG");
        assert_eq!(step["span"]["name"], "request");
        assert_eq!(step["span"]["client.address"], "127.0.0.1");
        assert!(step["fields"]["step.duration_us"].is_number());
    }
}
