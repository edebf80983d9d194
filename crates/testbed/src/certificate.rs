//! Certificates for servers of tests, and a server that speaks TLS for one that does not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A server's certificate, as PEM files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate of the authority that issued it, made for this one.
    pub authority: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes a certificate in this folder with `openssl`. `name` is what it is for: `DNS:localhost`, `IP:127.0.0.1`.
    pub fn issue(folder: &Path, name: &str) -> anyhow::Result<Self> {
        std::fs::write(folder.join("names"), format!("subjectAltName={name}\nbasicConstraints=CA:FALSE\n"))?;
        for arguments in [
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=authority",
            "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server",
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile names \
             -out server.pem",
        ] {
            openssl(folder, arguments.split_whitespace())?;
        }
        let [authority, certificate, key] =
            ["ca.pem", "server.pem", "server.key"].map(|file| folder.join(file));
        Ok(Self { authority, certificate, key })
    }

    /// Makes a certificate in this folder that signs itself, and is that of an authority, as `openssl req -x509` makes it.
    pub fn self_signed(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let names = format!("subjectAltName={name}");
        let arguments = "req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.pem -days 3650 -subj /CN=server -addext";
        openssl(folder, arguments.split_whitespace().chain([names.as_str()]))?;
        let [certificate, key] = ["self.pem", "self.key"].map(|file| folder.join(file));
        Ok(Self { authority: certificate.clone(), certificate, key })
    }

    /// Starts a server that speaks TLS with this certificate and passes each request, without its body, on to the
    /// HTTP server at `plain`. It ends with the process.
    pub fn serve(&self, plain: SocketAddr) -> anyhow::Result<SocketAddr> {
        let chain = vec![CertificateDer::from_pem_file(&self.certificate)?];
        let key = PrivateKeyDer::from_pem_file(&self.key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key)?);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(connection) = ServerConnection::new(Arc::clone(&config)) else { return };
                // A client that does not take the certificate hangs up.
                let _ = pass_on(StreamOwned::new(connection, client), plain);
            }
        });
        Ok(address)
    }
}

/// Runs `openssl` in this folder.
fn openssl<'a>(folder: &Path, arguments: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output();
    let output = output.context("openssl cannot be run")?;
    if !output.status.success() {
        bail!("openssl: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn pass_on(client: StreamOwned<ServerConnection, TcpStream>, plain: SocketAddr) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while client.read_line(&mut head)? > 2 {}
    let mut server = TcpStream::connect(plain)?;
    server.write_all(head.as_bytes())?;
    std::io::copy(&mut server, client.get_mut())?;
    client.get_mut().conn.send_close_notify();
    client.get_mut().flush()
}
