//! HTTP clients against servers on the loopback interface that speak TLS, or do not.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use stocktake_net::http::{HttpClientBuilder, USER_AGENT};
use stocktake_net::tls::{failure, is_untrusted};
use stocktake_testbed::Certificate;

/// A server that answers each request with a redirect, and with the request's `User-Agent` as the body.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let lines = BufReader::new(&client).lines().map_while(Result::ok);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let agent = head.iter().find_map(|line| line.strip_prefix("user-agent: ")).unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{agent}",
                agent.len()
            );
            // A client that speaks TLS to this server hangs up.
            let _ = client.write_all(answer.as_bytes());
        }
    });
    address
}

fn builder(certificates: Option<PathBuf>) -> HttpClientBuilder {
    HttpClientBuilder::new(certificates, true).unwrap()
}

#[tokio::test]
async fn authority_and_host_are_verified() {
    let (folder, other, plain) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), server());
    let certificate = Certificate::issue(folder.path(), "DNS:localhost").unwrap();
    let stranger = Certificate::issue(other.path(), "DNS:localhost").unwrap();
    let port = certificate.serve(plain).unwrap().port();
    let client = builder(Some(certificate.authority)).https_only(true).build().unwrap();
    let response = client.get(format!("https://localhost:{port}/")).send().await.unwrap();
    assert_eq!(response.status(), 302, "no redirect is followed");
    assert_eq!(response.text().await.unwrap(), USER_AGENT);
    // The certificate is not for the address.
    let error = client.get(format!("https://127.0.0.1:{port}/")).send().await.unwrap_err();
    assert!(is_untrusted(&error), "{error:?}");
    for untrusting in [builder(None), builder(Some(stranger.authority)).http1_only()] {
        let client = untrusting.build().unwrap();
        let error = client.get(format!("https://localhost:{port}/")).send().await.unwrap_err();
        assert!(is_untrusted(&error), "{error:?}");
    }
    let error = client.get(format!("http://{plain}/")).send().await.unwrap_err();
    assert!(error.is_builder() && failure(&error).is_none(), "{error:?}");
}

/// What `openssl req -x509` makes is the certificate of an authority.
#[tokio::test]
async fn a_self_signed_certificate_is_trusted_for_itself() {
    let (folder, other, plain) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), server());
    let certificate = Certificate::self_signed(folder.path(), "DNS:localhost").unwrap();
    let stranger = Certificate::self_signed(other.path(), "DNS:localhost").unwrap();
    let port = certificate.serve(plain).unwrap().port();
    let get = async |certificates, host: &str| {
        let client = builder(certificates).build().unwrap();
        client.get(format!("https://{host}:{port}/")).send().await
    };
    let response = get(Some(certificate.authority.clone()), "localhost").await.unwrap();
    assert_eq!(response.status(), 302);
    // Not for another host, and no other certificate of the same name.
    for (certificates, host) in [
        (Some(certificate.authority), "127.0.0.1"),
        (Some(stranger.authority), "localhost"),
        (None, "localhost"),
    ] {
        let error = get(certificates, host).await.unwrap_err();
        assert!(is_untrusted(&error), "{error:?}");
        let told = failure(&error).unwrap().to_string();
        let expected = if host == "localhost" { "UnknownIssuer" } else { "not valid for name" };
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_no_question_of_trust() {
    let plain = server();
    let client = builder(None).build().unwrap();
    assert_eq!(client.get(format!("http://{plain}/")).send().await.unwrap().status(), 302);
    let error = client.get(format!("https://{plain}/")).send().await.unwrap_err();
    assert!(failure(&error).is_some() && !is_untrusted(&error), "{error:?}");
}

#[tokio::test]
async fn a_renewed_file_of_certificates_is_read_again() {
    let (folder, other, plain) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), server());
    let before = Certificate::issue(folder.path(), "DNS:localhost").unwrap();
    let after = Certificate::issue(other.path(), "DNS:localhost").unwrap();
    let [old, new] = [&before, &after].map(|certificate| certificate.serve(plain).unwrap().port());
    let trusted = folder.path().join("trusted.pem");
    std::fs::copy(&before.authority, &trusted).unwrap();
    let client = builder(Some(trusted.clone())).build().unwrap();
    let get = async |port: u16| client.get(format!("https://localhost:{port}/")).send().await;
    assert_eq!(get(old).await.unwrap().status(), 302);
    assert!(is_untrusted(&get(new).await.unwrap_err()));
    // What cannot be used, or is not there for a moment, changes nothing.
    std::fs::write(&trusted, "words").unwrap();
    assert_eq!(get(old).await.unwrap().status(), 302);
    std::fs::remove_file(&trusted).unwrap();
    assert_eq!(get(old).await.unwrap().status(), 302);
    std::fs::copy(&after.authority, &trusted).unwrap();
    assert_eq!(get(new).await.unwrap().status(), 302);
    assert!(is_untrusted(&get(old).await.unwrap_err()));
}
