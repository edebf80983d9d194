//! A server whose certificate only an authority of our own vouches for.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use stocktake_content_objects::{Network, ObjectSettings, S3Settings, Service};

use crate::support::{assert_good, inspect, s3, settings, storage, unreadable};

/// Serves files that hold whole answers, until its standard input is closed, as it also is when this process
/// is killed.
const SERVE: &str = "openssl s_server -accept 127.0.0.1:0 -cert leaf.pem -key leaf.key -HTTP 2>/dev/null & \
                     read -r _; kill $!; wait";

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// Makes a key, and a certificate for it with these words.
fn certificate(folder: &Path, name: &str, words: &str) {
    let common =
        format!("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {name}.key -out {name}.pem {words}");
    let mut command = Command::new("openssl");
    command.args(common.split_whitespace()).current_dir(folder).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
}

fn serve(folder: &Path) -> Server {
    certificate(folder, "ca", "-subj /CN=authority");
    let leaf = "-CA ca.pem -CAkey ca.key -subj /CN=server -addext subjectAltName=IP:127.0.0.1 \
                -addext basicConstraints=critical,CA:FALSE";
    certificate(folder, "leaf", leaf);
    let mut command = Command::new("sh");
    command.args(["-c", SERVE]).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("ACCEPT")).unwrap();
    // Read on, so that it can go on telling what it does.
    std::thread::spawn(move || lines.for_each(drop));
    let port = line.rsplit(':').next().unwrap().trim().parse().unwrap();
    Server { child, port }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_the_settings_is_trusted_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    std::fs::create_dir(folder.path().join("content")).unwrap();
    let answer = "HTTP/1.0 200 OK\r\nContent-Length: 7\r\nETag: \"x\"\r\n\r\ncontent";
    std::fs::write(folder.path().join("content/a"), answer).unwrap();
    let endpoint = format!("https://127.0.0.1:{}", server.port);
    let with = |certificates| {
        let network = Network { certificates, plain_http: false };
        let service = Service::S3(S3Settings { network, ..s3(&endpoint) });
        storage(ObjectSettings { service, ..settings("") })
    };
    let text = unreadable(&with(None), "a").await;
    let host = &endpoint["https://".len()..];
    assert!(
        text.starts_with(&format!("no trusted connection to {host}: invalid peer certificate")),
        "{text}"
    );
    assert_good(&inspect(&with(Some(folder.path().join("ca.pem"))), "a").await, b"content");
}
