//! How fast the metadata of many objects are checked by a listing, against one `HEAD` for each in the same run, with object
//! stores that other people wrote (`cargo xtask servers` installs them).
//!
//! `cargo bench -p stocktake-content-objects --bench metadata -- --objects 5000`. Quote ratios: these servers are slow.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

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
use stocktake_testbed::{Cost, Fault, FaultProxy, ObjectServer, ServerKind, bench_argument};

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
        let straight = format!("http://{}{}", server.address(), server.base());
        let heads = Cost::of(|| inspect(kind, straight.clone(), &keys, None));
        let listed = Cost::of(|| inspect(kind, straight.clone(), &keys, Some(1)));
        let proxy = FaultProxy::start(&server.address().to_string(), |_| Fault::None).unwrap();
        inspect(kind, format!("{}{}", proxy.url(), server.base()), &keys, Some(1));
        println!(
            "{kind:?}, {objects} objects: {:.2} s with a HEAD each, {:.3} s and {} requests with a listing, ratio {:.0}",
            heads.elapsed,
            listed.elapsed,
            proxy.asked().len(),
            heads.elapsed / listed.elapsed
        );
    }
}

/// Inspects all objects, lease by lease; without an attempt, each is asked for itself.
fn inspect(kind: ServerKind, endpoint: String, keys: &[String], attempt: Option<u64>) {
    let settings = ObjectSettings {
        service: service(kind, endpoint),
        prefix: String::new(),
        mode: Mode::Metadata,
        requests: NonZeroUsize::new(32).unwrap(),
        bytes_per_second: None,
    };
    let pool = HashPool::start(NonZeroUsize::MIN, Secrets::default()).unwrap();
    let storage = ObjectStorage::new(settings, pool).unwrap();
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
                access_key: "test".to_owned(),
                secret_key: SecretString::from("test"),
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
