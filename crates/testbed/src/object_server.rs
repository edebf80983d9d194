//! Object stores that other people wrote, on loopback: moto (S3), Azurite (Azure) and fake-gcs-server (Google).
//!
//! `cargo xtask servers` installs them into cargo's target folder. One that is missing is an error that says so.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use crate::http::{self, HttpAnswer};
use crate::port::free_port;
use crate::service::Service;

/// What a URL's query keeps as it is.
const IN_QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// moto looks at nothing of a signature but whose it is.
const UNSIGNED: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
                        SignedHeaders=host, Signature=none";

/// Which object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// moto, which speaks S3.
    S3,
    /// Azurite, which speaks Azure Blob Storage.
    Azure,
    /// fake-gcs-server, which speaks Google Cloud Storage.
    Google,
    /// The same with its objects in files: their keys must be those of files.
    GoogleOnDisk,
}

/// A running object store with one bucket. It ends when this is dropped, or when this process ends in any way.
#[derive(Debug)]
pub struct ObjectServer {
    kind: ServerKind,
    address: SocketAddr,
    /// Azure: the query that signs a request.
    signature: String,
    folder: tempfile::TempDir,
    _service: Service,
}

impl ObjectServer {
    /// The one bucket, or container.
    pub const BUCKET: &'static str = "content";
    /// The one account of Azurite.
    pub const ACCOUNT: &'static str = "devstoreaccount1";
    /// Its key, which Azurite publishes.
    pub const ACCOUNT_KEY: &'static str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    /// Starts the server on a free port of 127.0.0.1, with an empty bucket.
    pub fn start(kind: ServerKind) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("stocktake-objects-").tempdir()?;
        let (program, arguments, announced) = match kind {
            ServerKind::S3 => ("servers-venv/bin/moto_server", "-H 127.0.0.1 -p 0".to_owned(), "Running on "),
            ServerKind::Azure => (
                "servers-node/node_modules/.bin/azurite-blob",
                "--blobHost 127.0.0.1 --blobPort 0 --silent --skipApiVersionCheck --disableTelemetry \
                 --inMemoryPersistence"
                    .to_owned(),
                "successfully listens on ",
            ),
            ServerKind::Google | ServerKind::GoogleOnDisk => {
                // It serves objects only under the name that it is told, and cannot choose a port.
                let port = free_port()?;
                let host = format!("127.0.0.1:{port}");
                let arguments = format!(
                    "-scheme http -host 127.0.0.1 -port {port} -public-host {host} -external-url http://{host} \
                     -backend {} -filesystem-root {}",
                    if kind == ServerKind::Google { "memory" } else { "filesystem" },
                    folder.path().display()
                );
                ("servers-venv/bin/fake-gcs-server", arguments, "server started at ")
            }
        };
        let mut command = Command::new(installed(program)?);
        let (service, address) = Service::start(command.args(arguments.split(' ')), announced)?;
        let signature = signature()?;
        let server = Self { kind, address, signature, folder, _service: service };
        server.create_bucket()?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What comes behind host and port in the endpoint of its service.
    pub fn base(&self) -> String {
        if self.kind == ServerKind::Azure { format!("/{}", Self::ACCOUNT) } else { String::new() }
    }

    /// Puts an object; the headers go with it. A key may hold any characters.
    pub fn put(&self, key: &str, content: &[u8], headers: &[(&str, &str)]) -> anyhow::Result<()> {
        let answer = match self.kind {
            ServerKind::S3 => self.send("PUT", key, "", headers, content),
            ServerKind::Azure => {
                let block = [&[("x-ms-blob-type", "BlockBlob")][..], headers].concat();
                self.send("PUT", key, "", &block, content)
            }
            ServerKind::Google | ServerKind::GoogleOnDisk => {
                let encoding = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Encoding"));
                let encoding =
                    encoding.map_or_else(String::new, |(_, value)| format!("&contentEncoding={value}"));
                let name = utf8_percent_encode(key, &IN_QUERY);
                let bucket = Self::BUCKET;
                let target =
                    format!("/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}{encoding}");
                http::send(self.address, "POST", &target, &[], content)
            }
        };
        accepted(&answer?).with_context(|| format!("cannot put {key:?}"))
    }

    /// The content of an object.
    pub fn get(&self, key: &str) -> anyhow::Result<Vec<u8>> {
        let query =
            if matches!(self.kind, ServerKind::Google | ServerKind::GoogleOnDisk) { "alt=media" } else { "" };
        let answer = self.send("GET", key, query, &[], &[])?;
        accepted(&answer).with_context(|| format!("cannot get {key:?}"))?;
        Ok(answer.body)
    }

    /// Removes an object.
    pub fn delete(&self, key: &str) -> anyhow::Result<()> {
        accepted(&self.send("DELETE", key, "", &[], &[])?).with_context(|| format!("cannot remove {key:?}"))
    }

    /// Sends a request about an object, as its owner.
    pub fn send(
        &self,
        method: &str,
        key: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<HttpAnswer> {
        let (bucket, signature) = (Self::BUCKET, &self.signature);
        let key = utf8_percent_encode(key, &IN_QUERY);
        let target = match self.kind {
            ServerKind::S3 => format!("/{bucket}/{key}?{query}"),
            ServerKind::Azure => format!("/{}/{bucket}/{key}?{query}&{signature}", Self::ACCOUNT),
            ServerKind::Google | ServerKind::GoogleOnDisk => {
                format!("/storage/v1/b/{bucket}/o/{key}?{query}")
            }
        };
        let mut own = vec![("Content-Type", "application/octet-stream")];
        if self.kind != ServerKind::Azure {
            own.push(("Authorization", UNSIGNED));
        }
        own.extend(headers);
        http::send(self.address, method, target.trim_end_matches('?'), &own, body)
    }

    /// The file in which [`ServerKind::GoogleOnDisk`] keeps an object, to change it behind the server's back.
    pub fn file(&self, key: &str) -> PathBuf {
        self.folder.path().join(Self::BUCKET).join(key)
    }

    fn create_bucket(&self) -> anyhow::Result<()> {
        let bucket = Self::BUCKET;
        let answer = match self.kind {
            ServerKind::S3 => {
                let target = format!("/{bucket}");
                http::send(self.address, "PUT", &target, &[("Authorization", UNSIGNED)], &[])
            }
            ServerKind::Azure => {
                let target = format!("/{}/{bucket}?restype=container&{}", Self::ACCOUNT, self.signature);
                http::send(self.address, "PUT", &target, &[], &[])
            }
            ServerKind::Google | ServerKind::GoogleOnDisk => {
                let json = [("Content-Type", "application/json")];
                let body = format!("{{\"name\": \"{bucket}\"}}");
                http::send(self.address, "POST", "/storage/v1/b", &json, body.as_bytes())
            }
        };
        accepted(&answer?).context("cannot make the bucket")
    }
}

fn accepted(answer: &HttpAnswer) -> anyhow::Result<()> {
    if !(200..300).contains(&answer.status) {
        bail!("answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}

/// A program that `cargo xtask servers` has put into cargo's target folder.
fn installed(program: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let found = test.ancestors().map(|folder| folder.join(program)).find(|path| path.is_file());
    found.with_context(|| {
        format!("no target folder above {} has {program}: `cargo xtask servers` installs it", test.display())
    })
}

/// A shared access signature for everything, with Azurite's own key.
/// <https://learn.microsoft.com/en-us/rest/api/storageservices/create-account-sas>
fn signature() -> anyhow::Result<String> {
    let (account, version, end) = (ObjectServer::ACCOUNT, "2021-06-08", "2099-01-01T00:00:00Z");
    let signed = format!("{account}\nrwdlac\nb\nsco\n\n{end}\n\n\n{version}\n\n");
    let key = STANDARD.decode(ObjectServer::ACCOUNT_KEY)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
    mac.update(signed.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let signature = utf8_percent_encode(&signature, &IN_QUERY);
    Ok(format!("sv={version}&ss=b&srt=sco&sp=rwdlac&se={end}&sig={signature}"))
}
