//! Each fault, seen by a client that reads to the end.

use super::*;

const BODY: &str = "0123456789";

/// A server that answers everything with [`BODY`], until it is dropped.
struct Server(SocketAddr);

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(head) = Head::read(&mut BufReader::new(&client)) else { return };
                let mut answer = Head::answer(200, &[]);
                answer.set_length(10);
                answer.write(&client).unwrap();
                if !head.first.starts_with("HEAD") {
                    (&client).write_all(BODY.as_bytes()).unwrap();
                }
            }
        });
        Self(address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(TcpStream::connect(self.0));
    }
}

/// Asks through a proxy with this fault: the head, the body, and how the connection ended.
fn ask(method: &str, fault: Fault) -> (Head, String, Result<(), io::ErrorKind>) {
    let server = Server::start();
    let proxy = FaultProxy::start(&server.0.to_string(), move |_| fault.clone()).unwrap();
    let client = TcpStream::connect(proxy.address()).unwrap();
    (&client).write_all(format!("{method} /a?b HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).unwrap();
    let mut reader = BufReader::new(&client);
    let head = Head::read(&mut reader).unwrap();
    let mut body = Vec::new();
    let end = reader.read_to_end(&mut body).map(drop).map_err(|error| error.kind());
    let asked = proxy.asked();
    assert_eq!((asked[0].target.as_str(), asked[0].header("host")), ("/a?b", Some("here")));
    (head, String::from_utf8(body).unwrap(), end)
}

#[test]
fn without_a_fault_the_answer_is_passed_on() {
    let (head, body, end) = ask("GET", Fault::None);
    assert_eq!((head.length(), body.as_str(), end), (Some(10), BODY, Ok(())));
    let (head, body, end) = ask("HEAD", Fault::None);
    assert_eq!((head.length(), body.as_str(), end), (Some(10), "", Ok(())));
}

#[test]
fn a_reset_is_one_and_comes_in_time() {
    let (_, body, end) = ask("GET", Fault::Reset { after: 3 });
    assert!("012".starts_with(&body), "{body}");
    assert_eq!(end, Err(io::ErrorKind::ConnectionReset));
}

#[test]
fn truncated_bodies_end_in_order_and_claim_what_they_shall() {
    let (head, body, end) = ask("GET", Fault::Truncate { after: 3, hidden: false });
    assert_eq!((head.length(), body.as_str(), end), (Some(10), "012", Ok(())));
    let (head, body, end) = ask("GET", Fault::Truncate { after: 3, hidden: true });
    assert_eq!((head.length(), body.as_str(), end), (Some(3), "012", Ok(())));
}

#[test]
fn a_wrong_length_and_a_slow_answer_bring_all_bytes() {
    let (head, body, _) = ask("GET", Fault::Length(20));
    assert_eq!((head.length(), body.as_str()), (Some(20), BODY));
    let (head, body, _) = ask("GET", Fault::Drip { bytes: 4, pause: Duration::from_millis(1) });
    assert_eq!((head.length(), body.as_str()), (Some(10), BODY));
}

#[test]
fn an_answer_of_the_proxy_does_not_need_the_server() {
    let proxy = FaultProxy::start("127.0.0.1:1", |_| Fault::slow_down()).unwrap();
    let client = TcpStream::connect(proxy.address()).unwrap();
    (&client).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    (&client).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("</Error>"), "{answer}");
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.matches('\n').count(), head.matches("\r\n").count(), "{head:?}");
}
