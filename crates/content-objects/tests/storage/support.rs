//! A server with one bucket, and storages that look into it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use stocktake_content::{HashPool, Secrets};
use stocktake_content_objects::{
    Addressing, AzureCredentials, AzureSettings, GcsCredentials, GcsSettings, KeyPair, Mode, Network,
    ObjectSettings, ObjectStorage, Patience, S3Keys, S3Settings, Service,
};
use stocktake_domain::ports::{ContentStore, Found, Inspection, InspectionSink, ListError, Watch};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, NotJudged, Observation};
use stocktake_testbed::{Asked, Fault, FaultProxy, S3Server};

pub(crate) const BUCKET: &str = "content";

pub(crate) type Seen = Result<Observation, ContentError>;

/// An S3 server whose objects go with it.
pub(crate) struct Lab {
    pub(crate) server: S3Server,
    _folder: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let server = S3Server::start(folder.path()).unwrap();
        server.create_bucket(BUCKET).unwrap();
        Arc::new(Self { server, _folder: folder })
    }

    pub(crate) fn put(&self, key: &str, content: &[u8]) {
        self.server.put(BUCKET, key, content).unwrap();
    }

    pub(crate) fn proxy(&self, plan: impl Fn(&Asked) -> Fault + Send + Sync + 'static) -> FaultProxy {
        FaultProxy::start(&self.server.address().to_string(), plan).unwrap()
    }

    /// A storage of the bucket.
    pub(crate) fn storage(&self) -> ObjectStorage {
        storage(settings(&self.server.endpoint()))
    }
}

pub(crate) fn pair() -> KeyPair {
    KeyPair {
        access_key: S3Server::ACCESS_KEY.to_owned(),
        secret_key: SecretString::from(S3Server::SECRET_KEY),
        session_token: None,
    }
}

pub(crate) fn s3(endpoint: &str) -> S3Settings {
    S3Settings {
        bucket: BUCKET.to_owned(),
        region: S3Server::REGION.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        addressing: Addressing::PathStyle,
        keys: S3Keys::Pair(pair()),
        network: Network { certificates: None, plain_http: true },
    }
}

pub(crate) fn settings(endpoint: &str) -> ObjectSettings {
    ObjectSettings {
        service: Service::S3(s3(endpoint)),
        prefix: String::new(),
        mode: Mode::Content,
        requests: NonZeroUsize::new(16).unwrap(),
        bytes_per_second: None,
    }
}

pub(crate) fn pool() -> Arc<HashPool> {
    HashPool::start(NonZeroUsize::new(2).unwrap(), Secrets::default()).unwrap()
}

pub(crate) fn storage(settings: ObjectSettings) -> ObjectStorage {
    ObjectStorage::new(settings, pool()).unwrap()
}

/// A storage that soon loses patience.
pub(crate) fn impatient(settings: ObjectSettings) -> ObjectStorage {
    let soon = Duration::from_millis(300);
    let patience = Patience { busy: soon, broken: soon, unreachable: soon, silent: soon * 3 };
    ObjectStorage::with_patience(settings, pool(), patience).unwrap()
}

pub(crate) fn piece(path: &str) -> Inspection {
    Inspection::new(Model::Uploads, path, Algorithms::default().with(Algorithm::Sha256))
}

/// Keeps what is reported, and checks that nothing is reported twice.
#[derive(Default)]
pub(crate) struct Sink(Mutex<Vec<(usize, Seen)>>);

impl InspectionSink for Sink {
    fn report(&self, index: usize, seen: Seen) {
        let mut all = self.0.lock().unwrap();
        assert!(all.iter().all(|(other, _)| *other != index), "piece {index} was reported twice");
        all.push((index, seen));
    }
}

impl Sink {
    /// What was reported since the last time.
    pub(crate) fn taken(&self) -> Vec<(usize, Seen)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// What was reported, by index, without gaps.
    pub(crate) fn all(&self) -> Vec<Seen> {
        let mut all = self.taken();
        all.sort_by_key(|(index, _)| *index);
        assert!(all.iter().enumerate().all(|(place, (index, _))| place == *index));
        all.into_iter().map(|(_, seen)| seen).collect()
    }
}

pub(crate) async fn inspect_watched(
    storage: &ObjectStorage,
    pieces: Vec<Inspection>,
    watch: Arc<Watch>,
) -> Vec<Seen> {
    let (count, sink) = (pieces.len(), Arc::new(Sink::default()));
    storage.inspect(pieces, watch, sink.clone()).await;
    let all = sink.all();
    assert_eq!(all.len(), count);
    all
}

pub(crate) async fn inspect(storage: &ObjectStorage, path: &str) -> Seen {
    inspect_watched(storage, vec![piece(path)], Arc::default()).await.remove(0)
}

/// The reason for which a piece is unreadable.
pub(crate) async fn unreadable(storage: &ObjectStorage, path: &str) -> String {
    match inspect(storage, path).await {
        Err(ContentError::Unreadable(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

/// The reason for which nothing can be said of a piece, since the storage as a whole cannot be read.
pub(crate) async fn not_judged(storage: &ObjectStorage, path: &str) -> String {
    match inspect(storage, path).await {
        Err(ContentError::NotJudged(NotJudged::Storage(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

/// An answer with the headers that every answer of each service has.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let always = [("ETag", "\"x\""), ("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")];
    let own = [("x-amz-request-id", "1"), ("x-goog-generation", "1"), ("x-ms-request-id", "1")];
    bare_answer(status, &[&always[..], &own, headers].concat(), body)
}

/// An answer of just any web server.
pub(crate) fn bare_answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Fault::Answer { status, headers: headers.collect(), body: body.to_owned() }
}

/// A web server that answers so.
pub(crate) fn service(plan: impl Fn(&Asked) -> Fault + Send + Sync + 'static) -> FaultProxy {
    FaultProxy::start("127.0.0.1:1", plan).unwrap()
}

const PLAIN: Network = Network { certificates: None, plain_http: true };

pub(crate) fn google(endpoint: String) -> Service {
    google_of("b", endpoint)
}

pub(crate) fn google_of(bucket: &str, endpoint: String) -> Service {
    Service::Gcs(GcsSettings {
        bucket: bucket.to_owned(),
        endpoint: Some(endpoint),
        credentials: GcsCredentials::Anonymous,
        network: PLAIN,
    })
}

pub(crate) fn azure(endpoint: String) -> Service {
    azure_of("account", "c", "bWFkZS11cCB3b3Jkcw==", endpoint)
}

pub(crate) fn azure_of(account: &str, container: &str, key: &str, endpoint: String) -> Service {
    Service::Azure(AzureSettings {
        account: account.to_owned(),
        container: container.to_owned(),
        endpoint: Some(endpoint),
        credentials: AzureCredentials::AccessKey(key.into()),
        network: PLAIN,
    })
}

pub(crate) fn assert_good(seen: &Seen, content: &[u8]) {
    let seen = seen.as_ref().unwrap();
    let size = u64::try_from(content.len()).unwrap();
    assert_eq!(seen.stored.size, Some(size));
    assert_eq!(seen.bytes_read, size);
    assert_eq!(seen.stored.digests.sha256, Some(Sha256::digest(content).into()));
}

pub(crate) async fn list(storage: &ObjectStorage) -> Vec<Result<Found, ListError>> {
    storage.list().collect().await
}

/// Bytes that differ from one another, and from those of another seed.
pub(crate) fn made_up(seed: u64, bytes: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    stocktake_testbed::write_file(&path, seed, u64::try_from(bytes).unwrap()).unwrap();
    std::fs::read(path).unwrap()
}
