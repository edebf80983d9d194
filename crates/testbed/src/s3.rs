//! An S3 server on loopback: the protocol and the check of signatures are those of the `s3s` crate, the objects
//! are files in a folder.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

mod object_files;
mod protocol;

use object_files::ObjectFiles;
pub use object_files::S3Facts;

use crate::object_server::ObjectServer;

/// Buckets whose name begins so exist, and nobody may look into them.
const FORBIDDEN: &str = "forbidden";

/// A running server. It stops when it is dropped, or its process ends; the objects stay.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    objects: ObjectFiles,
    stop: Option<oneshot::Sender<()>>,
}

/// The one pair of keys that the server knows.
#[derive(Debug)]
struct OnePair;

#[async_trait::async_trait]
impl S3Auth for OnePair {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == S3Server::ACCESS_KEY {
            Ok(SecretKey::from(S3Server::SECRET_KEY))
        } else {
            Err(s3_error!(InvalidAccessKeyId, "The access key is not known here."))
        }
    }
}

impl S3Server {
    /// The access key that the server knows.
    pub const ACCESS_KEY: &'static str = "stocktake-sample";
    /// The secret that belongs to it.
    pub const SECRET_KEY: &'static str = "made-up-words-for-the-sample";
    /// The region; any other is as good to it.
    pub const REGION: &'static str = "us-east-1";

    /// Serves the buckets in `folder` on a free port of 127.0.0.1.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::start_on(folder, "127.0.0.1:0")
    }

    /// Serves the buckets in `folder` on this address and port.
    pub fn start_on(folder: &Path, address: &str) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind(address)
            .with_context(|| format!("the S3 server cannot listen on {address}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let objects = ObjectFiles::new(folder);
        let mut builder = S3ServiceBuilder::new(objects.clone());
        builder.set_auth(OnePair);
        let service = builder.build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        thread::Builder::new().name("s3-server".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = serve(listener, service) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { address, objects, stop: Some(stop) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and where it listens; buckets are in the path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket, unless it is there. One whose name begins with `forbidden` may not be looked into.
    pub fn create_bucket(&self, bucket: &str) -> anyhow::Result<()> {
        self.objects.create_bucket(bucket)
    }

    /// Puts an object as in one piece.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8]) -> anyhow::Result<()> {
        self.objects.put(bucket, key, content, &S3Facts::of(content))
    }

    /// Puts an object of which other things are said than [`S3Server::put`] would say.
    pub fn put_as(&self, bucket: &str, key: &str, content: &[u8], facts: &S3Facts) -> anyhow::Result<()> {
        self.objects.put(bucket, key, content, facts)
    }

    /// Puts all objects of a bucket into another store as well.
    pub fn copy(&self, bucket: &str, to: &ObjectServer) -> anyhow::Result<()> {
        let (keys, _) = self.objects.keys(bucket, "", "", usize::MAX)?;
        keys.iter().try_for_each(|key| to.put(key, &std::fs::read(self.path(bucket, key))?, &[]))
    }

    /// The file that holds an object, to change it behind the server's back or to remove it.
    pub fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.objects.path(bucket, key)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // If the server has ended already, there is nothing to stop.
            let _stopped = stop.send(());
        }
    }
}

async fn serve(listener: std::net::TcpListener, service: S3Service) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        // A client that is gone before it is served is no reason to stop.
        let Ok((client, _)) = listener.accept().await else { continue };
        // Head and body are written apart; the second would wait for the first to be acknowledged.
        let Ok(()) = client.set_nodelay(true) else { continue };
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks is the client's to see.
            let _broken = server.serve_connection(TokioIo::new(client), service).await;
        });
    }
}
