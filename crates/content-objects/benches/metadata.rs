//! How fast the metadata of many objects are checked by a listing, against one `HEAD` for each in the same run, with object
//! stores that other people wrote (`cargo xtask servers` installs them).
//!
//! `cargo bench -p stocktake-content-objects --bench metadata -- --objects 5000`. Quote ratios. moto and Azurite need up to a
//! millisecond for each object of a page, so that of them it is the number of requests that counts.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use secrecy::SecretString;
use stocktake_content::{HashPool, Secrets};
use stocktake_content_objects::{
    Addressing, AzureCredentials, AzureSettings, GcsCredentials, GcsSettings, KeyPair, Mode, Network,
    ObjectSettings, ObjectStorage, S3Keys, S3Settings, Service,
};
use stocktake_domain::ports::{ContentStore as _, Inspection, InspectionSink};
use stocktake_domain::{Algorithms, ContentError, Model, Observation};
use stocktake_testbed::{Cost, Fault, FaultProxy, ObjectServer, S3Server, ServerKind, bench_argument};

/// How many records a worker asks for at once.
const LEASE: usize = 1_000;

#[derive(Default)]
struct Tally(AtomicUsize);

impl InspectionSink for Tally {
    fn report(&self, _index: usize, seen: Result<Observation, ContentError>) {
        assert!(seen.unwrap().stored.size.is_some());
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() {
    let objects = bench_argument("--objects", 3_000);
    for kind in [ServerKind::S3, ServerKind::Azure, ServerKind::Google] {
        let server = ObjectServer::start(kind).unwrap();
        let keys: Vec<String> = (0..objects).map(|number| format!("objects/{number:08}")).collect();
        thread::scope(|scope| {
            for part in keys.chunks(keys.len().div_ceil(8)) {
                let server = &server;
                scope.spawn(move || part.iter().for_each(|key| server.put(key, b"content", &[]).unwrap()));
            }
        });
        let base = server.base();
        measure(&format!("{kind:?}"), server.address(), &|url| service(kind, format!("{url}{base}")), &keys);
    }
    // The fastest server there is here: of each request, the least is left that is not ours.
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path()).unwrap();
    server.create_bucket(ObjectServer::BUCKET).unwrap();
    let objects = bench_argument("--fast-objects", 20_000);
    let keys: Vec<String> = (0..objects).map(|number| format!("{number:08}")).collect();
    for key in &keys {
        // The names of the server's files are those of keys without other characters.
        std::fs::write(folder.path().join(ObjectServer::BUCKET).join(key), b"content").unwrap();
    }
    measure("S3 of the testbed", server.address(), &|url| service(ServerKind::S3, url), &keys);
    million();
}

/// How many requests a million objects take, and how long ours is the work, with a server that has each answer ready.
fn million() {
    let pages = bench_argument("--pages", 1_000);
    let server = FaultProxy::start("127.0.0.1:1", move |asked| {
        let token = asked.target.split_once("continuation-token=");
        let page: usize = token.map_or(0, |(_, token)| token.split('&').next().unwrap().parse().unwrap());
        let is_listing = asked.target.contains('?');
        let body = if is_listing { page_of(page, pages) } else { "content".to_owned() };
        let headers =
            [("x-amz-request-id", "1"), ("ETag", ETAG)].map(|(name, value)| (name.into(), value.into()));
        Fault::Answer { status: 200, headers: headers.to_vec(), body }
    });
    let server = server.unwrap();
    let keys: Vec<String> = (0..pages * LEASE).map(key).collect();
    let storage = storage(service(ServerKind::S3, server.url()));
    let listed = Cost::of(|| inspect(&storage, &keys, Some(1))).elapsed;
    let requests = server.asked().len();
    let some = keys.get(..20 * LEASE).unwrap_or(&keys);
    let heads = Cost::of(|| inspect(&storage, some, None)).elapsed;
    let each = |seconds: f64, keys: &[String]| seconds * 1e6 / f64::from(u32::try_from(keys.len()).unwrap());
    let (listed_each, head_each) = (each(listed, &keys), each(heads, some));
    println!(
        "{} objects, answers ready: {requests} requests and {listed:.1} s with a listing, {listed_each:.1} us each; {head_each:.0} us \
         with a HEAD each, ratio {:.0}",
        keys.len(),
        head_each / listed_each
    );
}

const ETAG: &str = "\"9a0364b9e99bb480dd25e1f0284c8555\"";

fn key(number: usize) -> String {
    format!("{number:08}")
}

fn page_of(page: usize, pages: usize) -> String {
    let mut body = "<ListBucketResult>".to_owned();
    for number in page * LEASE..(page + 1) * LEASE {
        let key = key(number);
        write!(
            body,
            "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>{ETAG}</ETag>\
             <Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
        .unwrap();
    }
    let more = page + 1 < pages;
    write!(body, "<IsTruncated>{more}</IsTruncated>").unwrap();
    if more {
        write!(body, "<NextContinuationToken>{}</NextContinuationToken>", page + 1).unwrap();
    }
    body + "</ListBucketResult>"
}

fn measure(name: &str, address: SocketAddr, service: &dyn Fn(String) -> Service, keys: &[String]) {
    let timed = |attempt| {
        let storage = storage(service(format!("http://{address}")));
        Cost::of(|| inspect(&storage, keys, attempt)).elapsed
    };
    let (heads, listed) = (timed(None), timed(Some(1)));
    let proxy = FaultProxy::start(&address.to_string(), |_| Fault::None).unwrap();
    inspect(&storage(service(proxy.url())), keys, Some(1));
    let (objects, requests, ratio) = (keys.len(), proxy.asked().len(), heads / listed);
    println!(
        "{name}, {objects} objects: {heads:.2} s with a HEAD each, {listed:.3} s and {requests} requests with a listing, \
         ratio {ratio:.0}"
    );
}

fn storage(service: Service) -> ObjectStorage {
    let settings = ObjectSettings {
        service,
        prefix: String::new(),
        mode: Mode::Metadata,
        requests: NonZeroUsize::new(32).unwrap(),
        bytes_per_second: None,
    };
    ObjectStorage::new(settings, HashPool::start(NonZeroUsize::MIN, Secrets::default()).unwrap()).unwrap()
}

/// Inspects all objects, lease by lease; without an attempt, each is asked for itself.
fn inspect(storage: &ObjectStorage, keys: &[String], attempt: Option<u64>) {
    let tally = Arc::new(Tally::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for lease in keys.chunks(LEASE) {
        let bare = |key: &String| Inspection::new(Model::Uploads, key, Algorithms::default());
        let pieces = lease.iter().map(|key| Inspection { attempt, ..bare(key) }).collect();
        runtime.block_on(storage.inspect(pieces, Arc::default(), tally.clone()));
    }
    assert_eq!(tally.0.load(Ordering::Relaxed), keys.len());
}

fn service(kind: ServerKind, endpoint: String) -> Service {
    let network = Network { certificates: None, plain_http: true };
    let bucket = ObjectServer::BUCKET.to_owned();
    match kind {
        ServerKind::S3 => Service::S3(S3Settings {
            bucket,
            region: "us-east-1".to_owned(),
            endpoint: Some(endpoint),
            addressing: Addressing::PathStyle,
            keys: S3Keys::Pair(KeyPair {
                access_key: S3Server::ACCESS_KEY.to_owned(),
                secret_key: SecretString::from(S3Server::SECRET_KEY),
                session_token: None,
            }),
            network,
        }),
        ServerKind::Azure => Service::Azure(AzureSettings {
            account: ObjectServer::ACCOUNT.to_owned(),
            container: bucket,
            endpoint: Some(endpoint),
            credentials: AzureCredentials::AccessKey(SecretString::from(ObjectServer::ACCOUNT_KEY)),
            network,
        }),
        ServerKind::Google | ServerKind::GoogleOnDisk => Service::Gcs(GcsSettings {
            bucket,
            endpoint: Some(endpoint),
            credentials: GcsCredentials::Anonymous,
            network,
        }),
    }
}
